//! What processor a host has: this machine's, or arm64's, which is always emulated.

use std::ffi::OsString;
use std::path::Path;

use super::accelerator::Accelerator;

/// A host's processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Architecture {
    #[default]
    Amd64,
    /// With EL2, so that its kernel's KVM runs guests.
    Arm64,
}

impl Architecture {
    /// Its name in Debian's packages.
    pub(crate) const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Its name among Rust's targets, with the C library's kind.
    pub(crate) const fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    pub(super) const fn qemu(self) -> &'static str {
        match self {
            Self::Amd64 => "qemu-system-x86_64",
            Self::Arm64 => "qemu-system-aarch64",
        }
    }

    /// Modules that a host needs, where its kernel hasn't them built in.
    pub(super) const fn modules(self) -> &'static [&'static str] {
        match self {
            Self::Amd64 => &["virtio_pci", "virtio_blk", "irqbypass", "kvm", "kvm_amd"],
            Self::Arm64 => &["virtio_pci", "virtio_blk", "8250_pci", "kvm"],
        }
    }

    /// The machine and its processor, as qemu's arguments.
    pub(super) fn machine(self) -> Vec<String> {
        match self {
            Self::Amd64 => {
                let mut arguments = Accelerator::find().arguments();
                arguments.extend(["-machine", "pc"].map(str::to_owned));
                arguments
            }
            Self::Arm64 => [
                "-accel",
                "tcg,thread=multi",
                // Pointers are signed by a cheaper function than the architecture's own.
                "-cpu",
                "max,pauth-impdef=on",
                "-machine",
                "virt,virtualization=on,gic-version=3",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }

    /// The host's serial ports, by their names there: for the kernel's messages, and for the
    /// report. The machine `virt` has one of its own; the other is on its PCI bus.
    pub(super) const fn ports(self) -> [&'static str; 2] {
        match self {
            Self::Amd64 => ["ttyS0", "ttyS1"],
            Self::Arm64 => ["ttyAMA0", "ttyS0"],
        }
    }

    /// qemu's arguments for the port of the report.
    pub(super) fn report_port(self, report: &Path) -> Vec<OsString> {
        let file = |before: &str| {
            let mut argument = OsString::from(before);
            argument.push(report);
            argument
        };
        match self {
            Self::Amd64 => vec!["-serial".into(), file("file:")],
            Self::Arm64 => vec![
                "-chardev".into(),
                file("file,id=report,path="),
                "-device".into(),
                "pci-serial,chardev=report".into(),
            ],
        }
    }
}
