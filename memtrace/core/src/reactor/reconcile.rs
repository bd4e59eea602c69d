//! What to say of an order that the last run left in flight. Pure.

use crate::order::{Failure, Outcome};
use crate::policy::Action;
use crate::reactor::entry::Begun;
use crate::units::Bytes;

/// How an order that was left in flight ended, from where the balloon is now. `actual` is
/// `None` while that is not known: then there is nothing to say yet.
pub fn reconcile(begun: &Begun, actual: Option<Bytes>) -> Option<Outcome> {
    let result = match begun.order.action {
        Action::Reclaim { .. } => Err(Failure::Interrupted),
        Action::Balloon { from, to } => {
            let at = actual?;
            let (low, high) = (from.min(to), from.max(to));
            if at == to {
                Ok(())
            } else if at == from {
                Err(Failure::Unmoved { at })
            } else if low < at && at < high {
                Err(Failure::Underway { at, to })
            } else {
                Err(Failure::Overridden { at })
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

    fn told(action: Action, actual: Option<u64>) -> Option<Result<(), Failure>> {
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
        let mib = |amount: u64| Bytes(amount << 20);
        assert_eq!(error(100), Failure::Unmoved { at: mib(100) });
        assert_eq!(error(80), Failure::Underway { at: mib(80), to: mib(60) });
        assert_eq!(error(50), Failure::Overridden { at: mib(50) });
        assert_eq!(error(110), Failure::Overridden { at: mib(110) });
        assert_eq!(told(taking, None), None);
        assert!(told(Action::Reclaim { bytes: Bytes(1) }, None).unwrap().is_err());
    }
}
