//! Says in plain words what is missing where libvirt's headers aren't installed.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PKG_CONFIG");
    println!("cargo::rerun-if-env-changed=PKG_CONFIG_PATH");
    let program = std::env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let found = Command::new(program).args(["--exists", "libvirt"]).status();
    let missing = match found {
        Ok(status) if status.success() => return ExitCode::SUCCESS,
        Ok(_) => "libvirt-dev (Debian, Ubuntu) or libvirt-devel (Fedora, RHEL) is missing",
        Err(_) => "pkg-config is missing, which finds libvirt-dev or libvirt-devel",
    };
    let without = "memtrace itself is built without it: `cargo build -p memtrace`";
    println!("cargo::error={missing}: memtrace-libvirt needs libvirt's headers; {without}");
    ExitCode::FAILURE
}
