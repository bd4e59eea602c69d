//! The rungs of the ladder: alert, inflate, win back cold memory through the cgroup, hook.
//! Each has its own conditions; there is none that kills.

use super::decision::{Action, Decision, Gate};
use super::gate::{allowed, gate, running};
use super::host::Host;
use super::known::{percent, show, whole_mib};
use super::rules::Rules;
use super::state::{Level, State};
use super::vm::Vm;
use crate::units::{Bytes, Nanos};

/// So long balloons have to leave the need unmet before the next rung.
const PATIENCE: Nanos = Nanos(10_000_000_000);

/// Which rungs are stood on now. Not knowing the scope stands on none.
pub fn rungs(rules: &Rules, state: &State, at: Nanos, host: Option<&Host>) -> Vec<Gate> {
    let Some(host) = host else {
        let unknown = || Err("the scope's memory is not known".to_owned());
        return ["alert", "inflate", "reclaim", "hook"].map(|name| gate(name, unknown())).to_vec();
    };
    let from = |level: Level, on: bool| {
        let text = format!("it is {}, from {}", host.level.word(), level.word());
        match (on, host.level >= level) {
            (false, _) => Err("switched off".to_owned()),
            (true, true) => Ok(text),
            (true, false) => Err(text),
        }
    };
    let inflate = match (rules.inflate, host.quiet) {
        (false, _) => Err("switched off".to_owned()),
        (true, true) => Err("it has been calm for a while".to_owned()),
        (true, false) => Ok(format!("it is {}", host.level.word())),
    };
    vec![
        gate("alert", from(Level::Hard, true)),
        gate("inflate", inflate),
        gate("reclaim", reclaims(rules, state, at, host)),
        gate("hook", from(Level::Low, rules.hook)),
    ]
}

fn reclaims(rules: &Rules, state: &State, at: Nanos, host: &Host) -> Result<String, String> {
    if !rules.win_back {
        return Err("switched off".to_owned());
    }
    let unmet = state.unmet_since.map(|since| at.saturating_sub(since));
    let text = format!(
        "it is {}, and balloons have had nothing to give for {:.0} s",
        host.level.word(),
        unmet.unwrap_or(Nanos(0)).seconds()
    );
    // Relief gives nothing below the reserve. While nobody waits for it, cold pages are
    // better left to the kernel: not all of what it takes first is cold.
    let short = host.available < rules.kept(host.total) && state.waiting;
    if short && unmet.is_some_and(|unmet| unmet >= PATIENCE) {
        Ok(text)
    } else {
        let kept = show(rules.kept(host.total));
        Err(format!(
            "{text}; under {kept} available with somebody in distress, and from {:.0} s",
            PATIENCE.seconds()
        ))
    }
}

/// Cold memory of a VM that its balloon couldn't give. `need` is shared out among as many as
/// there are. The less its own PSI leaves of the limit, the less.
pub fn win_back(rules: &Rules, vm: &Vm<'_>, twin: bool, need: Bytes) -> Option<Decision> {
    let ready = [allowed(vm, twin), running(vm)].iter().all(Result::is_ok)
        && vm.now.no_cgroup_reclaim.is_none()
        && vm.now.pinned.is_none()
        && vm.hurts == Some(false)
        && vm.memory.capacity <= 0.0
        && vm.memory.reclaimed.is_none_or(|then| vm.at.saturating_sub(then) >= rules.reclaim_pause);
    let psi = percent(vm.now.psi_some)?;
    let rss = vm.now.rss?;
    let left = 1.0 - psi / rules.reclaim_psi;
    if !ready || left <= 0.0 {
        return None;
    }
    let most = Bytes((rules.reclaim.0 as f64 * left) as u64);
    let bytes = whole_mib(most.min(need).min(Bytes(rss.0 / 20)));
    (bytes.0 > 0).then(|| Decision {
        vm: vm.now.id,
        action: Action::Reclaim { bytes },
        rule: "reclaim".to_owned(),
        because: format!(
            "balloons can't give what is needed, and {} waits {psi:.1} % of the time for memory, \
             under {}: {} of its {} may be cold",
            vm.now.name,
            rules.reclaim_psi,
            show(bytes),
            show(rss)
        ),
        unless: format!(
            "with PSI of {} % or more in its own cgroup, or balloons that give, nothing would be \
             reclaimed",
            rules.reclaim_psi
        ),
    })
}
