//! The machine: memory, and one CPU at EL1 with paging off. It has no interrupt controller, as
//! nothing interrupts it.

use anyhow::{Context as _, Result, bail, ensure};
use kvm_bindings::{KVM_REG_ARM_CORE, KVM_REG_ARM64, KVM_REG_SIZE_U64, kvm_vcpu_init};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};

use super::super::memory::Memory;
use super::code;

/// The program counter's place in `struct kvm_regs`, which its id counts in units of 4 bytes
/// (Documentation/virt/kvm/api.rst, `KVM_SET_ONE_REG`).
const PROGRAM_COUNTER: u64 = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE as u64 | 0x100 / 4;

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
        let page = rustix::param::page_size() as u64;
        ensure!(u64::from(memory) > code::START && stretch > 0, "no memory to walk");
        let kvm = Kvm::new().context("cannot open /dev/kvm")?;
        let vm = kvm.create_vm().context("KVM makes no VM")?;
        let pages = Memory::new(memory as usize)?;
        pages.write(0, &code::program(u64::from(memory), stretch, page))?;
        pages.give(&vm, code::BASE)?;
        let cpu = vm.create_vcpu(0).context("KVM makes no CPU")?;
        let mut kind = kvm_vcpu_init::default();
        vm.get_preferred_target(&mut kind).context("KVM_ARM_PREFERRED_TARGET")?;
        cpu.vcpu_init(&kind).context("KVM_ARM_VCPU_INIT")?;
        cpu.set_one_reg(PROGRAM_COUNTER, &code::BASE.to_ne_bytes()).context("KVM_SET_ONE_REG")?;
        Ok(Self { cpu, _vm: vm, _memory: pages })
    }

    /// Runs until the next stretch is walked.
    ///
    /// # Errors
    /// When the guest does anything else, or a signal comes.
    pub fn walk_stretch(&mut self) -> Result<()> {
        match self.cpu.run().context("KVM doesn't run the guest")? {
            VcpuExit::MmioWrite(code::PORT, _) => Ok(()),
            exit => bail!("the guest ended with {exit:?}"),
        }
    }
}
