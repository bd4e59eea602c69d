//! How the outer machine runs: natively where the machine's own KVM lets guests have
//! guests, else emulated.

use std::fs::{self, File};
use std::path::Path;

/// What the emulated CPU goes without.
///
/// - cmpxchg16b: qemu 7.2 leaves a wrong EFLAGS behind it, and a host dies when it is
///   interrupted there (4 boots of 6 died under load; without, none of 14).
/// - XSAVE, and all that hangs on it: a nested guest's sizes of it don't add up, and 7.x
///   kernels die of that as they boot.
const WITHOUT: &[&str] =
    &["-cx16", "-xsave", "-avx", "-avx2", "-f16c", "-fma", "-vaes", "-vpclmulqdq", "-pku"];

/// What qemu is to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// KVM with guests of guests.
    Native,
    /// Emulated SVM and nested paging.
    Emulated,
}

impl Accelerator {
    /// What this machine can do.
    pub fn find() -> Self {
        let opens = File::options().read(true).write(true).open("/dev/kvm").is_ok();
        Self::choose(opens, |path| fs::read_to_string(path).ok())
    }

    /// Native only where /dev/kvm opens and the vendor's module allows nesting: another KVM
    /// (a paravirtual one) has a /dev/kvm too.
    fn choose(opens: bool, read: impl Fn(&Path) -> Option<String>) -> Self {
        let nests = ["kvm_intel", "kvm_amd"].iter().any(|module| {
            let path = Path::new("/sys/module").join(module).join("parameters/nested");
            read(&path).is_some_and(|value| matches!(value.trim(), "Y" | "1"))
        });
        if opens && nests { Self::Native } else { Self::Emulated }
    }

    /// qemu's arguments.
    pub fn arguments(self) -> Vec<String> {
        let (accelerator, cpu) = match self {
            Self::Native => ("kvm", "host".to_owned()),
            // One thread for all CPUs would be more repeatable, but then some KVM guests
            // hang (2 boots of 5).
            Self::Emulated => ("tcg,thread=multi", format!("max,+svm,+npt,{}", WITHOUT.join(","))),
        };
        ["-accel", accelerator, "-cpu", &cpu].map(str::to_owned).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(opens: bool, module: &str, value: &str) -> Accelerator {
        let nested = Path::new("/sys/module").join(module).join("parameters/nested");
        Accelerator::choose(opens, |path| (path == nested).then(|| value.to_owned()))
    }

    #[test]
    fn kvm_is_used_where_it_opens_and_nests() {
        assert_eq!(choose(true, "kvm_intel", "Y\n"), Accelerator::Native);
        assert_eq!(choose(true, "kvm_amd", "1\n"), Accelerator::Native);
    }

    #[test]
    fn anything_less_is_emulated() {
        assert_eq!(choose(false, "kvm_intel", "Y\n"), Accelerator::Emulated);
        assert_eq!(choose(true, "kvm_intel", "N\n"), Accelerator::Emulated);
        assert_eq!(choose(true, "kvm_amd", "0\n"), Accelerator::Emulated);
        assert_eq!(choose(true, "kvm_pvm", "Y\n"), Accelerator::Emulated);
    }

    #[test]
    fn an_emulated_cpu_offers_svm_and_a_native_one_is_as_it_is() {
        assert!(Accelerator::Emulated.arguments()[3].contains("+svm,+npt"));
        assert_eq!(Accelerator::Native.arguments(), ["-accel", "kvm", "-cpu", "host"]);
    }
}
