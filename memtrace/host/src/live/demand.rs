//! Attaches hooks when memory is reclaimed or swapped, and detaches them in the calm that follows.

use super::arming::Traffic;
use super::notices::Notices;
use super::{Kernel, LiveSource};
use crate::clock::monotonic;
use crate::hostfs::vmstat;
use memtrace_core::sample::{HooksSample, HostSample, Topic};
use memtrace_core::signal::Signal;

impl LiveSource {
    /// Something shows that memory is reclaimed or swapped.
    pub(super) fn stir(&mut self) {
        if let Some(arming) = &mut self.arming {
            arming.sign(monotonic());
        }
        self.wake();
    }

    /// Attaches the hooks if they are wanted and detached.
    fn wake(&mut self) {
        let (Some(arming), Kernel::Runs(kernel)) = (&mut self.arming, &mut self.kernel) else {
            return;
        };
        if arming.is_attached() || !arming.is_wanted(monotonic()) {
            return;
        }
        match kernel.wake() {
            Ok(()) => {
                let vmstat = vmstat::read(&self.root).ok();
                arming.attached(monotonic(), vmstat.as_ref().and_then(Traffic::of));
                self.refused = None;
            }
            Err(error) => self.refused = Some(format!("{error:#}")),
        }
    }

    /// What the host's totals of this sample tell, and what the sample tells of the hooks.
    pub(super) fn watch_traffic(&mut self, host: &mut HostSample, notices: &mut Notices) {
        let Kernel::Runs(_) = &self.kernel else { return };
        let Some(arming) = &mut self.arming else {
            host.hooks = Some(HooksSample { attached: true, since: self.begun, on_demand: false });
            return;
        };
        arming.look(monotonic(), host.vmstat.as_ref().and_then(Traffic::of));
        self.wake();
        if let Some(reason) = &self.refused {
            let text = format!("hooks can't be attached again, so that swap is not seen: {reason}");
            notices.add(Topic::Counters, text);
        }
        let Some(arming) = &self.arming else { return };
        host.hooks = Some(arming.sample());
        if let Some(counters) = host.counters.as_mut().filter(|_| arming.missed() > 0) {
            for signal in Signal::ON_DEMAND {
                let missed = counters.missed_by_signal.entry(signal).or_default();
                *missed = missed.saturating_add(arming.missed());
            }
        }
    }

    /// Detaches the hooks at once, as if there had been calm.
    ///
    /// # Errors
    /// Without hooks that are attached on demand, or when the kernel refuses.
    #[cfg(any(test, feature = "fixture"))]
    pub fn detach_hooks(&mut self) -> anyhow::Result<()> {
        let (Some(arming), Kernel::Runs(kernel)) = (&mut self.arming, &mut self.kernel) else {
            anyhow::bail!("no hook is attached on demand");
        };
        arming.look(monotonic(), vmstat::read(&self.root).ok().as_ref().and_then(Traffic::of));
        arming.calm();
        kernel.rest()?;
        arming.detached(monotonic());
        Ok(())
    }

    /// After a sample: attaches what VmSwap calls for, and detaches what has nothing to count.
    pub(super) fn settle_hooks(&mut self, notices: &mut Notices) {
        self.wake();
        let (Some(arming), Kernel::Runs(kernel)) = (&mut self.arming, &mut self.kernel) else {
            return;
        };
        let now = monotonic();
        if arming.is_attached() && !arming.is_wanted(now) {
            if let Err(error) = kernel.rest() {
                notices.add(Topic::Counters, format!("hooks can't be detached: {error:#}"));
            }
            // Whatever of them is detached by now.
            arming.detached(now);
        }
    }
}
