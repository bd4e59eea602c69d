//! What to say of an order that the last run left in flight. Pure.

use crate::order::Outcome;
use crate::policy::Action;
use crate::reactor::entry::Begun;
use crate::units::Bytes;

/// How an order that was left in flight ended, from where the balloon is now. `actual` is
/// `None` while that is not known: then there is nothing to say yet.
pub fn reconcile(begun: &Begun, actual: Option<Bytes>) -> Option<Outcome> {
    let result = match begun.order.action {
        Action::Reclaim { .. } => {
            Err("memtrace ended before it was done; its result is unknown".to_owned())
        }
        Action::Balloon { from, to } => {
            let actual = actual?;
            let (low, high) = (from.min(to), from.max(to));
            let mib = |amount: Bytes| format!("{} MiB", amount.0 >> 20);
            if actual == to {
                Ok(())
            } else if actual == from {
                Err(format!(
                    "memtrace ended before it was done; the balloon is unchanged at {}",
                    mib(from)
                ))
            } else if low < actual && actual < high {
                let (actual, to) = (mib(actual), mib(to));
                Err(format!(
                    "memtrace ended before it was done; the balloon is at {actual}, on its way to {to}"
                ))
            } else {
                let actual = mib(actual);
                Err(format!(
                    "memtrace ended before it was done; another program set the balloon to {actual}"
                ))
            }
        }
    };
    Some(Outcome { id: begun.order.id, result })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Order;
    use crate::policy::{Reason, RuleId};
    use crate::sample::VmId;
    use crate::units::WallNanos;

    fn told(action: Action, actual: Option<u64>) -> Option<Result<(), String>> {
        let vm = VmId::Process { pid: 5, start: 1 };
        let order = Order { id: 9, vm, pid: 5, name: String::new(), action };
        let (rule, reason) = (RuleId::Other, Reason::Unrecorded);
        let begun = Begun { at: WallNanos(1), order, rule, reason };
        let outcome = reconcile(&begun, actual.map(|mib| Bytes(mib << 20)))?;
        assert_eq!(outcome.id, 9);
        Some(outcome.result)
    }

    #[test]
    fn the_balloon_tells_what_became_of_it() {
        let taking = Action::Balloon { from: Bytes(100 << 20), to: Bytes(60 << 20) };
        let error = |actual| told(taking, Some(actual)).unwrap().unwrap_err();
        assert_eq!(told(taking, Some(60)), Some(Ok(())));
        assert!(error(100).contains("unchanged at 100 MiB"));
        assert!(error(80).contains("at 80 MiB, on its way to 60 MiB"));
        assert!(error(50).contains("another program set the balloon to 50 MiB"));
        assert!(error(110).contains("another program"));
        assert_eq!(told(taking, None), None);
        assert!(told(Action::Reclaim { bytes: Bytes(1) }, None).unwrap().is_err());
    }
}
