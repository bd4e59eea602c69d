//! A minimal KVM guest for the self-test: one vCPU that walks over its memory.

#[cfg(target_arch = "x86_64")]
mod code;
#[cfg(target_arch = "x86_64")]
mod machine;

#[cfg(target_arch = "x86_64")]
pub use machine::Machine;

#[cfg(not(target_arch = "x86_64"))]
pub use other::Machine;

#[cfg(not(target_arch = "x86_64"))]
mod other {
    //! There is no program for other processors.

    use anyhow::{Result, bail};

    /// Never made.
    pub enum Machine {}

    impl Machine {
        /// # Errors
        /// Always.
        pub fn new(_memory: u32, _stretch: u32) -> Result<Self> {
            bail!("the test guest requires x86-64")
        }

        /// # Errors
        /// Never, as there is no machine.
        pub fn walk_stretch(&mut self) -> Result<()> {
            match *self {}
        }
    }
}
