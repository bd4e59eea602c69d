//! Whole trees: version 1, version 2, hybrid, and what can't be read.

use super::{MemoryCgroup, find, sample};
use crate::hostfs::Keeper;
use crate::hostfs::fake::{FakeHost, FakeProcess};
use memtrace_core::units::{Bytes, Limit};

const PSI: &str = "some avg10=1.50 avg60=0.00 avg300=0.00 total=77\n";
const HYBRID: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

fn process(host: &FakeHost, cgroup: &str) -> Result<MemoryCgroup, String> {
    host.process(&FakeProcess { pid: 7, cgroup, ..FakeProcess::default() });
    find(&host.root(), 7)
}

fn two(host: &FakeHost, path: &str, max: &str) {
    let file = |name: &str, text: &str| host.file(&format!("sys/fs/cgroup/{path}/{name}"), text);
    file("memory.current", "5000\n");
    file("memory.max", max);
    file("memory.high", "max\n");
    file("memory.swap.current", "300\n");
    file("memory.stat", "anon 100\nfile 200\npgmajfault 9\n");
    file("memory.events", "low 0\nhigh 0\nmax 41\noom 0\noom_kill 2\n");
    file("memory.pressure", PSI);
}

fn one(host: &FakeHost, path: &str) {
    let file =
        |name: &str, text: &str| host.file(&format!("sys/fs/cgroup/memory/{path}/{name}"), text);
    file("memory.usage_in_bytes", "7000\n");
    file("memory.limit_in_bytes", "9223372036854771712\n");
    file("memory.stat", "rss 100\ncache 200\nswap 50\nhierarchical_memory_limit 8000\n");
    file("memory.failcnt", "13\n");
    file("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
}

#[test]
fn libvirts_threaded_groups_are_charged_to_their_ancestor() {
    let host = FakeHost::unified();
    two(&host, "machine.slice", "90000\n");
    two(&host, "machine.slice/vm.scope/libvirt", "max\n");
    host.file("sys/fs/cgroup/machine.slice/vm.scope/libvirt/emulator/cpu.stat", "");
    let cgroup = process(&host, "0::/machine.slice/vm.scope/libvirt/emulator\n").unwrap();
    assert_eq!(cgroup.path, "/machine.slice/vm.scope/libvirt");
    assert!(cgroup.id.is_some());

    let sample = sample(&Keeper::default(), &cgroup, None);
    assert_eq!(sample.version, 2);
    assert_eq!(sample.usage, Some(Bytes(5000)));
    assert_eq!(sample.limit, Some(Limit::At(Bytes(90_000))), "the slice's limit is the tightest");
    assert_eq!(sample.high, Some(Limit::Unlimited));
    assert_eq!((sample.swap, sample.swap_limit), (Some(Bytes(300)), Some(Limit::Unlimited)));
    host.file("sys/fs/cgroup/machine.slice/memory.swap.max", "0\n");
    let limited = super::sample(&Keeper::default(), &cgroup, None);
    assert_eq!(limited.swap_limit, Some(Limit::At(Bytes(0))), "the slice's again");
    assert_eq!(sample.stat.pgmajfault, Some(9));
    assert_eq!((sample.limit_hits, sample.oom_kills), (Some(41), Some(2)));
    assert_eq!(sample.psi.unwrap().some.total_us, 77);
    assert_eq!(sample.problem, None);
}

#[test]
fn version_one_is_read_with_the_limit_that_the_kernel_tells() {
    let host = FakeHost::new("35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    one(&host, "machine/a b");
    let cgroup = process(&host, "4:memory:/machine/a b\n").unwrap();
    let sample = sample(&Keeper::default(), &cgroup, None);
    assert_eq!(sample.version, 1);
    assert_eq!(sample.path, "/machine/a b");
    assert_eq!(sample.usage, Some(Bytes(7000)));
    assert_eq!(sample.limit, Some(Limit::At(Bytes(8000))));
    assert_eq!(sample.swap, Some(Bytes(50)));
    assert_eq!(sample.stat.anon, Some(Bytes(100)));
    assert_eq!((sample.limit_hits, sample.oom_kills), (Some(13), Some(3)));
    assert_eq!(sample.psi, None);
}

#[test]
fn hybrid_takes_memory_from_one_and_pressure_from_the_other() {
    let host = FakeHost::new(HYBRID);
    one(&host, "machine/vm");
    host.file("sys/fs/cgroup/unified/machine/vm/memory.pressure", PSI);
    let cgroup = process(&host, "4:memory:/machine/vm\n0::/machine/vm\n").unwrap();
    let sample = sample(&Keeper::default(), &cgroup, None);
    assert_eq!(sample.version, 1);
    assert_eq!(sample.psi.unwrap().some.avg10, 1.5);
}

#[test]
fn in_hybrid_the_hosts_pressure_is_not_taken_for_the_vms() {
    let host = FakeHost::new(HYBRID);
    one(&host, "machine/vm");
    host.file("sys/fs/cgroup/unified/memory.pressure", PSI);
    let cgroup = process(&host, "4:memory:/machine/vm\n0::/\n").unwrap();
    assert_eq!(sample(&Keeper::default(), &cgroup, None).psi, None);
}

#[test]
fn the_root_cgroup_has_no_numbers_of_its_own() {
    let host = FakeHost::unified();
    host.file("sys/fs/cgroup/cgroup.procs", "");
    let cgroup = process(&host, "0::/\n").unwrap();
    assert!(cgroup.is_root());
    let sample = sample(&Keeper::default(), &cgroup, None);
    assert_eq!((sample.usage, sample.limit), (None, Some(Limit::Unlimited)));
    assert!(sample.problem.unwrap().contains("root cgroup"));
}

#[test]
fn an_unreadable_file_costs_that_number_alone() {
    let host = FakeHost::unified();
    two(&host, "vm", "5\n");
    host.unreadable("sys/fs/cgroup/vm/memory.max");
    let cgroup = process(&host, "0::/vm\n").unwrap();
    let sample = sample(&Keeper::default(), &cgroup, None);
    assert_eq!(sample.limit, None, "unknown is not unlimited");
    assert_eq!(sample.usage, Some(Bytes(5000)));
    assert!(sample.problem.unwrap().starts_with("memory.max: "));
}

#[test]
fn a_cgroup_that_goes_away_is_said_to_be_gone() {
    let host = FakeHost::unified();
    two(&host, "vm", "max\n");
    let cgroup = process(&host, "0::/vm\n").unwrap();
    std::fs::remove_dir_all(host.path("sys/fs/cgroup/vm")).unwrap();
    let sample = sample(&Keeper::default(), &cgroup, None);
    assert_eq!(sample.usage, None);
    assert_eq!(sample.problem.as_deref(), Some("the cgroup is gone"));
}

#[test]
fn without_a_memory_controller_there_is_a_reason() {
    let host = FakeHost::new("1 1 0:1 / / rw - ext4 /dev/vda rw\n");
    assert!(process(&host, "0::/\n").unwrap_err().contains("no memory controller"));
    host.end(7);
    assert!(find(&host.root(), 7).unwrap_err().contains("/proc/7/cgroup"));
}
