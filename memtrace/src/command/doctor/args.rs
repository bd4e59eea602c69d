//! Arguments of `memtrace doctor`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::ColorChoice;

pub const AFTER_HELP: &str = "\
The audit lists, for the host and each VM, settings that prevent memory from being reclaimed or
that are dangerous when it runs out, their consequence, and the commands to fix them. It changes
nothing.

With --fix it applies what is safe for running VMs: it enables balloon statistics polling where it
is off, and reports it. Everything else is left to the operator.

Exit status (independent of the audit's findings):
  0   usable: all signals can be measured, all sources are readable
  1   degraded: memtrace works, some signals or sources are missing
  2   unusable: the eBPF programs cannot run; the report says why
For one VM (`memtrace doctor VM`), by the most severe finding that --fix did not fix:
  0   none, or notes only
  1   warning, or not determinable
  2   critical: under pressure this VM is killed
  4   there is no such VM, or several are called so";

#[derive(Args, Clone, Debug)]
pub struct DoctorArguments {
    /// Audit only this VM, by name, UUID, process id, or as its platform calls it (100, shop/web)
    pub vm: Option<String>,
    /// Apply fixes that are safe for running VMs, and report them
    #[arg(long)]
    pub fix: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Configuration, and its .d/*.toml, whose VM bounds are audited [default:
    /// /etc/memtrace/memtrace.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Do not connect to libvirt
    #[arg(long)]
    pub no_libvirt: bool,
    /// When to use colours; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}
