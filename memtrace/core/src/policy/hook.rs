//! The last rung of the ladder: somebody else is told what balloons and cold pages together
//! can't win back, and may move a VM away or wake a person. It is a message, so that not
//! knowing what a VM could give keeps nobody from hearing of the rest; the text says so.

use serde::{Deserialize, Serialize};

use super::decision::Gate;
use super::gate::gate;
use super::host::Host;
use super::rules::Rules;
use super::state::{Level, State};
use super::vm::Vm;
use crate::policy::escalation::reclaimable;
use crate::policy::tri_state::show;
use crate::sample::VmId;
use crate::units::{Bytes, Nanos};

/// When the hook is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookRules {
    pub on: bool,
    /// There is somebody to tell.
    pub heard: bool,
    /// What is missing has to be missing for so long.
    pub after: Nanos,
    /// Between two calls while it lasts, and from one shortage to the next.
    pub pause: Nanos,
}

impl Default for HookRules {
    fn default() -> Self {
        let (after, pause) = (Nanos(30 * Nanos::SECOND.0), Nanos(600 * Nanos::SECOND.0));
        Self { on: true, heard: false, after, pause }
    }
}

/// What the hook is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// What is to be freed.
    pub need: Bytes,
    /// What of it no rung can give.
    pub missing: Bytes,
    /// What balloons can still give, and the next step of reclaim.
    pub balloons: Bytes,
    pub reclaim: Bytes,
    /// So long it has been missing.
    pub lasts: Nanos,
    pub suffering: Vec<Suffering>,
    pub because: String,
    pub unless: String,
}

/// A VM in distress, and from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suffering {
    pub vm: VmId,
    pub from: String,
}

/// What the rungs before can still give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    pub balloons: Bytes,
    pub reclaim: Bytes,
}

impl Left {
    /// Adds what one VM can give. `room`: above its floor, where its balloon moves.
    pub fn add(&mut self, rules: &Rules, vm: &Vm<'_>, twin: bool, room: Bytes) {
        if rules.inflate {
            self.balloons = self.balloons.saturating_add(room);
        }
        if let Some(bytes) = reclaimable(rules, vm, twin).filter(|_| rules.win_back) {
            self.reclaim = self.reclaim.saturating_add(bytes);
        }
    }
}

/// What came of the rung.
pub struct Rung {
    pub gate: Gate,
    /// The arithmetic, when there is one to show.
    pub line: Option<String>,
    /// All rungs together fall short.
    pub short: bool,
    pub call: Option<Call>,
}

impl Rung {
    pub fn unknown() -> Gate {
        gate("hook", Err("the scope's memory is not known".to_owned()))
    }

    /// Whether the hook is told now, with `need` to be freed.
    pub fn of(
        rules: &Rules,
        state: &State,
        at: Nanos,
        host: &Host,
        (need, left): (Bytes, Left),
        vms: &[Vm<'_>],
    ) -> Self {
        let missing = need.saturating_sub(left.balloons).saturating_sub(left.reclaim);
        let short = host.level == Level::Low && missing >= rules.least_step.max(Bytes(1));
        let since = state.short_since.filter(|_| short).unwrap_or(at);
        let lasts = at.saturating_sub(since);
        let line = format!(
            "missing {} = need {} - {} that balloons can still give - {} of cold pages a step",
            show(missing),
            show(need),
            show(left.balloons),
            show(left.reclaim)
        );
        let verdict = may(rules, state, at, host, (missing, short, lasts));
        let call = verdict.is_ok().then(|| {
            let seconds = lasts.seconds();
            Call {
                need,
                missing,
                balloons: left.balloons,
                reclaim: left.reclaim,
                lasts,
                suffering: suffering(vms),
                because: because(rules, host, &line, seconds, vms),
                unless: format!(
                    "from {} % available, or with less than {} missing, nobody would be told",
                    rules.low + rules.leaves(),
                    show(rules.least_step)
                ),
            }
        });
        let line = (host.level == Level::Low).then_some(line);
        Self { gate: gate("hook", verdict), line, short, call }
    }
}

fn may(
    rules: &Rules,
    state: &State,
    at: Nanos,
    host: &Host,
    (missing, short, lasts): (Bytes, bool, Nanos),
) -> Result<String, String> {
    let hook = rules.hook;
    if !hook.on {
        return Err("switched off".to_owned());
    }
    if !hook.heard {
        return Err("there is no command to tell (hook.command)".to_owned());
    }
    let text = format!(
        "it is {}, and the other rungs leave {} missing, for {:.0} s; from low, {} and {:.0} s",
        host.level.word(),
        show(missing),
        lasts.seconds(),
        show(rules.least_step),
        hook.after.seconds()
    );
    if !short || lasts < hook.after {
        return Err(text);
    }
    match state.told.map(|told| at.saturating_sub(told)) {
        Some(ago) if ago < hook.pause => Err(format!(
            "told {:.0} s ago, and again after {:.0} s",
            ago.seconds(),
            hook.pause.seconds()
        )),
        _ => Ok(text),
    }
}

fn suffering(vms: &[Vm<'_>]) -> Vec<Suffering> {
    let hurt = vms.iter().filter(|vm| vm.hurts == Some(true));
    hurt.map(|vm| Suffering { vm: vm.now.id, from: vm.suffering() }).collect()
}

fn because(rules: &Rules, host: &Host, line: &str, seconds: f64, vms: &[Vm<'_>]) -> String {
    let unknown = vms.iter().filter(|vm| vm.word.is_err()).count();
    let unknown = if unknown > 0 {
        format!("; what {unknown} of {} VMs could give is not known", vms.len())
    } else {
        String::new()
    };
    format!(
        "{:.1} % of {} is available ({}), and for {seconds:.0} s (from {:.0}) the other rungs \
         have not been enough: {line}{unknown}",
        host.share,
        show(host.total),
        host.level.word(),
        rules.hook.after.seconds()
    )
}
