//! The machine: memory, one CPU in 32-bit protected mode, and interrupt controllers that
//! never interrupt. Without an in-kernel APIC KVM wouldn't fault asynchronously.

use anyhow::{Context as _, Result, bail, ensure};
use kvm_bindings::{kvm_regs, kvm_segment};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};

use super::super::memory::Memory;
use super::code;

/// Where Intel's processors keep what they need to run a guest without paging: three pages and
/// one, in a hole of the guest's memory (Documentation/virt/kvm/api.rst, `KVM_SET_TSS_ADDR` and
/// `KVM_SET_IDENTITY_MAP_ADDR`).
const TASK_STATE: usize = 0xfffb_d000;
const IDENTITY_MAP: u64 = 0xfffb_c000;
/// `CR0.PE`: protected mode.
const PROTECTED: u64 = 1;
/// `EFLAGS.IF` and the bit that is always set. KVM doesn't fault asynchronously where
/// interrupts are off (`kvm_can_do_async_pf`, arch/x86/kvm/mmu).
const FLAGS: u64 = 1 << 9 | 1 << 1;

/// A guest, with its memory.
pub struct Machine {
    // Dropped in this order: the CPU and the VM before the memory that they use.
    cpu: VcpuFd,
    _vm: VmFd,
    _memory: Memory,
}

impl Machine {
    /// Makes a guest with `memory` bytes that walks `stretch` pages at a time. Nothing of
    /// the memory but the program is touched before it runs.
    ///
    /// # Errors
    /// Where /dev/kvm can't be used, or lacks something.
    pub fn new(memory: u32, stretch: u32) -> Result<Self> {
        ensure!(memory > code::START && stretch > 0, "no memory to walk");
        let kvm = Kvm::new().context("cannot open /dev/kvm")?;
        let vm = kvm.create_vm().context("KVM makes no VM")?;
        vm.set_identity_map_address(IDENTITY_MAP).context("KVM_SET_IDENTITY_MAP_ADDR")?;
        vm.set_tss_address(TASK_STATE).context("KVM_SET_TSS_ADDR")?;
        vm.create_irq_chip().context("KVM makes no interrupt controllers")?;
        let pages = Memory::new(memory as usize)?;
        pages.write(code::ENTRY as usize, &code::program(memory, stretch))?;
        pages.give(&vm, 0)?;
        let cpu = vm.create_vcpu(0).context("KVM makes no CPU")?;
        enter(&cpu)?;
        Ok(Self { cpu, _vm: vm, _memory: pages })
    }

    /// Runs until the next stretch is walked.
    ///
    /// # Errors
    /// When the guest does anything else, or a signal comes.
    pub fn walk_stretch(&mut self) -> Result<()> {
        match self.cpu.run().context("KVM doesn't run the guest")? {
            VcpuExit::IoOut(port, _) if port == u16::from(code::PORT) => Ok(()),
            exit => bail!("the guest ended with {exit:?}"),
        }
    }
}

/// Puts the CPU at the beginning of the program, in flat 32-bit mode.
fn enter(cpu: &VcpuFd) -> Result<()> {
    let mut special = cpu.get_sregs().context("KVM_GET_SREGS")?;
    special.cs = flat(1, 0b1011); // code: executable, readable, accessed
    for data in [&mut special.ds, &mut special.es, &mut special.fs, &mut special.gs] {
        *data = flat(2, 0b0011); // data: writable, accessed
    }
    special.ss = flat(2, 0b0011);
    special.cr0 |= PROTECTED;
    cpu.set_sregs(&special).context("KVM_SET_SREGS")?;
    let registers = kvm_regs { rip: u64::from(code::ENTRY), rflags: FLAGS, ..kvm_regs::default() };
    cpu.set_regs(&registers).context("KVM_SET_REGS")
}

/// A segment of all 4 GiB; `kind` is the type field of its descriptor.
fn flat(index: u16, kind: u8) -> kvm_segment {
    kvm_segment {
        base: 0,
        limit: u32::MAX,
        selector: index << 3,
        type_: kind,
        present: 1,
        dpl: 0,
        db: 1,
        s: 1,
        l: 0,
        g: 1,
        avl: 0,
        unusable: 0,
        padding: 0,
    }
}
