//! `memtrace explain`: explains current decisions of the policy, or past ones from the journal.

pub(crate) mod args;
mod present;

use std::path::Path;

use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::Verbosity;
use crate::sys::output;
use args::ExplainArguments;
use memtrace_core::format::{self, several};
use memtrace_core::order::Order;
use memtrace_core::reactor::Mode;
use memtrace_core::reactor::entry::{Holding, JournalledOrder, Noted};
use memtrace_core::sample::VmId;
use memtrace_core::text;
use memtrace_core::units::{Nanos, WallNanos};
use memtrace_core::vm_choice::{Candidate, choose};
use memtrace_store::journal::{self, Account};
use memtrace_view::export::reaction::{action, explanation};
use memtrace_view::export::worded;
use memtrace_view::{summary, words};
use present::Author;

/// Of a size in a sentence.
const COLUMNS: usize = 6;

/// Explains.
///
/// # Errors
/// When there is no such VM; when the journal can't be read; without a running `memtrace mitigate`,
/// as [`super::run`].
pub fn run(arguments: &ExplainArguments, verbosity: Verbosity) -> Result<()> {
    let config = crate::config::chosen(arguments.config.as_deref())?;
    let directory = arguments.state_dir.as_ref().unwrap_or(&config.journal.directory);
    let (noted, author, orders, unreadable) = match arguments.at {
        Some(time) => {
            let account = journal::at(directory, end_of_second(time))
                .with_context(|| format!("journal in {}", directory.display()))?;
            let told = told(&account, &TimeZone::system());
            let noted = account
                .noted
                .with_context(|| format!("the journal has nothing of that time. {told}"))?;
            (noted, None, told, account.unreadable)
        }
        None => {
            let (noted, author) = present::present(arguments, directory, &config, verbosity)?;
            (noted, Some(author), String::new(), 0)
        }
    };
    let wanted = wanted(arguments.vm.as_deref(), &noted)?;
    if arguments.json {
        if unreadable > 0 {
            tracing::warn!("{} in the journal", several(unreadable, "unreadable line"));
        }
        let (by, pid) = match author {
            None => ("journal", None),
            Some(Author::Running(pid)) => ("running", pid),
            Some(Author::Nobody) => ("observing", None),
        };
        let all = json!({ "noted": as_json(&noted), "vms": wanted, "by": by, "pid": pid });
        let mut text = serde_json::to_string(&all)?;
        text.push('\n');
        return output::print(&text);
    }
    if let Some(author) = author {
        output::print(&heading(author, &noted, directory, &TimeZone::system()))?;
    }
    output::print(&explained(&noted, &wanted, arguments.vm.is_none()))?;
    output::print(&orders)
}

/// Times are typed and printed in whole seconds: what happened within that second counts.
const fn end_of_second(time: WallNanos) -> WallNanos {
    let second = Nanos::SECOND.0;
    WallNanos((time.0 - time.0 % second).saturating_add(second - 1))
}

/// As it was noted, with the words for it.
fn as_json(noted: &Noted) -> serde_json::Value {
    json!({
        "at": noted.at,
        "acting": noted.acting,
        "decisions": worded::decisions(&noted.decisions),
        "names": noted.names,
    })
}

/// Who decided what is explained, and when.
fn heading(author: Author, noted: &Noted, directory: &Path, zone: &TimeZone) -> String {
    let place = directory.display();
    let line = match author {
        Author::Running(pid) => {
            let pid = pid.map_or(String::new(), |pid| format!(", process {pid}"));
            let mode = if noted.acting { Mode::Enforce } else { Mode::Observe };
            let at = summary::local_time(noted.at, zone, "%Y-%m-%d %H:%M:%S");
            format!(
                "memtrace mitigate ({}{pid}) decided at {at}, by its journal in {place}, where \
                 numbers without a new decision are up to a minute old",
                mode.word()
            )
        }
        Author::Nobody => format!(
            "no memtrace mitigate runs with its journal in {place}; one that observes from now on \
             would decide this"
        ),
    };
    format!("{}\n", text::clean(&line))
}

/// The selected VMs; all without a name.
fn wanted(typed: Option<&str>, noted: &Noted) -> Result<Vec<VmId>> {
    let Some(typed) = typed else {
        return Ok(noted.names.iter().map(|named| named.vm).collect());
    };
    let named = choose(typed, &noted.names, |named| {
        Candidate::new(&named.name, named.vm).called(&named.labels)
    })?;
    Ok(vec![named.vm])
}

/// The explanations of the host (unless a VM is selected) and of each VM.
fn explained(noted: &Noted, wanted: &[VmId], host: bool) -> String {
    let Noted { decisions, names, .. } = noted;
    let thought = |vm| decisions.thoughts.iter().find(|thought| thought.vm == vm);
    let state = summary::state(decisions.state);
    let mut text = format!("host state: {state}\n");
    if host {
        text.push_str(&explanation("host", thought(None), None));
    }
    for vm in wanted {
        let name = names.iter().find(|named| named.vm == *vm).map(|named| named.name.as_str());
        let decision = decisions.actions.iter().find(|decision| decision.vm == *vm);
        text.push_str(&explanation(name.unwrap_or("?"), thought(Some(*vm)), decision));
    }
    text
}

/// What is taken from a VM.
fn held(Holding { name, before, now, .. }: &Holding) -> String {
    let before = format::bytes(*before, COLUMNS);
    let line = match now {
        Some(now) => {
            let now = format::bytes(*now, COLUMNS);
            format!("memory is taken from {name}: {now} of {before}")
        }
        None => {
            format!("memory may be taken from {name}: its balloon target is unknown, of {before}")
        }
    };
    text::clean(&line).into_owned()
}

/// Past actions, what is taken, and the reliability of the journal.
fn told(account: &Account, zone: &TimeZone) -> String {
    let at = |wall| summary::local_time(wall, zone, "%Y-%m-%d %H:%M:%S");
    let mut lines = Vec::new();
    for JournalledOrder { begun, ended } in &account.orders {
        let Order { name, action: what, .. } = &begun.order;
        let how = match ended {
            None => "outcome unknown".to_owned(),
            Some((_, Ok(()))) => "done".to_owned(),
            Some((_, Err(why))) => format!("failed: {}", words::failure(why)),
        };
        let line = format!(
            "{} {name}: {}: {how}; {}",
            at(begun.at),
            action(*what),
            words::reason(&begun.reason)
        );
        lines.push(text::clean(&line).into_owned());
    }
    lines.extend(account.holdings.iter().map(held));
    if let Some(noted) = &account.noted {
        lines.push(format!("last policy step before that time: {}", at(noted.at)));
    }
    if let Some(stopped) = account.stopped {
        lines.push(format!("memtrace was stopped at {}", at(stopped)));
    }
    match account.begins {
        Some(begins) => lines.push(format!("the journal reaches back to {}", at(begins))),
        None => lines.push("the journal is empty".to_owned()),
    }
    if account.unreadable > 0 {
        lines.push(format!("{} in the journal", several(account.unreadable, "unreadable line")));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use memtrace_core::policy::Decisions;
    use memtrace_core::policy::Level;
    use memtrace_core::policy::thought::Term;
    use memtrace_core::policy::thought::Thought;
    use memtrace_core::reactor::entry::Named;
    use memtrace_core::units::{Bytes, WallNanos};

    const WEB: VmId = VmId::Uuid(Uuid::from_u128(7));
    const DB: VmId = VmId::Process { pid: 42, start: 1 };

    #[test]
    fn all_of_the_typed_second_counts() {
        let (begin, end) = (1_700_000_000_000_000_000, 1_700_000_000_999_999_999);
        for typed in [begin, begin + 5, end] {
            assert_eq!(end_of_second(WallNanos(typed)), WallNanos(end));
        }
    }

    fn noted() -> Noted {
        let thought = |vm, given: u64| Thought {
            vm,
            arithmetic: vec![Term::Wants { wanted: Bytes(0), given: Bytes(given << 20) }],
            ..Thought::default()
        };
        let named =
            |vm, name: &str| Named { vm, name: name.to_owned(), labels: Default::default() };
        Noted {
            at: WallNanos(0),
            acting: true,
            decisions: Decisions {
                state: Some(Level::Soft),
                thoughts: vec![thought(None, 11), thought(Some(WEB), 22)],
                ..Decisions::default()
            },
            names: vec![named(WEB, "web"), named(DB, "db")],
        }
    }

    #[test]
    fn a_vm_is_meant_by_name_uuid_or_process() {
        let meant = |typed| wanted(Some(typed), &noted()).expect("there is one");
        assert_eq!(meant("web"), [WEB]);
        assert_eq!(meant("00000000-0000-0000-0000-000000000007"), [WEB]);
        assert_eq!(meant("42"), [DB]);
        assert_eq!(wanted(None, &noted()).expect("all"), [WEB, DB]);
    }

    #[test]
    fn an_unknown_vm_is_answered_with_the_known_ones() {
        let error = wanted(Some("wep"), &noted()).expect_err("there is none").to_string();
        assert!(error.contains("web, db"), "{error}");
        let none = Noted { names: Vec::new(), ..noted() };
        assert!(
            wanted(Some("web"), &none).expect_err("there is none").to_string().contains("no VM")
        );
    }

    #[test]
    fn the_host_is_explained_where_all_is_asked_for() {
        let all = explained(&noted(), &[WEB, DB], true);
        for part in ["host state: soft", "gets 11 MiB", "gets 22 MiB", "db\n  not considered"] {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert!(!explained(&noted(), &[WEB], false).contains("gets 11 MiB"));
    }

    #[test]
    fn it_is_said_whose_decisions_they_are() {
        let of = |author| heading(author, &noted(), Path::new("/x"), &TimeZone::UTC);
        let running = of(Author::Running(Some(42)));
        assert!(running.contains("(enforce, process 42) decided at 1970-01-01"), "{running}");
        assert!(running.contains("journal in /x"), "{running}");
        let nobody = of(Author::Nobody);
        assert!(nobody.starts_with("no memtrace mitigate runs with its journal in /x"), "{nobody}");
    }

    #[test]
    fn what_is_taken_is_said_with_the_size_before() {
        let holding = |vm, name: &str, now| Holding {
            vm,
            name: name.to_owned(),
            pid: None,
            before: Bytes(4 << 30),
            now,
        };
        let holdings =
            vec![holding(WEB, "web", Some(Bytes(3 << 30))), holding(DB, "d\u{1b}b", None)];
        let text = told(&Account { holdings, ..Account::default() }, &TimeZone::UTC);
        assert!(text.contains("memory is taken from web: 3.0G of 4.0G\n"), "{text}");
        assert!(text.contains("may be taken from d") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn how_far_the_journal_can_be_relied_on_is_said() {
        assert!(told(&Account::default(), &TimeZone::UTC).contains("the journal is empty"));
        let begins = Some(WallNanos(1_795_383_065_000_000_000));
        let account = Account { begins, unreadable: 2, ..Account::default() };
        let text = told(&account, &TimeZone::UTC);
        assert!(
            text.contains("back to 2026-11-22 21:31:05") && text.contains("2 unreadable lines"),
            "{text}"
        );
    }
}
