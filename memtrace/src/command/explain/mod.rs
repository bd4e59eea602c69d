//! `memtrace explain`: explains current decisions of the policy, or past ones from the journal.

pub mod args;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::Verbosity;
use crate::cli::vm_choice::{Candidate, choose};
use crate::config::Config;
use crate::service::live;
use crate::service::policy;
use crate::service::sampling::{self, Handle};
use crate::sys::output;
use crate::sys::runtime;
use args::ExplainArguments;
use memtrace_core::format::several;
use memtrace_core::live::Control;
use memtrace_core::order::Order;
use memtrace_core::reactor::entry::{Named, Noted, Told};
use memtrace_core::reactor::{Reactor, Step};
use memtrace_core::sample::VmId;
use memtrace_core::text;
use memtrace_store::journal::{self, Account, Recovered};
use memtrace_view::export::reaction::{action, explanation};
use memtrace_view::export::worded;
use memtrace_view::{summary, words};

/// Measurement time: guest statistics refresh every 2 s, and a rate needs two of them.
const LOOK: Duration = Duration::from_secs(4);
/// Maximum wait for a busy source at the end.
const PATIENCE: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_secs(1);
/// All of them take no longer.
const LIMIT: Duration = Duration::from_secs(30);

/// Explains.
///
/// # Errors
/// When there is no such VM; live, as [`super::run`]; of the past, when the journal can't be
/// read.
pub fn run(arguments: &ExplainArguments, verbosity: Verbosity) -> Result<()> {
    let config = crate::config::chosen(arguments.config.as_deref())?;
    let (noted, orders, unreadable) = match arguments.at {
        Some(time) => {
            let directory = arguments.state_dir.as_ref().unwrap_or(&config.journal.directory);
            let account = journal::at(directory, time)
                .with_context(|| format!("journal in {}", directory.display()))?;
            let told = told(&account, &TimeZone::system());
            let noted = account
                .noted
                .with_context(|| format!("the journal has nothing of that time. {told}"))?;
            (noted, told, account.unreadable)
        }
        None => (now(arguments, &config, verbosity)?, String::new(), 0),
    };
    let wanted = wanted(arguments.vm.as_deref(), &noted)?;
    if arguments.json {
        if unreadable > 0 {
            tracing::warn!("{} in the journal", several(unreadable, "unreadable line"));
        }
        let mut text = serde_json::to_string(&json!({ "noted": as_json(&noted), "vms": wanted }))?;
        text.push('\n');
        return output::print(&text);
    }
    output::print(&explained(&noted, &wanted, arguments.vm.is_none()))?;
    output::print(&orders)
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

/// The current decisions. Changes and writes nothing.
fn now(arguments: &ExplainArguments, config: &Config, verbosity: Verbosity) -> Result<Noted> {
    let root = live::privileged_host()?;
    let libvirt = config.libvirt && !arguments.no_libvirt;
    let mut source = live::source(root, verbosity, libvirt);
    let policy = policy::policy(&mut source, config, &Recovered::default())?;
    let reactor = Reactor::on_paper(policy);
    let control = Control { interval: INTERVAL, detail: None, stop: false };
    let handle = sampling::spawn_with(Box::new(source), Some(reactor), control);
    let runtime = runtime::current_thread()?;
    let step = runtime.block_on(async {
        let last = tokio::time::timeout(LIMIT, last_of(handle.clone())).await;
        handle.stop(PATIENCE).await;
        last.context("sampling the host takes too long")?
    })?;
    let names = step.snapshot.vms.iter().map(|vm| Named {
        vm: vm.id,
        name: vm.name.clone(),
        labels: vm.labels.clone(),
    });
    Ok(Noted {
        at: step.snapshot.wall,
        acting: false,
        decisions: step.reaction.decisions.clone(),
        names: names.collect(),
    })
}

async fn last_of(mut handle: Handle) -> Result<Arc<Step>> {
    let mut first = None;
    loop {
        if handle.step.changed().await.is_err() {
            handle.failure()?;
        }
        let step = handle.step.borrow_and_update().clone();
        let step = step.context("the host was not sampled")?;
        // Not by the number of steps: under pressure there are more.
        if first.get_or_insert_with(Instant::now).elapsed() >= LOOK {
            return Ok(step);
        }
    }
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

/// Past actions, and the reliability of the journal.
fn told(account: &Account, zone: &TimeZone) -> String {
    let moment = |wall| summary::moment(wall, zone, "%Y-%m-%d %H:%M:%S");
    let mut lines = Vec::new();
    for Told { begun, ended } in &account.orders {
        let Order { name, action: what, .. } = &begun.order;
        let how = match ended {
            None => "outcome unknown".to_owned(),
            Some((_, Ok(()))) => "done".to_owned(),
            Some((_, Err(reason))) => format!("failed: {reason}"),
        };
        let line = format!(
            "{} {name}: {}: {how}; {}",
            moment(begun.at),
            action(*what),
            words::reason(&begun.reason)
        );
        lines.push(text::clean(&line).into_owned());
    }
    if let Some(noted) = &account.noted {
        lines.push(format!("last policy step before that time: {}", moment(noted.at)));
    }
    if let Some(stopped) = account.stopped {
        lines.push(format!("memtrace was stopped at {}", moment(stopped)));
    }
    match account.begins {
        Some(begins) => lines.push(format!("the journal reaches back to {}", moment(begins))),
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
    use memtrace_core::units::{Bytes, WallNanos};

    const WEB: VmId = VmId::Uuid(Uuid::from_u128(7));
    const DB: VmId = VmId::Process { pid: 42, start: 1 };

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
