//! The memory of a guest: anonymous memory of this process.

use std::ffi::c_void;
use std::ptr::NonNull;

use anyhow::{Context as _, Result, ensure};
use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::VmFd;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Anonymous memory at an address of the kernel's choice.
pub(super) struct Memory {
    address: NonNull<c_void>,
    length: usize,
}

impl Memory {
    pub(super) fn new(length: usize) -> Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let address = unsafe { mmap_anonymous(std::ptr::null_mut(), length, protection, flags) };
        let address = NonNull::new(address.context("no memory for the guest")?);
        Ok(Self { address: address.context("memory at address 0")?, length })
    }

    /// Makes it the memory of a guest at this address of its own. It has to go after the VM.
    ///
    /// # Errors
    /// When KVM doesn't take it.
    pub(super) fn give(&self, vm: &VmFd, address: u64) -> Result<()> {
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: address,
            memory_size: self.length as u64,
            userspace_addr: self.address.as_ptr() as u64,
        };
        // SAFETY: the mapping is as long as the region says, nothing else uses it, and the caller
        // keeps it until the VM is gone.
        unsafe { vm.set_user_memory_region(region) }.context("KVM takes no memory")
    }

    pub(super) fn write(&self, at: usize, bytes: &[u8]) -> Result<()> {
        let end = at.checked_add(bytes.len()).filter(|end| *end <= self.length);
        ensure!(end.is_some(), "outside of the guest's memory");
        // SAFETY: the bytes end within the mapping, which has no other user, and can't overlap
        // with `bytes`, which Rust owns.
        unsafe {
            let place = self.address.as_ptr().cast::<u8>().add(at);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
        }
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: this mapping was made by `new`, and its users have been dropped.
        if let Err(error) = unsafe { munmap(self.address.as_ptr(), self.length) } {
            tracing::warn!("cannot unmap the guest's memory: {error}");
        }
    }
}
