//! Why an order failed.

use memtrace_core::order::Failure;
use memtrace_core::units::Bytes;

pub fn failure(failure: &Failure) -> String {
    let mib = |amount: Bytes| format!("{} MiB", amount.0 >> 20);
    let ended = |what: String| format!("memtrace ended before it was done; {what}");
    match failure {
        Failure::VmGone => "the VM was gone when memtrace started again".to_owned(),
        Failure::Interrupted => ended("its result is unknown".to_owned()),
        Failure::Unmoved { at } => ended(format!("the balloon is unchanged at {}", mib(*at))),
        Failure::Underway { at, to } => {
            ended(format!("the balloon is at {}, on its way to {}", mib(*at), mib(*to)))
        }
        Failure::Overridden { at } => {
            ended(format!("another program set the balloon to {}", mib(*at)))
        }
        Failure::NoJournal(error) => format!("not done: the journal can't be written: {error}"),
        Failure::NoCommand => "there is no command".to_owned(),
        Failure::Reported(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_numbers() {
        let (at, to) = (Bytes(80 << 20), Bytes(60 << 20));
        for (why, text) in [
            (Failure::Unmoved { at }, "unchanged at 80 MiB"),
            (Failure::Underway { at, to }, "at 80 MiB, on its way to 60 MiB"),
            (Failure::Overridden { at }, "another program set the balloon to 80 MiB"),
            (Failure::NoJournal("no space".to_owned()), "the journal can't be written: no space"),
            (Failure::Reported("QMP: refused".to_owned()), "QMP: refused"),
        ] {
            assert!(failure(&why).ends_with(text), "{why:?}");
        }
    }
}
