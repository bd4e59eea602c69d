//! Attached hooks, failed ones with the reason, and those that may come later.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use aya::programs::raw_trace_point::RawTracePointLinkId;
use aya::{Btf, Ebpf};

use super::load;
use super::plan::{self, Hook, HookKind};
use super::support::Means;
use memtrace_core::signal::SignalStatus;

/// Interval between two attempts to attach to a module's tracepoint.
const RETRY: Duration = Duration::from_secs(5);

/// The hooks of a plan, as far as they could be attached.
pub struct Hooks {
    attached: Vec<Hook>,
    failed: Vec<(Hook, String)>,
    /// Hooks of modules that weren't there.
    waiting: Vec<Hook>,
    retried: Instant,
    means: Means,
    /// The attached ones that may be detached for a while.
    resting: Vec<Resting>,
}

/// A hook that is attached on demand.
struct Resting {
    hook: Hook,
    /// `None` while it is detached.
    link: Option<RawTracePointLinkId>,
}

impl Hooks {
    /// Attaches what it can of `hooks`; `absent` are known not to be there. `btf`: the
    /// kernel's types, which functions are found by.
    pub fn attach(
        ebpf: &mut Ebpf,
        hooks: Vec<Hook>,
        absent: Vec<(Hook, String)>,
        btf: Option<&Btf>,
        means: Means,
    ) -> Self {
        let mut all = Self {
            attached: Vec::new(),
            failed: absent,
            waiting: Vec::new(),
            retried: Instant::now(),
            means,
            resting: Vec::new(),
        };
        for hook in hooks {
            all.try_one(ebpf, hook, btf);
        }
        all
    }

    /// Tries again what a module may have brought since. Whether it tried.
    pub(crate) fn retry(&mut self, ebpf: &mut Ebpf) -> bool {
        if self.waiting.is_empty() || self.retried.elapsed() < RETRY {
            return false;
        }
        self.retried = Instant::now();
        for hook in std::mem::take(&mut self.waiting) {
            self.failed.retain(|(failed, _)| *failed != hook);
            self.try_one(ebpf, hook, None);
        }
        true
    }

    pub fn attached(&self) -> &[Hook] {
        &self.attached
    }

    /// The quality of each signal. That of a hook that is detached for a while stays.
    pub fn statuses(&self) -> Vec<SignalStatus> {
        plan::statuses(&self.attached, &self.failed, self.means)
    }

    /// Whether there are hooks that may be detached for a while.
    pub(crate) fn can_rest(&self) -> bool {
        !self.resting.is_empty()
    }

    /// Attaches them again.
    ///
    /// # Errors
    /// Where the kernel refuses one that it took before; the others are attached nevertheless.
    pub(crate) fn wake(&mut self, ebpf: &mut Ebpf) -> Result<()> {
        let mut result = Ok(());
        for resting in self.resting.iter_mut().filter(|resting| resting.link.is_none()) {
            match load::attach(ebpf, &resting.hook, None) {
                Ok(link) => resting.link = link,
                Err(refusal) => result = Err(anyhow!(refusal.reason)),
            }
        }
        result
    }

    /// Detaches them.
    ///
    /// # Errors
    /// When a link is not one of its program's.
    pub(crate) fn rest(&mut self, ebpf: &mut Ebpf) -> Result<()> {
        for resting in &mut self.resting {
            if let Some(link) = resting.link.take() {
                load::detach(ebpf, &resting.hook, link)?;
            }
        }
        Ok(())
    }

    fn try_one(&mut self, ebpf: &mut Ebpf, hook: Hook, btf: Option<&Btf>) {
        if let Some(reason) = self.end_missing(&hook) {
            self.failed.push((hook, reason));
            return;
        }
        match load::attach(ebpf, &hook, btf) {
            Ok(link) => {
                if let Some(link) = link.filter(|_| hook.may_rest(self.means)) {
                    self.resting.push(Resting { hook: hook.clone(), link: Some(link) });
                }
                self.attached.push(hook);
            }
            Err(refusal) => {
                tracing::debug!("{}: {}", hook.program, refusal.reason);
                if refusal.absent && hook.module {
                    self.waiting.push(hook.clone());
                }
                self.failed.push((hook, refusal.reason));
            }
        }
    }

    /// Why a function's begin isn't worth attaching to: its end failed, and begins
    /// without an end would fill their table.
    fn end_missing(&self, hook: &Hook) -> Option<String> {
        let mut failed = self.failed.iter();
        let end = failed.find(|(failed, _)| {
            hook.kind == HookKind::Entry
                && failed.kind == HookKind::Exit
                && failed.target == hook.target
        });
        end.map(|(_, reason)| reason.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::signal::Signal;

    fn hook(kind: HookKind, target: &'static str) -> Hook {
        let signals = &[Signal::SwapInWait];
        Hook { program: "some", kind, target, module: false, signals }
    }

    #[test]
    fn a_begin_is_left_out_when_its_own_end_failed() {
        let end = hook(HookKind::Exit, "do_swap_page");
        let hooks = Hooks {
            attached: Vec::new(),
            failed: vec![(end.clone(), "refused".to_owned())],
            waiting: Vec::new(),
            retried: Instant::now(),
            means: Means { swap_ins_need_vmswap: false, folio_sizes: false },
            resting: Vec::new(),
        };
        let missing = |kind, target| hooks.end_missing(&hook(kind, target));
        assert_eq!(missing(HookKind::Entry, "do_swap_page").as_deref(), Some("refused"));
        assert_eq!(missing(HookKind::Entry, "shmem_writeout"), None);
        assert_eq!(missing(HookKind::RawTracepoint, "do_swap_page"), None);
        assert_eq!(hooks.end_missing(&end), None);
    }
}
