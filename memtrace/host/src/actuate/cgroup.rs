//! Reclaims cold pages of a VM through its cgroup: `memory.reclaim` of version 2
//! (Documentation/admin-guide/cgroup-v2.rst; since 5.19). The write blocks
//! until the kernel has reclaimed or gives up, so it is done on own threads.

use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::hostfs::cgroup::{self, MemoryCgroup, Version};
use crate::hostfs::{HostRoot, process};
use crate::vmm::order::Reply;
use crate::vmm::workers::Workers;
use memtrace_core::sample::VmId;
use memtrace_core::units::Bytes;

/// Most cgroups that are reclaimed at once; each takes up to a CPU.
const THREADS: usize = 4;
/// Bytes per write, so that it can stop in between.
const CHUNK: Bytes = Bytes(32 << 20);
/// Time limit of one reclaim order.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct CgroupReclaim {
    root: HostRoot,
    workers: Workers,
}

impl CgroupReclaim {
    pub(super) fn new(root: HostRoot) -> Self {
        Self { root, workers: Workers::new("memtrace-reclaim", THREADS) }
    }

    pub(super) fn begin(&self, vm: VmId, pid: u32, bytes: Bytes, reply: Reply) {
        let root = self.root.clone();
        self.workers.submit(reply, move || {
            let cgroup = cgroup_of(&root, vm, pid)?;
            let mut file = open(&cgroup)?;
            let begun = Instant::now();
            let write = |amount: Bytes| file.write_all(amount.0.to_string().as_bytes());
            reclaim(bytes, write, || begun.elapsed())
        });
    }
}

fn cgroup_of(root: &HostRoot, vm: VmId, pid: u32) -> Result<MemoryCgroup, String> {
    // Looked up now: the VM may have been moved, and its pid may have been reused.
    let now = process::stat(root, pid).map_err(|_| "the VM is gone".to_owned())?;
    if let VmId::Process { start, .. } = vm
        && start != now.start
    {
        return Err("the VM is gone".to_owned());
    }
    let cgroup = cgroup::find(root, pid)?;
    match cgroup.version {
        Version::V1 => Err("cgroup version 1 has no memory.reclaim".to_owned()),
        Version::V2 if cgroup.is_root() => Err("the VM is in the root cgroup".to_owned()),
        Version::V2 => Ok(cgroup),
    }
}

fn open(cgroup: &MemoryCgroup) -> Result<File, String> {
    let path = cgroup.directory.join("memory.reclaim");
    File::options().write(true).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if cgroup.directory.is_dir() => {
            "this kernel has no memory.reclaim (it came with 5.19)".to_owned()
        }
        _ => format!("{}/memory.reclaim: {error}", cgroup.path),
    })
}

/// Reclaims `wanted` in chunks. An error includes what was reclaimed before.
fn reclaim(
    wanted: Bytes,
    mut write: impl FnMut(Bytes) -> io::Result<()>,
    elapsed: impl Fn() -> Duration,
) -> Result<(), String> {
    let mut left = wanted;
    let partly = |left: Bytes, why: &str| {
        let got = wanted.saturating_sub(left).0 >> 20;
        Err(format!("partial: at least {got} of {} MiB; {why}", wanted.0 >> 20))
    };
    while left.0 > 0 {
        if elapsed() >= PATIENCE {
            return partly(left, &format!("stopped after {} s", PATIENCE.as_secs()));
        }
        let chunk = left.min(CHUNK);
        match write(chunk) {
            Ok(()) => left = left.saturating_sub(chunk),
            // Less was reclaimed than asked for.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return partly(left, "no more reclaimable memory (EAGAIN)");
            }
            Err(error) => return partly(left, &format!("memory.reclaim: {error}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::hostfs::fake::{FakeHost, FakeProcess};

    const VM: VmId = VmId::Process { pid: 50, start: 777 };

    fn host(mountinfo: &str, cgroup: &str) -> FakeHost {
        let host = FakeHost::new(mountinfo);
        host.process(&FakeProcess { pid: 50, start: 777, cgroup, ..FakeProcess::default() });
        host.file("sys/fs/cgroup/pool/vm/memory.current", "4096\n");
        host
    }

    fn unified(cgroup: &str) -> FakeHost {
        host("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", cgroup)
    }

    fn result(host: &FakeHost, vm: VmId, bytes: u64) -> Result<(), String> {
        let (send, answer) = channel();
        let reply = Reply::new(move |result| send.send(result).unwrap());
        CgroupReclaim::new(host.root()).begin(vm, 50, Bytes(bytes), reply);
        answer.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    #[test]
    fn the_kernel_is_asked_in_the_vms_cgroup_a_chunk_at_a_time() {
        let host = unified("0::/pool/vm/libvirt/vcpu0\n");
        host.file("sys/fs/cgroup/pool/vm/memory.reclaim", "");
        assert_eq!(result(&host, VM, (32 << 20) + 5), Ok(()));
        let written = host.path("sys/fs/cgroup/pool/vm/memory.reclaim");
        assert_eq!(std::fs::read_to_string(written).unwrap(), "335544325");
    }

    #[test]
    fn where_it_is_impossible_the_reason_is_reported() {
        let error = |host: &FakeHost, vm| result(host, vm, 1).unwrap_err();
        let host = unified("0::/pool/vm\n");
        assert!(error(&host, VM).contains("5.19"));
        assert_eq!(error(&host, VmId::Process { pid: 50, start: 1 }), "the VM is gone");
        let nowhere = FakeHost::unified();
        assert_eq!(error(&nowhere, VM), "the VM is gone");
        assert_eq!(error(&unified("0::/\n"), VM), "the VM is in the root cgroup");
        let mountinfo = "35 31 0:32 / /sys/fs/cgroup rw - cgroup cgroup rw,memory\n";
        let old = self::host(mountinfo, "4:memory:/pool/vm\n");
        assert_eq!(error(&old, VM), "cgroup version 1 has no memory.reclaim");
    }

    #[test]
    fn a_partial_reclaim_is_reported_as_partial() {
        let wanted = Bytes(100 << 20);
        let mut writes = 0;
        let stingy = |_| {
            writes += 1;
            if writes > 2 { Err(io::Error::from(io::ErrorKind::WouldBlock)) } else { Ok(()) }
        };
        assert_eq!(
            reclaim(wanted, stingy, Duration::default).unwrap_err(),
            "partial: at least 64 of 100 MiB; no more reclaimable memory (EAGAIN)"
        );
        assert_eq!(
            reclaim(wanted, |_| Ok(()), || PATIENCE).unwrap_err(),
            "partial: at least 0 of 100 MiB; stopped after 5 s"
        );
        let gone = |_| Err(io::Error::from_raw_os_error(19));
        assert!(reclaim(wanted, gone, Duration::default).unwrap_err().contains("os error 19"));
    }
}
