//! What a host can measure at all.

use crate::sample::Sample;
use crate::signal::Signal;

/// Measurements that this host provides. A measurement that the host provides and that is missing
/// is unknown, and unknown prevents action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    pub psi: bool,
    pub direct_reclaims: bool,
    pub swap_in: bool,
    pub async_faults: bool,
    pub stalled: bool,
    /// Waits for pages from swap are among what VMs stall for.
    pub swap_waits: bool,
    pub guest_faults: bool,
    pub guest_swap: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            psi: true,
            direct_reclaims: true,
            swap_in: true,
            async_faults: true,
            stalled: true,
            swap_waits: true,
            guest_faults: true,
            guest_swap: true,
        }
    }
}

impl Capabilities {
    /// By a host's first sample: what its files have, and what the kernel side allows.
    pub fn of(sample: &Sample) -> Self {
        let counts = |signal: Signal| {
            let status = sample.signals.iter().find(|status| status.signal == signal);
            status.is_some_and(|status| !status.quality.is_absent())
        };
        let host = &sample.host;
        let (psi, direct_reclaims) = match &host.scope {
            // memory.reclaim may appear only when the first VM starts, so the kernel's version
            // decides.
            Some(scope) => (host.psi.is_some() && scope.version == 2, true),
            None => {
                let vmstat = host.vmstat.as_ref();
                let stalls = vmstat.is_some_and(|vmstat| vmstat.allocstall.is_some());
                (host.psi.is_some(), stalls)
            }
        };
        Self {
            psi,
            direct_reclaims,
            swap_in: counts(Signal::SwapIn),
            async_faults: counts(Signal::AsyncFaults),
            stalled: counts(Signal::DirectReclaim) || counts(Signal::MemcgReclaim),
            swap_waits: counts(Signal::SwapIn) && counts(Signal::SwapInWait),
            // Guests report their own statistics; a VM without them is left alone.
            guest_faults: true,
            guest_swap: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::samples;
    use crate::sample::ScopeSample;
    use crate::signal::Quality;

    #[test]
    fn a_cgroup_of_version_1_has_no_pressure_of_its_own() {
        for version in [1, 2] {
            let mut sample = samples::sample(1, Vec::new());
            sample.host.scope = Some(ScopeSample { version, ..ScopeSample::default() });
            assert_eq!(Capabilities::of(&sample).psi, version == 2);
        }
    }

    #[test]
    fn what_the_host_lacks_is_not_asked_for() {
        let mut sample = samples::sample(1, Vec::new());
        assert_eq!(Capabilities::of(&sample), Capabilities::default());
        sample.host.psi = None;
        for status in &mut sample.signals {
            if status.signal == Signal::AsyncFaults {
                status.quality = Quality::absent("no KVM");
            }
        }
        let capabilities = Capabilities::of(&sample);
        assert!(!capabilities.psi && !capabilities.async_faults);
        assert!(capabilities.swap_in && capabilities.stalled && capabilities.direct_reclaims);
        assert!(capabilities.swap_waits);
        for status in &mut sample.signals {
            if status.signal == Signal::SwapInWait {
                status.quality = Quality::absent("no programs at function entries");
            }
        }
        let capabilities = Capabilities::of(&sample);
        assert!(capabilities.swap_in && capabilities.stalled && !capabilities.swap_waits);
    }
}
