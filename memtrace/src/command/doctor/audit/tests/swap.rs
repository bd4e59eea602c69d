//! The checks of swap.

use super::*;

fn swap(path: &str, priority: i32, rotational: Known<bool>) -> Swap {
    let (path, free) = (path.to_owned(), Bytes(16 * GIB));
    Swap { path, priority, free, rotational, backing: Ok(Backing::Disk) }
}

#[test]
fn no_swap_is_worse_the_more_is_promised() {
    let severity = |vms: Vec<VmFacts>| {
        let mut facts = facts(vms);
        facts.host.swaps = Ok(vec![]);
        found(&facts, "swap").map(|finding| finding.severity)
    };
    assert_eq!(severity(vec![]), Some(Severity::Note));
    assert_eq!(severity(vec![vm("web", 1)]), Some(Severity::Warning));
    let five = (1..=5).map(|number| vm("web", number)).collect();
    assert_eq!(severity(five), Some(Severity::Critical));
    assert_eq!(found(&facts(vec![vm("web", 1)]), "swap"), None);
}

#[test]
fn swap_on_a_disk_that_turns_is_slow_unless_something_is_before_it() {
    let check = |swaps: Vec<Swap>| {
        let mut facts = facts(vec![]);
        facts.host.swaps = Ok(swaps);
        found(&facts, "swap_disk")
    };
    let slow = check(vec![swap("/dev/sda2", -2, Ok(true))]).expect("it is slow");
    assert_eq!((slow.severity, slow.commands.len()), (Severity::Warning, 1));
    assert!(slow.finding.contains("/dev/sda2"), "{slow:?}");
    let behind = check(vec![swap("/dev/sda2", -2, Ok(true)), swap("/dev/zram0", 100, Ok(false))]);
    let behind = behind.expect("it is told");
    assert_eq!(behind.severity, Severity::Note);
    assert!(behind.finding.ends_with("once /dev/zram0 is full"), "{behind:?}");
    assert_eq!(check(vec![swap("/dev/zram0", 100, Ok(false))]), None);
    let unknown = check(vec![swap("/swap", -2, nothing_known())]).expect("it is told");
    assert_eq!(unknown.severity, Severity::Unknown);
    assert_eq!(unknown.finding, format!("/swap: {REASON}"));
}

/// 60.5 GiB, VMs of up to 66 GiB, and no swap.
#[test]
fn vms_that_may_have_more_than_the_host_are_critical_without_swap() {
    let sized = |number, size| VmFacts { size, ..vm("pve", number) };
    let mut all: Vec<VmFacts> = (1..=4).map(|n| sized(n, Ok(Bytes(16 * GIB)))).collect();
    all.push(sized(5, Ok(Bytes(2 * GIB))));
    let mut facts = facts(all);
    facts.host.swaps = Ok(vec![]);
    facts.host.memory = Ok(Bytes(60 * GIB + 512 * MIB));
    let finding = found(&facts, "swap").expect("it is told");
    assert_eq!(finding.severity, Severity::Critical);
    assert!(finding.finding.contains("66G of 60.5G"), "{finding:?}");
    facts.vms[0].size = nothing_known();
    facts.vms[1].size = Ok(Bytes(33 * GIB));
    let finding = found(&facts, "swap").expect("it is told");
    assert!(finding.finding.contains("at least 67G"), "{finding:?}");
}

#[test]
fn a_swap_file_is_advised_as_its_file_system_takes_it() {
    let command = |kind: Known<&str>| {
        let mut facts = facts(vec![vm("web", 1)]);
        facts.host.swaps = Ok(vec![]);
        facts.host.swap_file_system = kind.map(str::to_owned);
        found(&facts, "swap").expect("there is none").commands.join("; ")
    };
    assert!(command(Ok("ext4")).starts_with("fallocate -l 4G /var/swap && chmod 600"));
    assert!(command(Ok("xfs")).starts_with("dd if=/dev/zero of=/var/swap bs=1M count=4096 && "));
    let btrfs = command(Ok("btrfs"));
    assert!(btrfs.starts_with("btrfs subvolume create /var/swap && btrfs filesystem mkswapfile "));
    for (kind, file) in [("ext4", "/var/swap"), ("xfs", "/var/swap"), ("btrfs", "/var/swap/file")] {
        let lasting = format!("swapon {file} && echo '{file} none swap defaults 0 0' >>/etc/fstab");
        assert!(command(Ok(kind)).ends_with(&lasting), "{}", command(Ok(kind)));
    }
    for kind in ["zfs", "overlay", "tmpfs", "nfs4", "bcachefs", "fuse.sshfs", "squashfs"] {
        let command = command(Ok(kind));
        assert!(!command.contains("/var/swap") && command.contains("zram-generator"), "{command}");
        assert!(command.contains(&format!("{kind} takes no swap file")), "{command}");
    }
    let unknown = command(nothing_known());
    assert!(!unknown.contains("/var/swap") && unknown.contains("zram-generator"), "{unknown}");
}

#[test]
fn swap_that_needs_memory_to_be_written_is_reported() {
    let check = |backings: &[Known<Backing>]| {
        let mut facts = facts(vec![]);
        let swap = |(number, backing): (usize, &Known<Backing>)| Swap {
            backing: backing.clone(),
            ..swap(&format!("/dev/s{number}"), -2, Ok(false))
        };
        facts.host.swaps = Ok(backings.iter().enumerate().map(swap).collect());
        found(&facts, "swap_backing")
    };
    use Backing::{Disk, Loop, Network, Thin, Zram, Zvol};
    for fine in [&[][..], &[Ok(Disk)], &[Ok(Disk), Ok(Zram)]] {
        assert_eq!(check(fine), None, "{fine:?}");
    }
    for harm in [Zvol, Thin, Network, Loop] {
        let finding = check(&[Ok(Disk), Ok(harm), Ok(Zram)]).expect("it is told");
        assert_eq!(finding.severity, Severity::Warning, "{harm:?}");
        assert!(finding.finding.starts_with("/dev/s1 is "), "{finding:?}");
        assert_eq!(finding.commands, ["swapoff /dev/s1   # and its line in /etc/fstab"]);
    }
    let zvol = check(&[Ok(Zvol)]).expect("it is told");
    assert!(zvol.consequence.contains("deadlock"), "{zvol:?}");
    let zram = check(&[Ok(Zram)]).expect("it is told");
    assert_eq!((zram.severity, zram.commands.len()), (Severity::Note, 0));
    for other in [Disk, Zram] {
        let unknown = check(&[nothing_known(), Ok(other)]).expect("it is told");
        assert_eq!(unknown.severity, Severity::Unknown, "{other:?}");
    }
}
