//! `memtrace fleet`: overview of all hosts in a Prometheus, and placement of a new VM.

pub(crate) mod args;
pub(crate) mod host;
pub(crate) mod placement;
pub(crate) mod query;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod watch;
pub(crate) mod write;

use std::io::{self, IsTerminal};

use anyhow::Result;

use crate::command::fleet::args::FleetArguments;
use crate::prometheus::Prometheus;
use crate::sys::runtime;
use host::{Answers, Fleet};
use memtrace_view::tui::Page;
use query::Query;

/// Whether it draws full-screen on the terminal.
pub fn draws(arguments: &FleetArguments) -> bool {
    let prints = arguments.print.prints() || arguments.fit.is_some();
    !prints && io::stdout().is_terminal()
}

/// Runs until the user quits, the count is reached, or Ctrl-C. Needs no privileges.
///
/// # Errors
/// When the first query fails (later ones are reported and retried), or the output can't be
/// written.
pub fn run(arguments: &FleetArguments) -> Result<()> {
    let prometheus = Prometheus::new(
        arguments.prometheus.clone(),
        arguments.credentials.credentials(),
        arguments.timeout,
    );
    let runtime = runtime::current_thread()?;
    let result = if draws(arguments) {
        runtime.block_on(watch::draw(prometheus, arguments))
    } else {
        runtime.block_on(watch::print(prometheus, arguments))
    };
    // A query may still be running.
    runtime.shutdown_background();
    result
}

/// Runs all queries in sequence. The hosts' metrics are required; other failed queries only leave
/// their part out.
///
/// # Errors
/// When the query of the hosts' metrics fails.
fn ask_all(prometheus: &Prometheus) -> Result<Answers> {
    let hosts = prometheus.now(&Query::Hosts.text())?;
    let other = |query: Query| prometheus.now(&query.text()).map_err(|error| format!("{error:#}"));
    Ok(Answers {
        hosts,
        seen: other(Query::Seen),
        up: other(Query::Up),
        sufferers: other(Query::Sufferers),
    })
}

/// The content to show.
struct Shown {
    fleet: Fleet,
    places: Option<Vec<placement::Candidate>>,
}

impl Shown {
    fn of(answers: Answers, arguments: &FleetArguments) -> Self {
        let mut fleet = Fleet::of(answers);
        table::sort(&mut fleet.hosts);
        let places = arguments.fit.map(|size| placement::places(&fleet.hosts, size));
        Self { fleet, places }
    }

    fn page(&self, arguments: &FleetArguments) -> Page {
        match self.places.as_deref().zip(arguments.fit) {
            Some((places, size)) => table::fitting(&self.fleet, places, size),
            None => table::page(&self.fleet, &arguments.prometheus.to_string()),
        }
    }

    fn text(&self, arguments: &FleetArguments) -> String {
        if arguments.print.json {
            return write::json(&self.fleet, arguments.fit.zip(self.places.as_deref()));
        }
        let stdout = io::stdout();
        // Only a terminal limits the width.
        let size = rustix::termios::tcgetwinsize(&stdout).ok().filter(|_| stdout.is_terminal());
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        write::plain(&self.page(arguments), width, arguments.print.color.on_stdout())
    }
}
