//! PID 1 of a lab host: a kernel with KVM that itself runs in a VM. It mounts, loads
//! modules, swaps, tries memtrace on real KVM guests, reports over the second serial
//! port, one JSON object a line, and powers off.
//!
//! It measures and reports; what the numbers are worth is decided outside.

use std::process::ExitCode;

mod cgroup;
mod child;
mod counters;
mod guest;
mod prepare;
mod pressure;
mod report;
mod tracer;
mod wait;

fn main() -> ExitCode {
    if !rustix::process::getpid().is_init() {
        eprintln!("this program is PID 1 of a lab host, and does nothing elsewhere");
        return ExitCode::FAILURE;
    }
    if let Err(error) = prepare::mount_all().and_then(|()| report_all()) {
        eprintln!("host: {error:#}");
    }
    // Whatever happened, there is nothing left to do here.
    match rustix::system::reboot(rustix::system::RebootCommand::PowerOff) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The work, with what stopped it as the last line of the report.
fn report_all() -> anyhow::Result<()> {
    let mut report = report::Report::open()?;
    if let Err(error) = work(&mut report) {
        report.say("failed", &format!("{error:#}"))?;
    }
    report.finish()
}

fn work(report: &mut report::Report) -> anyhow::Result<()> {
    prepare::load_modules()?;
    report.say("kernel", &prepare::kernel()?)?;
    let limit = std::time::Duration::from_secs(60);
    report.say("doctor", &child::run("/bin/memtrace", &["doctor"], limit)?)?;
    prepare::swap_on()?;
    pressure::run(report)
}
