//! PID 1 of a lab guest. It mounts, loads the virtio modules, and then does with memory
//! what the host tells it over the second serial port, one line a command, one a reply:
//!
//! - `hold N`: touch N MiB once a second, as a program does that needs them;
//! - `cycle N`: walk over N MiB for ever, as fast as it goes;
//! - `idle`: leave the memory as it is; `resume`: cycle over what was left so; `free`: give
//!   it back;
//! - `status`: what it is doing; `off`: power off;
//! - `plan LINE`, `settle`, `go`, `report`, `notes`: programs that follow a plan of what they
//!   want from second to second (see `plan.rs`), in a process of their own, which the guest's
//!   OOM killer may end.
//!
//! The guest powers itself off at the end of its lifetime (`memtrace.lifetime=SECONDS` on
//! the kernel's command line), so that a forgotten one doesn't stay.

use std::process::ExitCode;

mod asking;
mod command;
mod counts;
mod files;
mod init;
mod line;
mod load;
mod meminfo;
mod pages;
mod plan;
mod programs;
mod serve;
mod work;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(programs::ROLE) {
        if let Err(error) = load::run() {
            println!("{error:#}");
        }
        return ExitCode::FAILURE;
    }
    if !rustix::process::getpid().is_init() {
        eprintln!("this program is PID 1 of a lab guest, and does nothing elsewhere");
        return ExitCode::FAILURE;
    }
    if let Err(error) = init::prepare().and_then(serve::serve) {
        eprintln!("guest: {error:#}");
    }
    // Whatever happened, there is nothing left to do here.
    match rustix::system::reboot(rustix::system::RebootCommand::PowerOff) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
