//! `memtrace top`: from arguments to a running view.

pub mod args;
mod print;
mod replay;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::tz::TimeZone;

use crate::cli::Verbosity;
use crate::config::Config;
use crate::service::live;
use crate::service::samples::again::Successors;
use crate::service::samples::read::samples;
use crate::service::sampling::Handle;
use crate::service::view_input::ViewInput;
use crate::service::{policy, sampling, terminal};
use crate::sys::{output, runtime};
use args::{TopArguments, column_list};
use memtrace_core::live::Control;
use memtrace_core::reactor::Reactor;
use memtrace_core::sample::Sample;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::live::LiveSource;
use memtrace_host::privileges;
use memtrace_host::probe::Hooking;
use memtrace_store::journal::{DIRECTORY, Follower, Recovered};
use memtrace_view::export::plain::PlainOptions;
use memtrace_view::tui::TopOptions;
use print::Form;

/// Maximum wait for a busy source at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Live,
    Plain,
    Json,
}

impl Mode {
    fn of(arguments: &TopArguments, is_terminal: bool) -> Self {
        match (arguments.print.json, arguments.print.prints() || !is_terminal) {
            (true, _) => Self::Json,
            (false, true) => Self::Plain,
            (false, false) => Self::Live,
        }
    }
}

/// Whether `memtrace top` draws full-screen on the terminal.
pub fn draws(arguments: &TopArguments) -> bool {
    Mode::of(arguments, io::stdout().is_terminal()) == Mode::Live
}

/// Runs until the user quits, the count is reached, or Ctrl-C.
///
/// # Errors
/// [`privileges::Denied`] without privileges, which neither a recording nor the samples of another
/// memtrace need; otherwise when the host cannot be sampled, the recording not read, or the output
/// not written.
pub fn run(arguments: &TopArguments, verbosity: Verbosity) -> Result<()> {
    if arguments.lists_columns() {
        return output::print(&column_list());
    }
    if let Some(path) = &arguments.replay {
        let mode = Mode::of(arguments, io::stdout().is_terminal());
        return replay::run(arguments, path, mode);
    }
    let configured = match crate::config::chosen(arguments.look.config.as_deref()) {
        Err(error) if arguments.look.config.is_some() => return Err(error),
        // The view says why nothing is decided.
        configured => configured,
    };
    let root = live::host()?;
    let journal = journal(arguments, configured.as_ref().ok());
    let follower = Follower::new(journal, root.proc.join("locks"));
    let asked = configured.as_ref().ok().map(|config| &config.samples);
    let taken = samples(&arguments.look.samples, asked, &root)?;
    // One that is asked for a number of samples gives them, or fails.
    let waits = arguments.print.most().is_none();
    let taken = taken.map(|samples| Successors::of(samples, waits));
    let whose = taken.as_ref().map(Successors::whose);
    let (handle, idle) = match taken {
        Some(samples) => {
            privileges::keep_few();
            following(arguments, configured, samples)
        }
        None => {
            privileges::require(&root)?;
            measuring(arguments, configured, root, verbosity)
        }
    };
    let runtime = runtime::current_thread()?;
    let mode = Mode::of(arguments, io::stdout().is_terminal());
    let count = arguments.print.most();
    let result = runtime.block_on(async {
        let input = ViewInput::beside(handle.clone(), idle, follower).taken_by(whose);
        let result = match form(mode, arguments) {
            None => terminal::run(input, view_options(arguments)).await,
            Some(form) => print::run(input, &form, count).await,
        };
        handle.stop(PATIENCE).await;
        result
    });
    // Reading the journal may block on the disk.
    runtime.shutdown_timeout(PATIENCE);
    result
}

/// The loop, and why nothing is decided in it.
type Begun = (Handle, Option<Arc<str>>);

/// By the samples of another memtrace.
fn following(arguments: &TopArguments, configured: Result<Config>, samples: Successors) -> Begun {
    let configured = configured.and_then(|config| {
        ensure!(config.scope.is_none(), "samples of another memtrace tell nothing of scope.cgroup");
        Ok(config)
    });
    let (config, idle) = match configured {
        Ok(config) => (Some(config), None),
        Err(error) => (None, Some(format!("{error:#}").into())),
    };
    let observer =
        move |first: &Sample| Some(Reactor::on_paper(policy::fresh(config.as_ref()?, first)));
    (sampling::follow(Box::new(samples), observer, control(arguments)), idle)
}

/// By an own measurement.
fn measuring(
    arguments: &TopArguments,
    configured: Result<Config>,
    root: HostRoot,
    verbosity: Verbosity,
) -> Begun {
    let libvirt = configured.as_ref().map_or(true, |config| config.libvirt);
    let always = configured.as_ref().is_ok_and(|config| config.always_hooked);
    let hooking = Hooking::when(always || arguments.look.samples.always);
    let libvirt = libvirt && !arguments.look.no_libvirt;
    let mut source = live::source(root, verbosity, libvirt, hooking);
    let (reactor, idle) = match configured.and_then(|config| observer(&mut source, &config)) {
        Ok(reactor) => (Some(reactor), None),
        Err(error) => (None, Some(format!("{error:#}").into())),
    };
    (sampling::spawn_with(Box::new(source), reactor, control(arguments)), idle)
}

const fn control(arguments: &TopArguments) -> Control {
    Control { interval: arguments.look.interval, detail: None, stop: false }
}

/// A reactor that decides and changes nothing.
fn observer(source: &mut LiveSource, config: &Config) -> Result<Reactor> {
    Ok(Reactor::on_paper(policy::policy(source, config, &Recovered::default())?))
}

/// The journal directory of `memtrace mitigate` on this host.
fn journal(arguments: &TopArguments, config: Option<&Config>) -> PathBuf {
    let configured = || config.map(|config| config.journal.directory.clone());
    let typed = arguments.look.state_dir.clone();
    typed.or_else(configured).unwrap_or_else(|| DIRECTORY.into())
}

/// The output format; `None` for the live view.
fn form(mode: Mode, arguments: &TopArguments) -> Option<Form> {
    match mode {
        Mode::Live => None,
        Mode::Plain => Some(Form::Plain(plain_options(arguments))),
        Mode::Json => {
            let (sort, filter) = (arguments.sort, arguments.filter());
            Some(Form::Json { sort, filter, keys: arguments.keys.clone() })
        }
    }
}

fn view_options(arguments: &TopArguments) -> TopOptions {
    TopOptions {
        sort: arguments.sort,
        filter: arguments.filter(),
        columns: arguments.columns(),
        color: arguments.print.color.on_stdout(),
    }
}

fn plain_options(arguments: &TopArguments) -> PlainOptions {
    let stdout = io::stdout();
    // Only a terminal limits the width.
    let size = rustix::termios::tcgetwinsize(&stdout).ok().filter(|_| stdout.is_terminal());
    let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
    PlainOptions {
        sort: arguments.sort,
        filter: arguments.filter(),
        columns: arguments.columns(),
        width,
        color: arguments.print.color.on_stdout(),
        zone: TimeZone::system(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::command::{Arguments, Command};

    fn mode(options: &[&str], is_terminal: bool) -> Mode {
        let typed = ["memtrace", "top"].into_iter().chain(options.iter().copied());
        match Arguments::parse_from(typed).command {
            Some(Command::Top(arguments)) => Mode::of(&arguments, is_terminal),
            other => panic!("not top: {other:?}"),
        }
    }

    #[test]
    fn only_a_terminal_without_other_wishes_gets_the_live_view() {
        assert_eq!(mode(&[], true), Mode::Live);
        assert_eq!(mode(&[], false), Mode::Plain);
        for plain in ["--plain", "--once", "--count=3"] {
            assert_eq!(mode(&[plain], true), Mode::Plain, "{plain}");
            assert_eq!(mode(&["--color=always", plain], false), Mode::Plain, "{plain}");
        }
    }

    #[test]
    fn json_wins_over_everything() {
        for options in [&["--json"][..], &["--json", "--once"], &["--json", "--count=3"]] {
            assert_eq!((mode(options, true), mode(options, false)), (Mode::Json, Mode::Json));
        }
    }
}
