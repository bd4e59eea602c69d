//! Tables and documents on standard output, one per interval.

use anyhow::{Context, Result, bail};

use crate::service::view_input::ViewInput;
use crate::sys::interrupt::Interrupt;
use crate::sys::output;
use memtrace_core::filter::Filter;
use memtrace_core::live::Latest;
use memtrace_core::model::Snapshot;
use memtrace_core::reactor::Decided;
use memtrace_view::columns::Sort;
use memtrace_view::export::json;
use memtrace_view::export::plain::{self, PlainOptions};
use memtrace_view::export::stream::keys::Selection;

/// The output format.
pub(super) enum Form {
    Plain(PlainOptions),
    Json { sort: Sort, filter: Option<Filter>, keys: Selection },
}

impl Form {
    pub(super) fn encode(&self, snapshot: &Snapshot, decided: &Decided) -> Result<String> {
        match self {
            Self::Plain(options) => Ok(plain::frame(snapshot, decided, options)),
            Self::Json { sort, filter, keys } if keys.is_all() => {
                json::document(snapshot, decided, *sort, filter.as_ref())
            }
            Self::Json { sort, filter, keys } => {
                json::selected(snapshot, decided, *sort, filter.as_ref(), keys)
            }
        }
    }

    const fn filter(&self) -> Option<&Filter> {
        match self {
            Self::Plain(options) => options.filter.as_ref(),
            Self::Json { filter, .. } => filter.as_ref(),
        }
    }

    /// The separator of two snapshots.
    pub(super) const fn separator(&self) -> &'static str {
        match self {
            Self::Plain(_) => "\n",
            Self::Json { .. } => "",
        }
    }
}

/// Prints `count` snapshots (`None`: no limit) with rates; the first sample is only the base of the
/// second's rates, and so is that after a wait for another memtrace. Ctrl-C, SIGTERM and SIGHUP end
/// it with success, a second one also while nobody reads.
pub(super) async fn run(input: ViewInput, form: &Form, count: Option<u64>) -> Result<()> {
    let interrupt = Interrupt::watch()?;
    tokio::select! {
        result = snapshots(input, form, count, output::print) => result,
        () = interrupt.wait() => Ok(()),
    }
}

async fn snapshots(
    mut input: ViewInput,
    form: &Form,
    count: Option<u64>,
    mut print: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut printed = 0;
    while count.is_none_or(|count| printed < count) {
        input.handle.latest.changed().await.context("sampling ended without an error")?;
        let latest = input.handle.latest.borrow_and_update().clone();
        let decided = input.decided_of(&latest).await;
        match latest {
            Latest::Starting => {}
            Latest::Waiting(text) => tracing::warn!("{text}; waiting for the next one"),
            Latest::Failed(text) => bail!("{text}"),
            Latest::Snapshot(snapshot) if snapshot.interval.is_none() => {}
            Latest::Snapshot(mut snapshot) => {
                // Of more than one, that VM may be in a later one.
                if count == Some(1) {
                    form.filter().map_or(Ok(()), |filter| filter.require(&snapshot.vms))?;
                }
                decided.aim(&mut snapshot);
                let separator = if printed > 0 { form.separator() } else { "" };
                print(&format!("{separator}{}", form.encode(&snapshot, &decided)?))?;
                printed += 1;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::service::sampling::spawn;
    use memtrace_core::fixture::samples::Seconds;
    use memtrace_core::live::Control;
    use memtrace_core::vm_choice::NoSuchVm;

    fn printed(last: u64, count: Option<u64>, form: &Form) -> (Result<()>, Vec<String>) {
        let control = Control { interval: Duration::from_millis(20), detail: None, stop: false };
        let input = ViewInput::alone(spawn(Box::new(Seconds::until(last)), control), idle());
        let mut texts = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let result = runtime.expect("a runtime starts").block_on(async {
            let all = snapshots(input, form, count, |text| {
                texts.push(text.to_owned());
                Ok(())
            });
            tokio::time::timeout(Duration::from_secs(20), all).await.expect("it ends in time")
        });
        (result, texts)
    }

    fn idle() -> Option<Arc<str>> {
        Some("nothing is decided here".into())
    }

    fn json() -> Form {
        Form::Json { sort: Sort::default(), filter: None, keys: Selection::default() }
    }

    #[test]
    fn every_document_has_an_interval_and_there_are_as_many_as_asked_for() {
        let (result, texts) = printed(u64::MAX, Some(3), &json());
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(texts.len(), 3);
        for text in texts {
            let snapshot: Snapshot = serde_json::from_str(&text).expect("it is a snapshot");
            assert!(snapshot.interval.is_some());
        }
    }

    #[test]
    fn one_table_of_a_vm_that_there_is_not_fails() {
        let form = |vm: &str| {
            let filter = Some(Filter::of_vm(vm));
            Form::Plain(PlainOptions { filter, ..PlainOptions::default() })
        };
        let (result, texts) = printed(u64::MAX, Some(1), &form("nosuch"));
        let error = result.expect_err("it is not there");
        assert!(error.is::<NoSuchVm>() && texts.is_empty(), "{error}");
        assert!(error.to_string().starts_with("no VM \"nosuch\""), "{error}");
        let (result, texts) = printed(u64::MAX, Some(2), &form("nosuch"));
        assert!(result.is_ok() && texts.len() == 2, "it may still start: {result:?}");
    }

    #[test]
    fn an_empty_line_stands_between_two_tables() {
        let form = Form::Plain(PlainOptions::default());
        let (_, texts) = printed(u64::MAX, Some(2), &form);
        let begins: Vec<_> = texts.iter().map(|text| text.starts_with('\n')).collect();
        assert_eq!(begins, [false, true]);
    }

    #[test]
    fn a_source_that_fails_ends_it_with_the_reason() {
        let (result, _) = printed(2, None, &json());
        assert_eq!(result.expect_err("it fails").to_string(), "the host is gone");
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_ends_it() {
        let control = Control { interval: Duration::from_millis(1), detail: None, stop: false };
        let input = ViewInput::alone(spawn(Box::new(Seconds::endless()), control), idle());
        let gone = |_: &str| Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        let result = snapshots(input, &json(), None, gone).await;
        assert!(result.is_err());
    }
}
