//! Log messages to standard error, by verbosity. The journal of systemd gets their priorities, and
//! knows the time itself.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::Verbosity;
use memtrace_core::text;

impl Verbosity {
    /// Whether to log the eBPF programs' messages.
    pub const fn programs(self) -> bool {
        self.verbose >= 2
    }

    const fn filter(self) -> &'static str {
        match self.verbose {
            // Alerts are logged with their end.
            0 => "warn,memtrace::service::alert=info",
            1 => "info",
            // The loader's per-instruction messages are not useful.
            _ => "debug,aya=info,aya_obj=info",
        }
    }
}

/// Sends `tracing` and `log` messages to standard error. RUST_LOG overrides `-v`. No messages if
/// the live view is `drawn` on the same terminal.
pub fn start(verbosity: Verbosity, drawn: bool) {
    if drawn && std::io::stderr().is_terminal() {
        return;
    }
    let (filter, problem) = filter(verbosity, std::env::var_os(EnvFilter::DEFAULT_ENV));
    let journal = is_journal();
    if let Some(problem) = problem {
        tell(Level::WARN, &problem);
    }
    // Both fail only if done before.
    let _ = tracing_log::LogTracer::init();
    let _ = if journal {
        let subscriber = for_journal(verbosity, filter, std::io::stderr);
        tracing::subscriber::set_global_default(subscriber)
    } else {
        let subscriber = subscriber(verbosity, filter, || Harmless(std::io::stderr()));
        tracing::subscriber::set_global_default(subscriber)
    };
}

/// Writes a message that is no log entry to standard error.
pub fn tell(level: Level, text: &str) {
    let text = if is_journal() { prefixed(&level, text) } else { text.to_owned() };
    // Nothing can be done if this fails.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Whether standard error is a stream of systemd's journal (JOURNAL_STREAM in systemd.exec(5)).
fn is_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").ok();
    rustix::fs::fstat(std::io::stderr())
        .is_ok_and(|stat| is_stream(stream.as_deref(), stat.st_dev, stat.st_ino))
}

fn is_stream(stream: Option<&str>, device: u64, inode: u64) -> bool {
    stream.and_then(|text| text.split_once(':')).is_some_and(|(of_device, of_inode)| {
        of_device.parse() == Ok(device) && of_inode.parse() == Ok(inode)
    })
}

/// With its priority in each line: the journal makes an entry of each (sd-daemon(3)).
fn prefixed(level: &Level, text: &str) -> String {
    let priority = match *level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    };
    text.lines().map(|line| format!("<{priority}>{line}\n")).collect()
}

/// Makes writers that put the priority of a message before it.
struct Prioritized<M>(M);

/// Of one message.
struct Entry<W> {
    level: Level,
    to: W,
}

impl<W: Write, M: Fn() -> W> MakeWriter<'_> for Prioritized<M> {
    type Writer = Harmless<Entry<W>>;

    fn make_writer(&self) -> Self::Writer {
        Harmless(Entry { level: Level::INFO, to: self.0() })
    }

    fn make_writer_for(&self, message: &Metadata<'_>) -> Self::Writer {
        Harmless(Entry { level: *message.level(), to: self.0() })
    }
}

impl<W: Write> Write for Entry<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = prefixed(&self.level, &String::from_utf8_lossy(bytes));
        self.to.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// Writes text without what a terminal would act upon: messages have names and answers from
/// anywhere in them. A message comes in one piece.
struct Harmless<W>(W);

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(text::clean_lines(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// By RUST_LOG, or else by `-v`; and what is wrong with RUST_LOG.
fn filter(verbosity: Verbosity, variable: Option<OsString>) -> (EnvFilter, Option<String>) {
    let typed = variable.map(|text| {
        let text = text.into_string().map_err(|_| "not UTF-8".to_owned())?;
        EnvFilter::try_new(text).map_err(|error| error.to_string())
    });
    match typed {
        Some(Ok(filter)) => (filter, None),
        None => (EnvFilter::new(verbosity.filter()), None),
        Some(Err(why)) => {
            let problem = format!("memtrace: RUST_LOG is ignored: {why}\n");
            (EnvFilter::new(verbosity.filter()), Some(problem))
        }
    }
}

fn subscriber<W>(
    verbosity: Verbosity,
    filter: EnvFilter,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .with_target(verbosity.verbose >= 2)
        .finish()
}

/// Without time and level, which the journal has of each entry.
fn for_journal<W, M>(
    verbosity: Verbosity,
    filter: EnvFilter,
    to: M,
) -> impl Subscriber + Send + Sync
where
    W: Write + 'static,
    M: Fn() -> W + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Prioritized(to))
        .with_ansi(false)
        .with_target(verbosity.verbose >= 2)
        .without_time()
        .with_level(false)
        .finish()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("the lock is not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The log output of `tell` at this verbosity.
    pub(crate) fn written(verbose: u8, tell: impl FnOnce()) -> String {
        let (buffer, verbosity) = (Buffer::default(), Verbosity { verbose });
        let writer = buffer.clone();
        let subscriber = subscriber(verbosity, EnvFilter::new(verbosity.filter()), move || {
            Harmless(writer.clone())
        });
        tracing::subscriber::with_default(subscriber, tell);
        let bytes = buffer.0.lock().expect("the lock is not poisoned").clone();
        String::from_utf8(bytes).expect("it is text")
    }

    #[test]
    fn nothing_that_a_terminal_would_act_upon_is_logged() {
        let tell = || tracing::warn!(text = "b\x1b[2Jc", "a\x1b]0;x\x07\u{9b}2J {:?}", "d\x1b[0m");
        let written = written(0, tell);
        assert!(!written.contains(|c: char| c.is_control() && c != '\n'), "{written:?}");
        assert_eq!(written.lines().count(), 1, "{written:?}");
    }

    #[test]
    fn details_are_logged_at_higher_verbosity() {
        let tell = || {
            tracing::warn!("first");
            tracing::info!("second");
        };
        assert!(written(0, tell).ends_with("WARN first\n"));
        assert!(written(1, tell).ends_with("INFO second\n"));
        assert!(written(2, tell).ends_with("INFO memtrace::sys::logging::tests: second\n"));
    }

    #[test]
    fn the_journal_gets_priorities_in_each_line_and_no_times() {
        let buffer = Buffer::default();
        let (verbosity, writer) = (Verbosity { verbose: 1 }, buffer.clone());
        let filter = EnvFilter::new(verbosity.filter());
        let subscriber = for_journal(verbosity, filter, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("invalid:\na\u{9b}2J");
            tracing::warn!("second");
            tracing::info!("third");
        });
        let bytes = buffer.0.lock().expect("the lock is not poisoned").clone();
        let text = String::from_utf8(bytes).expect("it is text");
        assert_eq!(text, "<3>invalid:\n<3>a\\u{9b}2J\n<4>second\n<6>third\n");
    }

    #[test]
    fn standard_error_is_the_journal_where_the_device_and_inode_are_its() {
        assert!(is_stream(Some("8:42"), 8, 42));
        for other in [None, Some(""), Some("8"), Some("8:43"), Some("9:42"), Some("8:42:1")] {
            assert!(!is_stream(other, 8, 42), "{other:?}");
        }
    }

    #[test]
    fn an_invalid_log_filter_is_reported_and_ignored() {
        let of = |text: &str| filter(Verbosity { verbose: 1 }, Some(text.into()));
        assert_eq!(of("memtrace=debug").1, None);
        let (filter, problem) = of("memtrace=loud");
        assert_eq!(filter.to_string(), "info");
        let problem = problem.expect("it is told");
        assert!(problem.starts_with("memtrace: RUST_LOG is ignored: "), "{problem}");
        assert_eq!(problem.lines().count(), 1, "{problem}");
    }
}
