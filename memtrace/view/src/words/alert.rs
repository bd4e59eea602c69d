//! Alerts as sentences.

use memtrace_core::alert::{Alert, AlertState, Condition, Finding, LimitUnit};

/// What an alert found, or how it ended.
pub fn alert(alert: &Alert) -> String {
    let name = alert.vm.as_ref().map(|named| named.name.as_str());
    let guest = name.unwrap_or("?");
    match &alert.finding {
        Finding::Measured { value, limit } => measured(alert, *value, *limit),
        Finding::Balloon { stuck: true } => {
            format!("the balloon of {guest} does not move towards its target")
        }
        Finding::Balloon { stuck: false } => format!("the balloon of {guest} moves again"),
        Finding::OomKills { notices } if notices.is_empty() => "no further OOM kill".to_owned(),
        Finding::OomKills { notices } => notices.join("; "),
        Finding::GuestOomKills { count: 0 } => format!("no further OOM kill in guest {guest}"),
        Finding::GuestOomKills { count: 1 } => {
            format!("the OOM killer of guest {guest} killed a process")
        }
        Finding::GuestOomKills { count } => {
            format!("the OOM killer of guest {guest} killed {count} processes")
        }
        Finding::Acting { problem: Some(problem) } => format!("memtrace can't act: {problem}"),
        Finding::Acting { problem: None } => "memtrace can act again".to_owned(),
        Finding::VmGone => "the VM is gone".to_owned(),
        Finding::RuleOff => "its rule is switched off".to_owned(),
    }
}

fn measured(alert: &Alert, value: f64, limit: f64) -> String {
    let condition = alert.condition;
    let unit = condition.unit().map_or("", LimitUnit::word);
    let who = alert.vm.as_ref().map_or("the host", |named| named.name.as_str());
    let against = match alert.state {
        AlertState::Resolved => format!("within {limit} {unit} again"),
        AlertState::Firing if is_too_little(condition) => format!("under {limit} {unit}"),
        AlertState::Firing => format!("over {limit} {unit}"),
    };
    format!("{} of {who} is {value:.1} {unit}, {against}", quantity(condition))
}

const fn is_too_little(condition: Condition) -> bool {
    matches!(condition, Condition::HostMemoryLow | Condition::GuestMemoryLow)
}

const fn quantity(condition: Condition) -> &'static str {
    match condition {
        Condition::HostMemoryLow => "available memory",
        Condition::HostPressure => "memory pressure (PSI some)",
        Condition::HostSwapping | Condition::VmSwapping => "the swap-in rate",
        Condition::VmStalled => "the stall time",
        Condition::GuestMemoryLow => "memory available in the guest",
        Condition::GuestSilent => "the age of the guest statistics",
        Condition::BalloonStuck
        | Condition::OomKill
        | Condition::GuestOomKill
        | Condition::NotActing => "the state",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::alert::Severity;
    use memtrace_core::reactor::entry::Named;
    use memtrace_core::sample::VmId;
    use memtrace_core::units::WallNanos;

    fn told(condition: Condition, state: AlertState, finding: Finding) -> String {
        let vm = VmId::Process { pid: 7, start: 9 };
        let of_vm = !condition.name().starts_with("host");
        alert(&Alert {
            condition,
            severity: Severity::Warning,
            state,
            since: WallNanos(1),
            at: WallNanos(2),
            host: None,
            vm: of_vm.then(|| Named { vm, name: "web".to_owned(), labels: Default::default() }),
            finding,
        })
    }

    #[test]
    fn a_number_is_reported_with_its_limit_and_direction() {
        let found = |value, limit| Finding::Measured { value, limit };
        for (condition, state, finding, text) in [
            (
                Condition::VmStalled,
                AlertState::Firing,
                found(30.0, 10.0),
                "the stall time of web is 30.0 %, over 10 %",
            ),
            (
                Condition::VmStalled,
                AlertState::Resolved,
                found(1.0, 10.0),
                "the stall time of web is 1.0 %, within 10 % again",
            ),
            (
                Condition::HostMemoryLow,
                AlertState::Firing,
                found(2.0, 5.0),
                "available memory of the host is 2.0 %, under 5 %",
            ),
            (
                Condition::HostSwapping,
                AlertState::Resolved,
                found(0.0, 1.0),
                "the swap-in rate of the host is 0.0 MiB/s, within 1 MiB/s again",
            ),
        ] {
            assert_eq!(told(condition, state, finding), text);
        }
    }

    #[test]
    fn whatever_else_is_found_has_its_sentence() {
        let kills = |count| Finding::GuestOomKills { count };
        let notices = |texts: &[&str]| Finding::OomKills {
            notices: texts.iter().map(|text| (*text).to_owned()).collect(),
        };
        let problem = Some("no space".to_owned());
        for (condition, finding, text) in [
            (
                Condition::BalloonStuck,
                Finding::Balloon { stuck: true },
                "the balloon of web does not move towards its target",
            ),
            (Condition::GuestOomKill, kills(1), "the OOM killer of guest web killed a process"),
            (Condition::GuestOomKill, kills(3), "the OOM killer of guest web killed 3 processes"),
            (Condition::GuestOomKill, kills(0), "no further OOM kill in guest web"),
            (Condition::OomKill, notices(&["a", "b"]), "a; b"),
            (Condition::OomKill, notices(&[]), "no further OOM kill"),
            (Condition::NotActing, Finding::Acting { problem }, "memtrace can't act: no space"),
            (Condition::VmStalled, Finding::VmGone, "the VM is gone"),
        ] {
            assert_eq!(told(condition, AlertState::Firing, finding), text);
        }
    }
}
