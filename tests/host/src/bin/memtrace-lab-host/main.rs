//! PID 1 of a lab host: a kernel with KVM that itself runs in a VM. It mounts, loads
//! modules, tries memtrace on real KVM guests in one scenario after the other, reports
//! over the second serial port, one JSON object a line, and powers off.
//!
//! It measures and reports; the numbers are judged outside.

use std::process::ExitCode;

use memtrace_lab_host::scenario;

mod cgroup;
mod child;
mod counters;
mod cpu;
mod demo;
mod guest;
mod mini;
mod prepare;
mod press;
mod programs;
mod qemu;
mod relief;
mod report;
mod run;
mod selftest;
mod setting;
mod swap;
mod system;
mod timing;
mod tracer;
mod wait;

fn main() -> ExitCode {
    if !rustix::process::getpid().is_init() {
        eprintln!("this program is PID 1 of a lab host, and does nothing elsewhere");
        return ExitCode::FAILURE;
    }
    if let Err(error) = prepare::mount_all().and_then(|()| serve()) {
        eprintln!("host: {error:#}");
    }
    // Nothing is left to do here, whatever happened.
    match rustix::system::reboot(rustix::system::RebootCommand::PowerOff) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> anyhow::Result<()> {
    let line = std::fs::read_to_string("/proc/cmdline")?;
    system::wanted(&line).map_or_else(|| report_all(&line), system::enter)
}

/// The work, with what stopped it as the last line of the report.
fn report_all(line: &str) -> anyhow::Result<()> {
    let mut report = report::Report::open()?;
    // Kept until after the report: without it the host may die.
    let mut anchor = None;
    let done = match (demo::wanted(line), relief::wanted(line)) {
        (Some(view), _) => demo::run(view, &mut report),
        (None, Some(mode)) => relief::run(mode, &mut report, &mut anchor),
        (None, None) => work(&mut report, &mut anchor),
    };
    if let Err(error) = done {
        report.say("failed", &format!("{error:#}"))?;
    }
    report.finish()
}

fn work(report: &mut report::Report, anchor: &mut Option<guest::Guest>) -> anyhow::Result<()> {
    let wanted = prepare::wanted()?;
    let missing = prepare::load_modules()?;
    report.say("kernel", &prepare::kernel()?)?;
    report.say("modules", &missing.join("; "))?;
    prepare::account_delays()?;
    let limit = std::time::Duration::from_secs(60);
    report.say("doctor", &child::run("/bin/memtrace", &["doctor"], limit)?)?;
    let named = |name: &str| wanted.iter().any(|wanted| wanted == name);
    // Before memtrace runs, whose programs would discover the tests' stand-ins.
    if named(scenario::PROGRAMS) {
        report.say(scenario::PROGRAMS, &programs::run()?)?;
    }
    if scenario::ALL.iter().any(|scenario| named(scenario.name)) {
        compare(&named, report, anchor)?;
    }
    if named(scenario::SELFTEST) {
        report.say(scenario::SELFTEST, &selftest::run()?)?;
    }
    Ok(())
}

/// memtrace's numbers beside the kernel's, in each scenario that is named.
fn compare(
    named: &dyn Fn(&str) -> bool,
    report: &mut report::Report,
    anchor: &mut Option<guest::Guest>,
) -> anyhow::Result<()> {
    let wants = |(_, scenario): &(usize, &scenario::Scenario)| named(scenario.name);
    let chosen = scenario::ALL.iter().enumerate().filter(wants);
    let timed = chosen.clone().any(|(_, scenario)| scenario.timed);
    let mut timing = timed.then(timing::Timing::before).transpose()?;
    let mut tracer = tracer::Tracer::start(&["top"])?;
    report.say("tracer", &"memtrace runs")?;
    timing.as_mut().map_or(Ok(()), timing::Timing::after)?;
    *anchor = Some(run::anchor()?);
    for (number, scenario) in chosen {
        report.say("scenario", &run::run(scenario, number, &mut tracer, timing.as_ref()))?;
    }
    report.say("messages", &tracer.errors())?;
    Ok(())
}
