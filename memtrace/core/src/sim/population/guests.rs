//! The VMs of a host. Sizes are MiB.

use super::distributions::{self as from, Fault, Role};
use super::random::Random;
use super::roles::{self, Room};
use crate::sim::load::Load;
use crate::sim::scenario::{
    BalloonKind, DeadSpec, Event, OwnSwapKind, StatisticsKind, System, VmSpec,
};
use crate::sim::size::Size;

/// What all VMs of a host have in common.
#[derive(Clone, Debug)]
pub(super) struct House {
    pub(super) memory: u64,
    pub(super) day: u64,
    /// Mean use of a VM's memory at its peak, in per cent, and how much of it is left so
    /// that the host has room at the beginning.
    pub(super) use_percent: u64,
    pub(super) eased: u64,
    /// Share of faulty VMs.
    pub(super) faulty: u64,
}

fn role(random: &mut Random, size: u64) -> Role {
    match *random.pick(&from::ROLES) {
        Role::Starts | Role::Reboots if size > from::BOOTING_MIB => Role::Database,
        role => role,
    }
}

/// VMs and what happens to them.
#[derive(Clone, Debug, Default)]
pub(super) struct Guests {
    pub(super) vms: Vec<VmSpec>,
    pub(super) events: Vec<Event>,
    pinned: u64,
}

impl Guests {
    /// Draws a VM of each size.
    pub(super) fn draw(random: &mut Random, house: &House, sizes: &[u64]) -> Self {
        let mut guests = Self::default();
        let mut sizes = sizes.iter();
        while let Some(size) = sizes.next() {
            let role = role(random, *size);
            // VMs that take turns are paired with another of the same kind, if one is left.
            let other = (role == Role::Turns).then(|| sizes.next()).flatten();
            let size = other.map_or(*size, |other| u64::midpoint(*size, *other));
            let vm = guests.vm(random, house, role, size);
            let other = other.map(|_| VmSpec {
                name: guests.name(role, 1),
                load: roles::other_turn(&vm.load),
                ..vm.clone()
            });
            guests.vms.push(vm);
            guests.vms.extend(other);
        }
        guests.go_wrong(random, house);
        guests
    }

    fn name(&self, role: Role, more: usize) -> String {
        format!("{}-{}", format!("{role:?}").to_lowercase(), self.vms.len() + 1 + more)
    }

    fn vm(&mut self, random: &mut Random, house: &House, role: Role, memory: u64) -> VmSpec {
        let spread = random.within(&from::USE_SPREAD);
        let used = (house.use_percent + spread).saturating_sub(from::USE_SPREAD.end() / 2);
        let used = used.min(from::MOST_USE_PERCENT) * house.eased / 100;
        let needs = memory * used / 100;
        let rest = memory - needs;
        let read_once = rest * random.within(&from::READ_ONCE_PERCENT) / 100 * house.eased / 100;
        let dead = (rest - read_once) * random.within(&from::DEAD_PERCENT) / 100;
        let streams = random.within(&from::TRICKLE_MIB);
        let room = Room { memory, needs, read_once, streams, day: house.day };
        let load = roles::load(random, role, &room);
        let starts = if role == Role::Starts { random.within(&from::STARTS_AT) } else { 0 };
        let reboots = (role == Role::Reboots).then(|| random.within(&from::REBOOTS_AT));
        let asks = match role {
            Role::Heap | Role::Turns => from::ASKS_PERCENT,
            _ => from::OTHERS_ASK_PERCENT,
        };
        let windows = role == Role::Windows;
        let has_swap = random.chance(from::OWN_SWAP_PERCENT) || windows;
        let own_swap = memory * random.within(&from::OWN_SWAP_SHARE) / 100;
        let own_zram = random.chance(from::OWN_ZRAM_PERCENT) && has_swap && !windows;
        let own_swap_kind = if own_zram { OwnSwapKind::Zram } else { OwnSwapKind::Disk };
        VmSpec {
            name: self.name(role, 0),
            count: 1,
            stagger: 0,
            memory: Size::mib(memory),
            vcpus: if memory < 2048 { 1 } else { 2 * (memory / 4096).clamp(1, 8) as u32 },
            load,
            balloon: BalloonKind::Working,
            statistics: StatisticsKind::Honest,
            system: if windows { System::Windows } else { System::Linux },
            own_swap: Size::mib(if has_swap { own_swap } else { 0 }),
            own_swap_kind,
            deflate_on_oom: random.chance(from::DEFLATE_PERCENT),
            free_page_reporting: random.chance(from::REPORTING_PERCENT),
            asks_first: random.chance(asks),
            reboots,
            pinned: false,
            starts,
            migrates: None,
            own_fault: false,
            ballooned: Size::default(),
            dead: DeadSpec {
                resident: Size::mib(if starts == 0 { dead * house.eased / 100 } else { 0 }),
                swapped: Size::default(),
            },
        }
    }

    /// VMs whose load is always the same start together.
    pub(super) fn storm(&mut self, random: &mut Random) {
        let begins = random.within(&from::STARTS_AT);
        for vm in &mut self.vms {
            let memory = vm.memory.in_mib();
            let starts = begins + random.within(&from::STORM_LASTS);
            let touches = Size::mib(memory / random.within(&from::BOOT_PARTS));
            let lasts = random.within(&from::BOOT_SECONDS);
            let joins = random.chance(from::STORM_STARTS_PERCENT);
            let Load::Steady { needs } = vm.load else { continue };
            if joins && memory <= from::BOOTING_MIB && !vm.pinned && vm.reboots.is_none() {
                vm.starts = starts;
                vm.load = Load::Booting { touches, lasts, needs };
                vm.dead = DeadSpec::default();
            }
        }
    }

    fn go_wrong(&mut self, random: &mut Random, house: &House) {
        for index in 0..self.vms.len() {
            let wrong = random.chance(house.faulty);
            let fault = *random.pick(&from::FAULTS);
            let at = random.within(&from::TROUBLE_AT);
            let lasts = random.within(&from::TROUBLE_LASTS);
            if wrong {
                self.go_wrong_with(index, fault, at, lasts, house.memory);
            }
        }
    }

    fn go_wrong_with(&mut self, index: usize, fault: Fault, at: u64, lasts: u64, host: u64) {
        let vm = &mut self.vms[index];
        match fault {
            Fault::Balloon(kind) => vm.balloon = kind,
            Fault::Statistics(kind) => {
                vm.statistics = kind;
                vm.own_fault = kind != StatisticsKind::None;
            }
            Fault::Stops => {
                self.events.push(Event::StatisticsStop { at, lasts, vm: vm.name.clone() });
            }
            Fault::Pinned => {
                let pinned = self.pinned + vm.memory.in_mib();
                if vm.starts == 0 && pinned <= host * from::PINNED_PERCENT / 100 {
                    vm.pinned = true;
                    self.pinned = pinned;
                }
            }
            Fault::Migrates => vm.migrates = Some([at, at + lasts]),
        }
    }
}
