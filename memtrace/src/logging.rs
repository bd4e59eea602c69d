//! Messages to standard error, by how much was asked for.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::Verbosity;

impl Verbosity {
    /// Whether the eBPF programs' own messages are wanted.
    pub const fn programs(self) -> bool {
        self.verbose >= 2
    }

    const fn filter(self) -> &'static str {
        match self.verbose {
            0 => "warn",
            1 => "info",
            // What the loader does to each instruction is no detail of memtrace.
            _ => "debug,aya=info,aya_obj=info",
        }
    }
}

/// Sends `tracing` and `log` messages to standard error. RUST_LOG, when set, is more
/// precise than `-v`. Where something is `drawn` on the terminal that they would go to,
/// there are none.
pub fn start(verbosity: Verbosity, drawn: bool) {
    if drawn && std::io::stderr().is_terminal() {
        return;
    }
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(verbosity.filter()));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .finish();
    // Both fail only when it was done before, which is fine.
    let _ = tracing_log::LogTracer::init();
    let _ = tracing::subscriber::set_global_default(subscriber);
}
