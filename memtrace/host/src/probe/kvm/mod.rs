//! A minimal KVM guest for the self-test: one vCPU that walks over its memory.

#[cfg(any(target_arch = "aarch64", test))]
mod aarch64;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod memory;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64::Machine;
#[cfg(target_arch = "x86_64")]
pub use x86_64::Machine;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use other::Machine;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod other {
    //! There is no program for other processors.

    use anyhow::{Result, bail};

    /// Never made.
    pub enum Machine {}

    impl Machine {
        /// # Errors
        /// Always.
        pub fn new(_memory: u32, _stretch: u32) -> Result<Self> {
            bail!("the test guest requires x86-64 or arm64")
        }

        /// # Errors
        /// Never, as there is no machine.
        pub fn walk_stretch(&mut self) -> Result<()> {
            match *self {}
        }
    }
}
