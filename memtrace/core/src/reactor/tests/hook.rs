//! The last escalation step carried out, on a host that is low and has nothing to give.

use super::*;
use crate::policy::rules::HookRules;
use crate::policy::{Level, Memtrace, Rules};
use crate::reactor::hook::{Hook, HookMessage};

/// Keeps the messages in the world's story.
struct Listens(Shared);

impl Hook for Listens {
    fn tell(&mut self, number: u64, message: &HookMessage) {
        self.0.with(|world| world.messages.push((number, message.clone())));
    }

    fn ended(&mut self) -> Vec<Outcome> {
        self.0.with(|world| std::mem::take(&mut world.outcomes))
    }
}

fn low(world: &Shared, enforce: bool) -> Reactor {
    let hook = HookRules { heard: true, ..HookRules::default() };
    let policy = Memtrace::new(Rules { hook, ..Rules::default() });
    let actuator = enforce.then(|| Box::new(Shared::default()) as Box<dyn Actuator + Send>);
    Reactor::new(Box::new(policy), (Box::new(world.clone()), Vec::new()), actuator)
        .telling(Box::new(Listens(world.clone())))
}

/// From one second to another on a host with 1 % of its memory available.
fn pass(reactor: &mut Reactor, seconds: std::ops::Range<u64>) -> Reaction {
    let reactions = seconds.map(|second| {
        let before = sample(second - 1, vec![vm("web", 7)]);
        let mut now = sample(second, vec![vm("web", 7)]);
        now.host.arc_reclaimable = Some(Bytes(0));
        if let Some(memory) = &mut now.host.meminfo {
            memory.available = Bytes(memory.total.0 / 100);
        }
        reactor.react(&now, &derive(Some(&before), &now))
    });
    reactions.last().expect("there is a second")
}

fn fate(reaction: &Reaction) -> Option<(u64, Fate)> {
    reaction.called.as_ref().map(|called| (called.number, called.fate.clone()))
}

#[test]
fn the_hook_gets_what_is_missing_and_its_outcome_is_shown() {
    let world = Shared::default();
    let mut reactor = low(&world, true);
    assert_eq!(fate(&pass(&mut reactor, 1..31)), None);
    assert_eq!(fate(&pass(&mut reactor, 31..32)), Some((0, Fate::InFlight)));
    let told = world.with(|world| world.messages.clone());
    let [(0, message)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((message.state, message.host.as_deref()), (Some(Level::Low), Some("host")));
    assert!(message.call.missing > Bytes(64 * MIB), "{message:?}");
    assert_eq!(message.call.lasts, Nanos(30 * Nanos::SECOND.0));
    world.with(|world| world.outcomes.push(Outcome { id: 0, result: Ok(()) }));
    assert_eq!(fate(&pass(&mut reactor, 32..33)), Some((0, Fate::Done)));
    assert_eq!(fate(&pass(&mut reactor, 33..631)), Some((0, Fate::Done)));
    let refused = Outcome { id: 1, result: Err(Failure::Reported("it has ended".to_owned())) };
    assert_eq!(fate(&pass(&mut reactor, 631..632)), Some((1, Fate::InFlight)));
    world.with(|world| world.outcomes.push(refused));
    let failed = Fate::Failed(Failure::Reported("it has ended".to_owned()));
    assert_eq!(fate(&pass(&mut reactor, 632..633)), Some((1, failed)));
}

#[test]
fn in_observe_mode_the_hook_is_not_run_and_the_reason_is_shown() {
    let world = Shared::default();
    let reaction = pass(&mut low(&world, false), 1..32);
    assert_eq!(fate(&reaction), Some((0, Fate::Observed)));
    assert!(reaction.decisions.hook.is_some(), "and it is in what is written down");
    assert_eq!(world.with(|world| world.messages.len()), 0);
}

#[test]
fn without_a_journal_entry_the_hook_is_not_run() {
    let world = Shared::default();
    let mut reactor = low(&world, true);
    pass(&mut reactor, 1..31);
    world.with(|world| world.full = true);
    let Some((0, Fate::Failed(Failure::NoJournal(reason)))) = fate(&pass(&mut reactor, 31..32))
    else {
        panic!("it was told")
    };
    assert!(reason.contains("no space left"), "{reason}");
    assert_eq!(world.with(|world| world.messages.len()), 0);
}
