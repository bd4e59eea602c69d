//! What the parts of the page share: the report, and how it names hosts, VMs and times.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::command::report::gather::Contents;
use crate::command::report::words::{clock, name, time};
use memtrace_core::sample::{Party, VmId};
use memtrace_core::units::WallNanos;

/// The context of a report.
pub struct Around<'a> {
    /// Source path, as given.
    pub source: &'a str,
    /// Unreadable parts.
    pub losses: &'a [String],
    /// Time zone.
    pub zone: &'a TimeZone,
}

/// The parts' view of it.
pub(super) struct Page<'a> {
    pub(super) report: &'a Contents,
    pub(super) around: &'a Around<'a>,
}

impl Page<'_> {
    pub(super) fn hosts(&self) -> String {
        let hosts: Vec<String> = self.report.hosts.iter().map(|host| name(host)).collect();
        if hosts.is_empty() { "unnamed host".to_owned() } else { hosts.join(", ") }
    }

    pub(super) fn time(&self, at: WallNanos) -> String {
        time(at, self.around.zone)
    }

    pub(super) fn clock(&self, at: WallNanos) -> String {
        clock(at, self.report.line.begin, self.around.zone)
    }

    pub(super) fn vm(&self, id: VmId) -> String {
        let known = self.report.vms.iter().find(|(known, _)| *known == id);
        known.map_or_else(|| id.to_string(), |(_, account)| name(&account.name))
    }

    pub(super) fn party(&self, party: Option<Party>) -> String {
        match party {
            Some(Party::Vm(id)) => self.vm(id),
            Some(Party::Kswapd) => "kswapd".to_owned(),
            Some(Party::Other) => "no VM".to_owned(),
            None => "all others".to_owned(),
        }
    }

    /// Beneath a plot: begin, middle and end.
    pub(super) fn axis(&self) -> Markup {
        let line = self.report.line;
        let middle = WallNanos(line.begin.0.midpoint(line.end.0));
        html! {
            div.axis { @for at in [line.begin, middle, line.end] { span { (self.clock(at)) } } }
        }
    }
}
