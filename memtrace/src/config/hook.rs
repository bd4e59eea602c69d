//! The hook, called for memory that memtrace can't reclaim: `[hook]`.

use super::reader::Section;
use memtrace_core::policy::rules::HookRules;
use memtrace_core::units::Nanos;

const DAY: Nanos = Nanos(86_400 * Nanos::SECOND.0);

/// `command`: a program and its arguments. Empty: no hook.
pub(super) fn read(
    command: &mut Vec<String>,
    rules: &mut HookRules,
    section: &mut Section<'_, '_>,
) {
    section.set("use", &mut rules.on);
    section.set("command", command);
    rules.heard = !command.is_empty();
    section.within("after", (Nanos(0), DAY), "at most 24h", &mut rules.after);
    let least = Nanos(10 * Nanos::SECOND.0);
    section.within("pause", (least, DAY), "from 10s to 24h", &mut rules.pause);
}
