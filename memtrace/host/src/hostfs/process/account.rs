//! The user to which a process is attributed, where the cost per user is bounded.

use std::path::Path;

use super::sight;
use crate::hostfs::cgroup::membership::paths;
use crate::hostfs::read;

/// The user in whose session it runs (user-UID.slice of systemd), which it can't leave: anybody may
/// have processes of thousands of users that a namespace of its own has (subuid(5)). Without one,
/// its own user; root's are root's. `None`: not known.
pub fn of(process: &Path) -> Option<u32> {
    let owner = sight::owner(process).ok();
    if owner == Some(0) {
        return owner;
    }
    let cgroups = read::text(&process.join("cgroup"), read::SMALL).unwrap_or_default();
    paths(&cgroups).find_map(session).or(owner)
}

fn session(cgroup: &str) -> Option<u32> {
    let (user, _) = cgroup.strip_prefix("/user.slice/user-")?.split_once(".slice")?;
    user.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::{FakeHost, FakeProcess};

    #[test]
    fn a_process_counts_to_whose_session_it_is_in() {
        let host = FakeHost::unified();
        let account = |user, cgroup| {
            host.process(&FakeProcess { pid: 7, user, cgroup, ..FakeProcess::default() });
            of(&host.root().process(7))
        };
        let session = "1:name=systemd:/\n0::/user.slice/user-1000.slice/user@1000.service/a\n";
        assert_eq!(account(1000, session), Some(1000));
        assert_eq!(account(165_536, session), Some(1000), "a user of its namespace");
        assert_eq!(account(0, session), Some(0), "sudo");
        assert_eq!(account(64055, "0::/machine.slice/vm\n"), Some(64055));
        assert_eq!(account(64055, "0::/x/user.slice/user-1000.slice\n"), Some(64055));
        assert_eq!(account(64055, "0::/user.slice/user-all.slice\n"), Some(64055));
        host.end(7);
        assert_eq!(of(&host.root().process(7)), None);
    }
}
