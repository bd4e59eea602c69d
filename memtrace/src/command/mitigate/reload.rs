//! Reload of the configuration, and the keys that take effect.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::oneshot::{self, error::RecvError};
use tokio::sync::watch;

use crate::command::mitigate::acting::Acting;
use crate::command::mitigate::args::MitigateArguments;
use crate::config::Config;
use memtrace_core::alert::Rule;
use memtrace_core::live::Control;
use memtrace_core::reactor::{Change, Mode, Remote};
use memtrace_host::live::SharedTables;

/// The running parts whose settings may change.
pub(super) struct Running {
    pub(super) arguments: MitigateArguments,
    pub(super) config: Config,
    pub(super) acting: Acting,
    pub(super) remote: Remote,
    pub(super) alerts: watch::Sender<Vec<Rule>>,
    /// By which VMs are named.
    pub(super) tables: SharedTables,
}

impl Running {
    pub(super) fn interval(&self) -> Duration {
        interval(&self.arguments, &self.config)
    }

    pub(super) fn gives_back(&self) -> bool {
        self.config.give_back
    }

    /// Reads the configuration on a thread of its own: its files may be on a disk that doesn't
    /// answer, and neither signals nor the service manager wait for that.
    pub(super) fn read(&self) -> oneshot::Receiver<Result<Config>> {
        let (send, read) = oneshot::channel();
        let file = self.arguments.config.clone();
        let run = move || {
            // Nobody waits for it any more, if that fails.
            let _ = send.send(crate::config::chosen(file.as_deref()));
        };
        // Without a thread the channel closes.
        let _ = thread::Builder::new().name("configuration".to_owned()).spawn(run);
        read
    }

    /// Applies what was read. An invalid configuration changes nothing.
    pub(super) fn apply(
        &mut self,
        read: Result<Result<Config>, RecvError>,
        control: &watch::Sender<Control>,
    ) {
        match read.context("cannot read the configuration").flatten() {
            Ok(config) => self.take(config, control),
            Err(error) => tracing::error!("{error:#}\nkeeping the previous configuration"),
        }
    }

    /// Stops acting if another memtrace acts on this host by now.
    pub(super) fn hold_the_lock(&mut self) {
        if let Err(error) = self.acting.hold() {
            tracing::error!("observing from now on: {error:#}");
            self.remote.change(Change { rules: self.config.rules.clone(), acts: false });
        }
    }

    fn take(&mut self, mut config: Config, control: &watch::Sender<Control>) {
        for key in fixed(&self.config, &config) {
            tracing::warn!("{key} can't change at runtime: restart memtrace to apply it");
        }
        // Fixed keys keep their value.
        config.hook.clone_from(&self.config.hook);
        config.rules.hook.heard = self.config.rules.hook.heard;
        let acts = acts(&self.arguments, &config);
        let acts = match self.acting.set(acts) {
            Ok(()) => acts,
            Err(error) => {
                tracing::error!("still observing: {error:#}");
                false
            }
        };
        self.remote.change(Change { rules: config.rules.clone(), acts });
        self.alerts.send_replace(config.alert.rules());
        self.tables.set(&config.rules.vms);
        let interval = interval(&self.arguments, &config);
        control.send_if_modified(|control| {
            std::mem::replace(&mut control.interval, interval) != interval
        });
        let Config { libvirt, scope, metrics, journal, record, .. } = self.config.clone();
        let send = self.config.alert.send.clone();
        self.config = Config { libvirt, scope, metrics, journal, record, ..config };
        self.config.alert.send = send;
        tracing::warn!("configuration reloaded");
    }
}

/// The sampling interval, from arguments and configuration.
pub(super) fn interval(arguments: &MitigateArguments, config: &Config) -> Duration {
    arguments.interval.unwrap_or(Duration::from_nanos(config.interval.0))
}

/// Whether decisions are carried out.
pub(super) fn acts(arguments: &MitigateArguments, config: &Config) -> bool {
    arguments.enforce || config.mode == Mode::Enforce
}

/// Changed keys that can't take effect.
fn fixed(before: &Config, now: &Config) -> Vec<&'static str> {
    let (sent, send) = (&before.alert.send, &now.alert.send);
    let keys = [
        ("libvirt", before.libvirt != now.libvirt),
        ("always_hooked", before.always_hooked != now.always_hooked),
        ("scope.cgroup", before.scope != now.scope),
        ("metrics.listen", before.metrics.listen != now.metrics.listen),
        ("metrics.socket_group", before.metrics.access.group != now.metrics.access.group),
        ("metrics.socket_mode", before.metrics.access.mode != now.metrics.access.mode),
        ("samples.serve", before.samples.serve != now.samples.serve),
        ("samples.socket", before.samples.socket != now.samples.socket),
        ("journal.directory", before.journal.directory != now.journal.directory),
        ("journal.file", before.journal.limits.file != now.journal.limits.file),
        ("journal.files", before.journal.limits.files != now.journal.limits.files),
        ("record.use", before.record.used != now.record.used),
        ("record.directory", before.record.directory != now.record.directory),
        ("record.size", before.record.limits != now.record.limits),
        ("hook.command", before.hook != now.hook),
        ("alert.log", sent.log != send.log),
        ("alert.command", sent.command != send.command),
        ("alert.webhook", sent.webhook != send.webhook),
        ("alert.bearer_token_file", sent.bearer_token_file != send.bearer_token_file),
        ("alert.basic_auth_file", sent.basic_auth_file != send.basic_auth_file),
        ("alert.alertmanager", sent.alertmanager != send.alertmanager),
    ];
    keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use clap::Parser;

    use super::*;
    use crate::command::{Arguments, Command};
    use crate::sys::address::SocketMode;
    use memtrace_core::settings::configured_labels;
    use memtrace_core::units::Nanos;
    use memtrace_host::hostfs::HostRoot;

    /// What runs with the configuration in this file, and the ends of its ways.
    fn running(file: &std::path::Path) -> (Running, watch::Receiver<Vec<Rule>>) {
        let typed = ["memtrace", "mitigate", "--config", file.to_str().unwrap()];
        let Some(Command::Mitigate(arguments)) = Arguments::parse_from(typed).command else {
            panic!("it is mitigate")
        };
        let config = crate::config::chosen(arguments.config.as_deref()).unwrap();
        let (alerts, rules) = watch::channel(config.alert.rules());
        let root = HostRoot::live().unwrap();
        let acting = Acting::not_yet(root, &file.with_extension("lock"));
        let (remote, tables) = (Remote::nowhere(), SharedTables::default());
        (Running { arguments, config, acting, remote, alerts, tables }, rules)
    }

    #[test]
    fn a_reload_takes_effect_and_an_invalid_file_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("memtrace.toml");
        fs::write(&file, "interval = \"2s\"\n").unwrap();
        let (mut running, alerts) = running(&file);
        let interval = running.interval();
        let control = watch::Sender::new(Control { interval, detail: None, stop: false });
        fs::write(&file, "give_back = true\nintervall = \"5s\"\n").unwrap();
        running.apply(running.read().blocking_recv(), &control);
        assert!(!running.gives_back());
        assert_eq!(control.borrow().interval, Duration::from_secs(2));
        let text = "interval = \"5s\"\ngive_back = true\n[policy]\nsoft = 30\n\
                    [alert.host_pressure]\nuse = false\n[journal]\nfiles = 3\n\
                    [[vm]]\nname = \"billing\"\nalias = \"Billing\"\n";
        fs::write(&file, text).unwrap();
        let all = alerts.borrow().len();
        running.apply(running.read().blocking_recv(), &control);
        assert!(running.gives_back());
        assert_eq!(control.borrow().interval, Duration::from_secs(5));
        assert_eq!((running.config.rules.soft, running.config.journal.limits.files), (30.0, 8));
        assert_eq!(alerts.borrow().len(), all - 1);
        let called = configured_labels(&running.tables.get(), "billing", None).name;
        assert_eq!(called.as_deref(), Some("Billing"));
        fs::remove_file(&file).unwrap();
        running.apply(running.read().blocking_recv(), &control);
        assert!(running.gives_back(), "a file that is gone says nothing new");
    }

    #[test]
    fn a_configuration_that_does_not_come_holds_nothing_up() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("memtrace.toml");
        fs::write(&file, "").unwrap();
        let (mut running, _alerts) = running(&file);
        let (late, write) = rustix::pipe::pipe().unwrap();
        running.arguments.config = Some(format!("/dev/fd/{}", late.as_raw_fd()).into());
        let mut read = running.read();
        assert!(read.try_recv().is_err(), "it was not waited for");
        fs::File::from(write).write_all(b"give_back = true\n").unwrap();
        let interval = running.interval();
        let control = watch::Sender::new(Control { interval, detail: None, stop: false });
        running.apply(read.blocking_recv(), &control);
        assert!(running.gives_back());
    }

    #[test]
    fn settings_that_need_a_restart_are_named() {
        let before = Config::default();
        let mut now = Config { libvirt: false, interval: Nanos(1), ..Config::default() };
        now.journal.directory = "/elsewhere".into();
        now.record.used = true;
        now.metrics.listen = ":9435".parse().ok();
        now.metrics.access.mode = SocketMode(0o600);
        now.samples.serve = false;
        now.alert.send.log = false;
        now.hook.push("page".to_owned());
        let changed = [
            "libvirt",
            "metrics.listen",
            "metrics.socket_mode",
            "samples.serve",
            "journal.directory",
            "record.use",
            "hook.command",
            "alert.log",
        ];
        assert_eq!(fixed(&before, &now), changed);
        assert_eq!(fixed(&before, &before), [""; 0]);
    }
}
