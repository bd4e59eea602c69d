//! The cgroup that is the policy's scope: read with each sample, once it exists.

use super::LiveSource;
use super::notices::Notices;
use crate::hostfs::cgroup::{MemoryCgroup, scope};
use crate::hostfs::{HostRoot, Keeper};
use memtrace_core::sample::{ScopeSample, Topic, is_in_cgroup};

#[derive(Debug)]
pub(super) struct Scope {
    path: String,
    /// It may be made only when the first VM starts, and again later.
    found: Option<MemoryCgroup>,
    files: Keeper,
}

impl LiveSource {
    /// Adds usage and limit of the cgroup `path` to samples.
    pub fn within(&mut self, path: &str) {
        let path = path.trim_end_matches('/').to_owned();
        self.scope = Some(Scope { path, found: None, files: Keeper::default() });
    }
}

impl Scope {
    /// Whether a VM's cgroup is known not to be in it.
    pub(super) fn excludes(&self, cgroup: Option<&MemoryCgroup>) -> bool {
        cgroup.is_some_and(|cgroup| !is_in_cgroup(&cgroup.path, &self.path))
    }

    pub(super) fn read(&mut self, root: &HostRoot, notices: &mut Notices) -> ScopeSample {
        let sample = self.sample(root);
        if let Some(problem) = &sample.problem {
            notices.add(Topic::Scope, format!("{}: {problem}", self.path));
        }
        sample
    }

    fn sample(&mut self, root: &HostRoot) -> ScopeSample {
        let found = match self.found.take() {
            Some(found) => Ok(found),
            None => scope::at(root, &self.path),
        };
        match found {
            Ok(cgroup) => {
                let sample = scope::sample(&self.files, &cgroup);
                // A cgroup that is gone may come back, as another one.
                self.found = sample.usage.is_some().then_some(cgroup);
                sample
            }
            Err(problem) => {
                self.files = Keeper::default();
                let (cgroup, problem) = (self.path.clone(), Some(problem));
                let version = scope::version(root).number();
                ScopeSample { cgroup, version, problem, ..ScopeSample::default() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::FakeHost;
    use memtrace_core::units::Bytes;

    #[test]
    fn a_cgroup_that_comes_later_is_read_then() {
        let host = FakeHost::unified();
        let (root, mut notices) = (host.root(), Notices::default());
        let path = "/pool".to_owned();
        let mut scope = Scope { path, found: None, files: Keeper::default() };
        let none = scope.read(&root, &mut notices);
        assert_eq!((none.cgroup.as_str(), none.usage), ("/pool", None));
        assert_eq!(notices.into_list()[0].about, Topic::Scope);
        host.file("sys/fs/cgroup/pool/memory.current", "4096\n");
        assert_eq!(scope.sample(&root).usage, Some(Bytes(4096)));
        assert!(scope.found.is_some());
    }
}
