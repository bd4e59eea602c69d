//! One VM as the policy sees it: whether its statistics count, and whether it is in distress. What
//! can't be told is neither yes nor no.

use super::observation::VmObservation;
use super::reason::{Claim, Distress, GuestMemory, Reason, Symptom, SymptomKind, Uncounted};
use super::rules::{Rules, Safety, VmRules};
use super::state::VmState;
use crate::model::OVERHEAD;
use crate::policy::distress::{killed, thrashes};
use crate::policy::tri_state::{all, any, bytes_per_second, percent, rate, share};
use crate::units::{Bytes, Nanos};

/// Bound of [`OVERHEAD`] as a part of a small VM's maximum: 50 MiB are much even for a small VM
/// under KVM, and without a bound none of its unused memory would be seen.
const OVERHEAD_SHARE: u64 = 4;
/// Numbers that were taken at different moments differ by so much of a VM's maximum.
const SLACK: u64 = 10;

pub struct Vm<'a> {
    pub now: &'a VmObservation,
    pub memory: &'a VmState,
    pub rules: VmRules,
    pub at: Nanos,
    /// The guest's word: fresh, whole and not contradicted; or why not.
    pub report: Result<GuestReport, Reason>,
    /// It suffers.
    pub in_distress: Option<bool>,
    /// It suffers within: by what its guest tells.
    pub guest_in_distress: Option<bool>,
    pub symptoms: Vec<Symptom>,
    /// What would have to be known to tell.
    pub unknown: Vec<SymptomKind>,
}

/// What a guest said that can be believed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuestReport {
    /// When it said so, its size was at most this.
    pub size: Bytes,
    pub free: Bytes,
    pub available: Bytes,
    /// Of its size, not available: a balloon that the guest counts as used isn't in it.
    pub used: Bytes,
    /// It has grown by so much since it said so.
    pub grown: Bytes,
    /// The host keeps so much more of it than when it said so: touched since.
    pub touched: Bytes,
    /// When it said so.
    pub said: Nanos,
    /// Why nothing is taken from it, though what it said may be so.
    pub doubt: Option<Doubt>,
}

/// A mismatch between the host's view and the guest's statistics that is no lie of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It uses more than the host shows of it: some of it isn't counted.
    Uncounted(Uncounted),
    /// The host keeps so much more than its size: what a balloon frees doesn't show.
    FreesNothing { rss: Bytes },
}

impl GuestReport {
    /// Why nothing is taken from it.
    pub fn doubted(&self) -> Option<Reason> {
        Some(match self.doubt? {
            Doubt::Uncounted(why) => Reason::UsesUncounted { why },
            Doubt::FreesNothing { rss } => Reason::BalloonFreesNothing { size: self.size, rss },
        })
    }
}

impl<'a> Vm<'a> {
    pub fn of(rules: &Rules, memory: &'a VmState, at: Nanos, now: &'a VmObservation) -> Self {
        let report = guest_report(rules, memory, at, now);
        let kept = is_kept_from(rules, memory, now.actual);
        let DistressSigns { in_distress, guest_in_distress, symptoms, unknown } =
            signs(rules, now, report.as_ref().ok(), kept);
        let rules = rules.of(now);
        Self { now, memory, rules, at, report, in_distress, guest_in_distress, symptoms, unknown }
    }

    /// Memory unused by the guest, less what was touched since its last statistics and what the VMM
    /// needs.
    pub fn dead(&self) -> Option<Bytes> {
        let touched = self.report.as_ref().map_or(Bytes(0), |report| report.touched);
        Some(self.now.dead?.saturating_sub(touched).saturating_sub(self.vmm()))
    }

    /// Upper bound of the VMM's own memory: the least that the host ever kept beyond what the guest
    /// uses. Taking it for the guest's would shrink a guest with nothing to give, again and again.
    pub fn vmm(&self) -> Bytes {
        let part = self.now.maximum.map_or(u64::MAX, |maximum| maximum.0 / OVERHEAD_SHARE);
        let most = OVERHEAD.min(Bytes(part));
        // Where it was never known what the host keeps beside what the guest uses, all of it
        // may be the VMM's.
        self.memory.beside.map_or(most, |beside| beside.min(most))
    }

    /// Memory that memtrace keeps from it.
    pub fn taken(&self) -> Bytes {
        taken(self.memory, self.now.actual)
    }

    /// memtrace keeps so much from it that the guest may notice.
    pub fn is_kept_from(&self, rules: &Rules) -> bool {
        is_kept_from(rules, self.memory, self.now.actual)
    }

    /// The most that it may have.
    pub fn ceiling(&self) -> Option<Bytes> {
        let maximum = self.now.maximum?;
        Some(self.rules.maximum.map_or(maximum, |limit| limit.min(maximum)))
    }

    /// Its distress. A VM of which little is known counts as having little left.
    pub fn suffering(&self) -> Distress {
        match (self.in_distress, &self.report) {
            (None, Err(_)) => Distress::Unknown(self.unknown.clone()),
            (Some(true), _) | (_, Err(_)) => Distress::Symptoms(self.symptoms.clone()),
            (_, Ok(report)) => Distress::Available(share(report.available, report.size)),
        }
    }

    /// The guest has little left, so that more memory would help it.
    pub fn is_tight(&self, rules: &Rules) -> Option<bool> {
        let report = self.report.as_ref().ok()?;
        Some(share(report.available, report.size) < rules.guest_tight)
    }
}

fn taken(memory: &VmState, actual: Option<Bytes>) -> Bytes {
    let size = memory.base.zip(actual);
    size.map_or(Bytes(0), |(base, actual)| base.saturating_sub(actual))
}

fn is_kept_from(rules: &Rules, memory: &VmState, actual: Option<Bytes>) -> bool {
    taken(memory, actual) >= rules.least_step.max(Bytes(1))
}

fn guest_report(
    rules: &Rules,
    memory: &VmState,
    at: Nanos,
    now: &VmObservation,
) -> Result<GuestReport, Reason> {
    let guest = now.guest.ok_or(Reason::NoStatistics)?;
    let age = guest.age.ok_or(Reason::StatisticsAgeUnknown)?;
    if age > rules.stale && rules.has(Safety::Fresh) {
        return Err(Reason::Stale { age, limit: rules.stale });
    }
    let lacks = |what: GuestMemory| Reason::GuestLacks { what };
    let total = guest.total.ok_or_else(|| lacks(GuestMemory::Total))?;
    let free = guest.free.ok_or_else(|| lacks(GuestMemory::Free))?;
    let available = guest.available.ok_or_else(|| lacks(GuestMemory::Available))?;
    let actual = now.actual.ok_or(Reason::SizeUnknown)?;
    let maximum = now.maximum.ok_or(Reason::MaximumUnknown)?;
    let then = Nanos(at.0.saturating_sub(age.0));
    let size = memory.largest_since(then).map_or(actual, |size| size.max(actual));
    let mut report = GuestReport {
        size,
        free,
        available,
        used: size.saturating_sub(available),
        grown: memory.grown_since(then),
        touched: memory.touched_since(then),
        said: then,
        doubt: None,
    };
    if rules.has(Safety::Trust) {
        report.doubt = contradiction(now, &report, total, maximum)?;
    }
    Ok(report)
}

/// Contradictions in the guest's statistics, or between them and the host's view.
fn contradiction(
    now: &VmObservation,
    report: &GuestReport,
    total: Bytes,
    maximum: Bytes,
) -> Result<Option<Doubt>, Reason> {
    let slack = (maximum.0 / SLACK).saturating_add(OVERHEAD.0);
    let over = |what: Bytes, limit: Bytes| what.0 > limit.0.saturating_add(slack);
    let claims = |claim, claimed, most| Err(Reason::Contradicted { claim, claimed, most });
    if over(total, maximum) {
        return claims(Claim::TotalOverMaximum, total, maximum);
    }
    if report.free > total || report.available > total {
        return claims(Claim::FreeOverTotal, report.free.max(report.available), total);
    }
    if over(report.available, report.size) {
        return claims(Claim::AvailableOverSize, report.available, report.size);
    }
    let (Some(rss), Some(swap)) = (now.rss, now.swap) else {
        return Err(Reason::HostSideUnknown);
    };
    let kept = rss.saturating_add(swap);
    // What it uses, it has touched.
    if over(report.used, kept) {
        return match now.uncounted {
            Some(why) => Ok(Some(Doubt::Uncounted(why))),
            None => claims(Claim::UsedOverHost, report.used, kept),
        };
    }
    Ok(over(rss, report.size).then_some(Doubt::FreesNothing { rss }))
}

/// Whether a VM suffers, by which symptoms, and which are not known.
struct DistressSigns {
    in_distress: Option<bool>,
    guest_in_distress: Option<bool>,
    symptoms: Vec<Symptom>,
    unknown: Vec<SymptomKind>,
}

fn signs(
    rules: &Rules,
    now: &VmObservation,
    report: Option<&GuestReport>,
    kept: bool,
) -> DistressSigns {
    let capabilities = rules.capabilities;
    let mut symptoms = Vec::new();
    let mut unknown = Vec::new();
    let mut over = |kind: SymptomKind, value: Option<f64>, limit: f64, sensed: bool| {
        if !sensed {
            return Some(false);
        }
        // Guest swap traffic is asked for twice, by direction.
        let Some(value) = value else {
            if !unknown.contains(&kind) {
                unknown.push(kind);
            }
            return None;
        };
        let is_over = value >= limit;
        match symptoms.iter_mut().find(|known: &&mut Symptom| known.kind == kind) {
            Some(known) if is_over => known.value = known.value.max(value),
            None if is_over => symptoms.push(Symptom { kind, value, limit }),
            _ => {}
        }
        Some(is_over)
    };
    use SymptomKind::{AsyncFaults, GuestMajorFaults, GuestSwap, HostSwapIn, Stalled};
    let host = [
        over(HostSwapIn, bytes_per_second(now.swap_in), rules.host_swap_in, capabilities.swap_in),
        over(AsyncFaults, rate(now.async_faults), rules.host_faults, capabilities.async_faults),
        over(Stalled, percent(now.stalled), rules.host_stalled, capabilities.stalled),
    ];
    let guest = now.guest.as_ref();
    let swapped = guest.map(|guest| [guest.swap_in, guest.swap_out]).unwrap_or_default();
    let swap = any(swapped.map(|rate| {
        over(GuestSwap, bytes_per_second(rate), rules.guest_swap, capabilities.guest_swap)
    }));
    let faults = guest.and_then(|guest| rate(guest.major_faults));
    let faults = over(GuestMajorFaults, faults, rules.guest_faults, capabilities.guest_faults);
    let available = report.map(|report| share(report.available, report.size));
    let low = available.map(|share| share < rules.guest_low);
    let tight = available.map(|share| share < rules.guest_tight);
    if let (Some(true), Some(value)) = (tight, available) {
        let limit = rules.guest_low;
        symptoms.push(Symptom { kind: SymptomKind::GuestAvailable, value, limit });
    }
    let killed = killed(now, report);
    if killed {
        symptoms.push(Symptom { kind: SymptomKind::GuestOomKill, value: 1.0, limit: 1.0 });
    }
    let tight = all([tight, any([swap, faults])]);
    let guest = any([low, tight, thrashes(rules, now, report, kept), Some(killed)]);
    let in_distress = any(host.into_iter().chain([guest]));
    DistressSigns { in_distress, guest_in_distress: guest, symptoms, unknown }
}
