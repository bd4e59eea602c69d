//! Periodic queries, for the terminal or a pipe.

use anyhow::{Context, Result};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::{Shown, ask_all};
use crate::command::fleet::args::FleetArguments;
use crate::prometheus::Prometheus;
use crate::service::terminal;
use crate::sys::interrupt::Interrupt;
use crate::sys::output;
use memtrace_view::emphasis::{Emphasis, Part};
use memtrace_view::tui::Page;

/// Prints periodically. A failure is fatal only before the first output.
pub(super) async fn print(prometheus: Prometheus, arguments: &FleetArguments) -> Result<()> {
    let interrupt = Interrupt::watch()?;
    tokio::select! {
        result = frames(prometheus, arguments, output::print) => result,
        () = interrupt.wait() => Ok(()),
    }
}

pub(super) async fn frames(
    prometheus: Prometheus,
    arguments: &FleetArguments,
    mut print: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let most = arguments.print.most().or_else(|| arguments.fit.map(|_| 1));
    let mut ticks = interval(arguments.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut printed = 0;
    while most.is_none_or(|most| printed < most) {
        ticks.tick().await;
        match ask(&prometheus, arguments).await {
            Ok(shown) => {
                let gap = if printed > 0 && !arguments.print.json { "\n" } else { "" };
                print(&format!("{gap}{}", shown.text(arguments)))?;
                printed += 1;
            }
            Err(error) if printed == 0 => return Err(error),
            Err(error) => tracing::warn!("{error:#}"),
        }
    }
    Ok(())
}

/// Shows it on the terminal until the user quits. A failure is shown above the last data.
pub(super) async fn draw(prometheus: Prometheus, arguments: &FleetArguments) -> Result<()> {
    // A wrong address is an error on the command line, not on the screen.
    let first = ask(&prometheus, arguments).await?.page(arguments);
    let (send, pages) = watch::channel(first);
    tokio::select! {
        result = terminal::pages(pages, arguments.print.color.on_stdout()) => result,
        () = refresh(prometheus, arguments, send) => Ok(()),
    }
}

async fn refresh(prometheus: Prometheus, arguments: &FleetArguments, send: watch::Sender<Page>) {
    let mut ticks = interval(arguments.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut page = send.borrow().clone();
    loop {
        ticks.tick().await;
        let shown = match ask(&prometheus, arguments).await {
            Ok(shown) => {
                page = shown.page(arguments);
                page.clone()
            }
            Err(error) => failed(&page, &error),
        };
        if send.send(shown).is_err() {
            return;
        }
    }
}

/// The last data, and why there is nothing newer.
fn failed(page: &Page, error: &anyhow::Error) -> Page {
    let mut page = page.clone();
    let text = format!("! outdated: {error:#}");
    page.head.insert(0, vec![Part::new(memtrace_core::text::clean(&text), Emphasis::Hot)]);
    page
}

async fn ask(prometheus: &Prometheus, arguments: &FleetArguments) -> Result<Shown> {
    let asked = prometheus.clone();
    let answers = tokio::task::spawn_blocking(move || ask_all(&asked)).await;
    Ok(Shown::of(answers.context("the query to Prometheus failed")??, arguments))
}
