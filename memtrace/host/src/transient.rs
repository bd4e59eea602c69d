//! Where commands of an operator run. In memtrace's own service they would be in its sandbox: a
//! mail program couldn't write its spool, and a manager's command not its cluster's files. systemd
//! starts them as transient units (systemd-run(1)) with the rights and limits of any service.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::hostfs::cgroup::membership::paths;

/// Since 240 (`--service-type=exec`), which all of systemd's releases with cgroup v2 alone have.
const PROGRAM: &str = "/usr/bin/systemd-run";
/// It connects the command's pipes over the system bus.
const BUS: &str = "/run/dbus/system_bus_socket";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The service of systemd that this process is, if it is one that systemd can start commands
/// beside.
pub(crate) fn service() -> Option<String> {
    // systemd.exec(5): what systemd starts has it.
    env::var_os("INVOCATION_ID")?;
    let can = rustix::process::geteuid().is_root()
        && Path::new(PROGRAM).exists()
        && Path::new(BUS).exists();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    service_in(&own).filter(|_| can)
}

fn service_in(cgroups: &str) -> Option<String> {
    let mut services = paths(cgroups).filter_map(|path| path.rsplit('/').next());
    services.find(|name| name.ends_with(".service")).map(str::to_owned)
}

/// A command that has systemd run `arguments` as a unit of its own beside `service`, with
/// `environment`. It ends as they do, its pipes are theirs, and the unit ends after the service.
pub(crate) fn command(
    service: &str,
    arguments: &[String],
    environment: impl Iterator<Item = (&'static str, OsString)>,
) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["--quiet", "--pipe", "--collect", "--service-type=exec"]);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = service.trim_end_matches(".service");
    command.arg(format!("--unit={name}-command-{}-{number}", std::process::id()));
    command.arg(format!("--description=A command of {service}"));
    // Stopped once the service is: it may have something to say as it stops.
    command.arg(format!("--property=BindsTo={service}"));
    command.arg(format!("--property=Before={service}"));
    for (name, value) in environment {
        let mut set = OsString::from(format!("--setenv={name}="));
        set.push(value);
        command.arg(set);
    }
    command.arg("--").args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_by_its_cgroup() {
        let own = |text| service_in(text);
        assert_eq!(
            own("0::/memtrace.slice/memtrace.service\n").as_deref(),
            Some("memtrace.service")
        );
        let legacy = "4:memory:/x\n1:name=systemd:/system.slice/a.service\n0::/\n";
        assert_eq!(own(legacy).as_deref(), Some("a.service"));
        assert_eq!(own("0::/user.slice/user-0.slice/session-1.scope\n"), None);
        assert_eq!(own(""), None);
    }

    #[test]
    fn a_command_keeps_its_arguments_whatever_they_look_like() {
        let arguments = ["/bin/mail", "--quiet", "a b"].map(str::to_owned);
        let environment = [("LANG", OsString::from("C"))].into_iter();
        let command = command("memtrace.service", &arguments, environment);
        let told: Vec<String> =
            command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let end = told.iter().position(|argument| argument == "--").expect("their end");
        assert_eq!(told[end + 1..], arguments);
        assert!(told[..end].contains(&"--setenv=LANG=C".to_owned()), "{told:?}");
        assert!(told[..end].contains(&"--property=BindsTo=memtrace.service".to_owned()));
    }
}
