//! The advice as text. Pure.

mod hours;
mod swap;

use jiff::tz::TimeZone;

use super::Advice;
use super::basis::Sure;
use super::host::{Added, Fits, HostAdvice, Level};
use super::looks::time;
use super::source::Source;
use super::vm::{SizeAdvice, VmAdvice};
use memtrace_core::format::{self, UNKNOWN, several};
use memtrace_core::text::{clean, left, right, wrap};
use memtrace_core::units::{Bytes, Nanos, WallNanos};
use memtrace_view::emphasis::Emphasis;
use memtrace_view::summary::{OVERCOMMIT, local_time};

const WIDTH: usize = 96;
const NAME: usize = 24;
/// Most VMs of a table; JSON has all of them.
const MOST_ROWS: usize = 30;
/// A VM not seen for this long at the end may be gone for good.
const GONE: Nanos = Nanos(3600 * Nanos::SECOND.0);

/// Lines, with or without colours.
struct Page<'a> {
    text: String,
    zone: &'a TimeZone,
    colored: bool,
}

pub(super) fn text(advice: &Advice, zone: &TimeZone, colored: bool) -> String {
    let mut page = Page { text: String::new(), zone, colored };
    page.opening(advice);
    page.vms(advice);
    page.host(&advice.host);
    page.swap(&advice.swap);
    page.dead(&advice.dead);
    page.hours(&advice.by_hour);
    page.text
}

impl Page<'_> {
    fn opening(&mut self, advice: &Advice) {
        let hosts: Vec<_> = advice.hosts.iter().map(|host| clean(host)).collect();
        let host = if hosts.is_empty() { "a host".to_owned() } else { hosts.join(", ") };
        let begin = advice.begin.map_or(UNKNOWN.to_owned(), |begin| self.time(begin));
        let end = self.time(advice.end);
        let time = time(advice.recorded_seconds);
        let of = match advice.source.in_full() {
            Some(words) => format!("of history ({words})"),
            None => "recorded".to_owned(),
        };
        self.line(
            &format!("Advice for {host}, by {time} {of} from {begin} to {end}"),
            Emphasis::Strong,
        );
        if advice.source.surest() < Sure::High {
            let text = "values between scrapes are not observed: confidence is at most medium";
            self.said(text, Emphasis::Dim);
        }
        if !advice.losses.is_empty() {
            let parts = several(advice.losses.len() as u64, "part");
            self.said(&format!("{parts} not read: see standard error"), Emphasis::Warm);
        }
    }

    fn vms(&mut self, advice: &Advice) {
        let (vms, left_out) = (&advice.vms, advice.vms_left_out);
        let head = ["now", "initial", "minimum", "maximum"].map(|word| right(word, 8)).concat();
        self.line("", Emphasis::Plain);
        self.line(
            &format!("{}{head}  {} confidence", left("VM", NAME), left("advice", 8)),
            Emphasis::Strong,
        );
        if vms.is_empty() {
            self.said("no VMs", Emphasis::Dim);
        }
        for vm in vms {
            self.vm(vm, advice.source);
            if advice.end.0.saturating_sub(vm.last_seen.0) > GONE.0 {
                self.said(
                    &format!("it was last seen at {}", self.time(vm.last_seen)),
                    Emphasis::Warm,
                );
            }
        }
        if left_out > 0 {
            let text = format!("at least {left_out} more VMs were seen than can be evaluated");
            self.said(&text, Emphasis::Warm);
        }
    }

    fn vm(&mut self, vm: &VmAdvice, source: Source) {
        let size = |of: Option<Bytes>| right(&bytes(of), 8);
        let sizes = [
            vm.allocated,
            vm.size.map(|size| size.initial),
            vm.size.map(|size| size.minimum),
            vm.size.map(|size| size.maximum),
        ];
        let emphasis = match vm.verdict {
            SizeAdvice::NoRoom => Emphasis::Hot,
            SizeAdvice::Raise => Emphasis::Warm,
            SizeAdvice::TooLittle => Emphasis::Dim,
            SizeAdvice::Lower | SizeAdvice::Keep | SizeAdvice::Bounds => Emphasis::Plain,
        };
        let name = left(&clean(&vm.name), NAME);
        let (advice, sure) = (left(vm.verdict.word(), 8), vm.sure.word());
        self.line(&format!("{name}{}  {advice} {sure}", sizes.map(size).concat()), emphasis);
        for why in vm.why.iter().take(1) {
            let wanted = vm.wanted.map_or(String::new(), |wanted| {
                format!(" (by its demand alone: {})", bytes(Some(wanted)))
            });
            self.said(&format!("{why}{wanted}"), Emphasis::Plain);
        }
        let basis = &vm.basis;
        if let Some(peak_at) = basis.peak_at {
            let [p50, p95, p99, peak] = [basis.p50, basis.p95, basis.p99, basis.peak].map(bytes);
            let at = self.time(peak_at);
            let days = time(basis.known_seconds);
            let by = source.words().map_or(String::new(), |words| format!(" ({words})"));
            self.said(
                &format!(
                    "demand in {days}{by}: p50 {p50}, p95 {p95}, p99 {p99}, peak {peak} \
                     ({at})"
                ),
                Emphasis::Dim,
            );
        }
        if let Some(growth) = basis.growth_per_day {
            let (word, growth) = if growth < 0.0 { ("fall", -growth) } else { ("grow", growth) };
            let growth = bytes(Some(Bytes(growth as u64)));
            self.said(&format!("its daily peaks {word} by {growth} a day"), Emphasis::Plain);
        }
        if let Some(at) = basis.hurt_at {
            let (time, at) = (format::seconds(basis.hurt_seconds), bytes(Some(at)));
            let text = format!("in distress for {time}, at sizes up to {at}");
            self.said(&text, Emphasis::Warm);
        }
        for doubt in vm.why.iter().skip(1) {
            self.said(doubt, Emphasis::Dim);
        }
    }

    fn host(&mut self, host: &HostAdvice) {
        let (installed, allocated) = (bytes(host.installed), bytes(host.allocated));
        let ratio = host.ratio.map_or(UNKNOWN.to_owned(), |ratio| format!("{ratio:.2}x"));
        let [warning, critical] = OVERCOMMIT;
        self.line("", Emphasis::Plain);
        let line = format!(
            "Host: {allocated} allocated / {installed} installed = {ratio} (warning from \
             {warning:.1}x, critical from {critical:.1}x)"
        );
        self.line(&line, level(host.level));
        if let (Some(peak), Some(at)) = (host.together_peak, host.together_at) {
            let share = peak
                .share_of(host.peaks)
                .map_or(UNKNOWN.to_owned(), |share| format::percent(share, 4));
            self.said(
                &format!(
                    "peak of simultaneous demand {} ({}), p99 {}; sum of single peaks {}, \
                     of which that is {share}",
                    bytes(Some(peak)),
                    self.time(at),
                    bytes(host.together_p99),
                    bytes(Some(host.peaks)),
                ),
                Emphasis::Plain,
            );
        }
        if let Some(kept) = host.kept_peak.filter(|kept| Some(*kept) > host.together_peak) {
            let kept = bytes(Some(kept));
            let text = format!(
                "their memory on the host was up to {kept}, with caches and unused memory: \
                 without balloons \
                 that has to fit"
            );
            self.said(&text, Emphasis::Plain);
        }
        let (usable, reserve, own) = (bytes(host.usable), bytes(host.reserve), bytes(host.own));
        self.said(
            &format!(
                "usable for VMs: {usable} (less a reserve of {reserve} and host use of {own})"
            ),
            Emphasis::Plain,
        );
        self.safe(host);
        if let Some(added) = &host.added {
            self.added(added, host.usable);
        }
        for why in &host.why {
            self.said(why, Emphasis::Dim);
        }
    }

    fn safe(&mut self, host: &HostAdvice) {
        let sure = host.sure.word();
        let text = match (host.safe_ratio, host.safe_more) {
            _ if host.sure == Sure::TooLittle => {
                "too little data for a safe overcommit: at least 6 h are required".to_owned()
            }
            (Some(safe), Some(more)) if more >= 0 => {
                let more = bytes(u64::try_from(more).ok().map(Bytes));
                format!("safe overcommit: up to {safe:.2}x, {more} more (confidence: {sure})")
            }
            (Some(safe), Some(more)) => {
                let less = bytes(Some(Bytes(more.unsigned_abs())));
                format!("safe overcommit: up to {safe:.2}x, {less} less (confidence: {sure})")
            }
            _ => "safe overcommit unknown: demand or memory unknown".to_owned(),
        };
        let emphasis = if host.safe_more.is_some_and(|more| more < 0) {
            Emphasis::Warm
        } else {
            Emphasis::Plain
        };
        self.said(&text, emphasis);
    }

    fn added(&mut self, added: &Added, usable: Option<Bytes>) {
        let size = bytes(Some(added.size));
        let ratio = added.ratio.map_or(UNKNOWN.to_owned(), |ratio| format!("{ratio:.2}x"));
        let text = match added.fits {
            Fits::Always => "fits, even if it uses all of its memory at the worst time",
            Fits::Likely => {
                "fits if its demand is like the others', not if it uses all of its memory"
            }
            Fits::No => "does not fit, even if its demand is like the others'",
            Fits::Unknown => "unknown: demand or memory unknown",
        };
        let emphasis = match added.fits {
            Fits::Always if added.level == Some(Level::Fine) => Emphasis::Plain,
            Fits::Always | Fits::Likely => Emphasis::Warm,
            Fits::No => Emphasis::Hot,
            Fits::Unknown => Emphasis::Dim,
        };
        let (likely, worst, usable) = (bytes(added.likely), bytes(added.worst), bytes(usable));
        self.said(
            &format!(
                "one more VM of {size}: {ratio}; {text} (total demand {likely} likely, {worst} at \
                 worst, of {usable}, of which a sixth should stay free)"
            ),
            emphasis,
        );
    }

    /// A sentence below a line.
    fn said(&mut self, text: &str, emphasis: Emphasis) {
        for line in wrap(&clean(text), WIDTH - 4) {
            self.line(&format!("    {line}"), emphasis);
        }
    }

    fn line(&mut self, text: &str, emphasis: Emphasis) {
        self.text.push_str(&emphasis.paint(text.trim_end(), self.colored));
        self.text.push('\n');
    }

    fn time(&self, at: WallNanos) -> String {
        local_time(at, self.zone, "%Y-%m-%d %H:%M")
    }
}

fn bytes(amount: Option<Bytes>) -> String {
    amount.map_or(UNKNOWN.to_owned(), |amount| format::bytes(amount, 5))
}

fn level(level: Option<Level>) -> Emphasis {
    match level {
        None | Some(Level::Fine) => Emphasis::Strong,
        Some(Level::Warning) => Emphasis::Warm,
        Some(Level::Critical) => Emphasis::Hot,
    }
}
