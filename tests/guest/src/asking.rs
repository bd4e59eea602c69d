//! Programs that check available memory before they allocate, as `Guest::admit` of the simulator
//! models them: they get all of the increase or nothing. Pure.

/// Seconds until it asks again that was refused: `ASK_AGAIN` of the simulator.
const ASK_AGAIN: u64 = 60;

/// What was asked for so far; sizes in MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asking {
    /// They may allocate up to this.
    granted: u64,
    /// When they were refused, until they want no more than they have.
    refused: Option<u64>,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Granted,
    /// For the first time since they wanted it.
    Refused,
    /// As before.
    Waits,
}

impl Asking {
    /// Whether they may have what they need, with so much held already.
    pub fn ask(
        &mut self,
        needed: u64,
        held: u64,
        second: u64,
        available: impl FnOnce() -> u64,
    ) -> Admission {
        self.granted = self.granted.min(needed);
        if needed <= held.max(self.granted) {
            self.refused = None;
            return Admission::Granted;
        }
        if self.refused.is_some_and(|at| second.saturating_sub(at) < ASK_AGAIN) {
            return Admission::Waits;
        }
        if available() >= needed - held {
            *self = Self { granted: needed, refused: None };
            return Admission::Granted;
        }
        self.refused = Some(second);
        Admission::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_may_be_taken_bit_by_bit() {
        let mut asking = Asking::default();
        assert_eq!(asking.ask(100, 10, 0, || 90), Admission::Granted);
        // Less is available meanwhile, because it takes it.
        assert_eq!(asking.ask(100, 50, 1, || 0), Admission::Granted);
        assert_eq!(asking.ask(101, 100, 2, || 0), Admission::Refused);
    }

    #[test]
    fn a_refusal_counts_once_until_it_asks_again_or_wants_less() {
        let mut asking = Asking::default();
        let mut ask = |needed, second, available: u64| asking.ask(needed, 10, second, || available);
        assert_eq!(ask(100, 5, 89), Admission::Refused);
        assert_eq!(ask(100, 64, 1000), Admission::Waits);
        assert_eq!(ask(100, 65, 89), Admission::Refused);
        assert_eq!(ask(10, 70, 0), Admission::Granted);
        assert_eq!(ask(100, 71, 90), Admission::Granted);
    }
}
