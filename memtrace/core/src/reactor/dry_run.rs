//! On paper: says what would be done, and touches nothing.

use tracing::info;

use crate::order::{Actuator, Order, Outcome};
use crate::policy::Action;
use crate::units::Bytes;

/// Tells each order to the log, and that it went well.
#[derive(Debug, Default)]
pub struct DryRun {
    ended: Vec<Outcome>,
}

impl Actuator for DryRun {
    fn begin(&mut self, order: &Order) {
        info!("would {}", describe(order));
        self.ended.push(Outcome { id: order.id, result: Ok(()) });
    }

    fn ended(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.ended)
    }
}

/// What an order does, in words that follow "would" or "will".
pub fn describe(order: &Order) -> String {
    let name = &order.name;
    match order.action {
        Action::Balloon { from, to } => {
            let verb = if to < from { "take" } else { "give" };
            let where_to = if to < from { "from" } else { "to" };
            let change = mib(Bytes(from.0.abs_diff(to.0)));
            let (from, to) = (mib(from), mib(to));
            format!("{verb} {change} {where_to} {name} with its balloon ({from} to {to})")
        }
        Action::Reclaim { bytes } => format!("win back {} of cold pages of {name}", mib(bytes)),
    }
}

fn mib(amount: Bytes) -> String {
    format!("{} MiB", amount.0 >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::VmId;

    fn order(action: Action) -> Order {
        let vm = VmId::Process { pid: 5, start: 1 };
        Order { id: 7, vm, pid: 5, name: "web".to_owned(), action }
    }

    #[test]
    fn each_action_is_said_and_ends_well() {
        let [small, large] = [768, 1024].map(|mib| Bytes(mib << 20));
        let said = |action| describe(&order(action));
        assert_eq!(
            said(Action::Balloon { from: large, to: small }),
            "take 256 MiB from web with its balloon (1024 MiB to 768 MiB)"
        );
        assert_eq!(
            said(Action::Balloon { from: small, to: large }),
            "give 256 MiB to web with its balloon (768 MiB to 1024 MiB)"
        );
        assert_eq!(said(Action::Reclaim { bytes: small }), "win back 768 MiB of cold pages of web");
        let mut dry = DryRun::default();
        dry.begin(&order(Action::Reclaim { bytes: small }));
        assert_eq!(dry.ended(), [Outcome { id: 7, result: Ok(()) }]);
        assert_eq!(dry.ended(), []);
    }
}
