//! Invariants of the simulation: memory is neither made nor lost. A run that violates them ends.

use anyhow::{Result, ensure};

use super::host::Host;
use super::memory::PageKind;

/// # Errors
/// When memory was made or lost, or is where it can't be.
pub(super) fn check(host: &Host) -> Result<()> {
    let second = host.second;
    let memory = &host.memory;
    let resident: u64 = host.vms.iter().map(|vm| vm.guest.memory.resident()).sum();
    let stored = host.swap.stored();
    let used = memory.free + memory.reserved + memory.cache + resident + stored;
    ensure!(
        used == memory.total,
        "broken simulation in second {second}: {used} pages of {} of the host are accounted for",
        memory.total
    );
    let swapped: u64 = host.vms.iter().map(|vm| vm.guest.memory.swapped()).sum();
    ensure!(
        swapped == host.swap.used && swapped <= host.swap.size,
        "broken simulation in second {second}: {swapped} pages are swapped, {} slots of {} used",
        host.swap.used,
        host.swap.size
    );
    for vm in &host.vms {
        let guest = &vm.guest;
        let expected = if guest.gone { 0 } else { guest.maximum() };
        ensure!(
            guest.memory.total() == expected,
            "broken simulation in second {second}: {} has {} pages of {expected}",
            guest.name,
            guest.memory.total()
        );
        let balloon = guest.memory[PageKind::Balloon];
        ensure!(
            guest.spec.pinned || balloon.resident + balloon.swapped == 0,
            "broken simulation in second {second}: the host still backs the balloon of {}",
            guest.name
        );
        let began = guest.spec.dead.swapped.pages();
        let moved = vm.suffered.swap_out + began;
        let back = vm.suffered.swap_in + vm.suffered.dropped;
        ensure!(
            moved == back + guest.memory.swapped(),
            "broken simulation in second {second}: {moved} pages of {} went to swap, {back} came \
             back, {} are there",
            guest.name,
            guest.memory.swapped()
        );
    }
    Ok(())
}
