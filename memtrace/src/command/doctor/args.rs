//! What can be typed after `memtrace doctor`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::ColorChoice;

pub const AFTER_HELP: &str = "\
The audit says of the host and of each VM what keeps memory from being won back, or ends badly
when it runs out, what that leads to, and the commands that mend it. It changes nothing.

With --fix it does what is safe for VMs that run: it has guests asked for their statistics where
nobody does, and says so. The rest stays with the operator.

Exit status (what the audit of all VMs finds doesn't change it):
  0   usable: every signal can be measured, and every source read
  1   degraded: memtrace works, some signals or sources are missing
  2   unusable: the kernel side cannot run; the report says why
Of one VM (`memtrace doctor VM`), by the worst that its audit finds and --fix didn't mend:
  0   nothing, or notes
  1   a warning, or something that could not be told; also when there is no such VM
  2   critical: under pressure this VM is killed";

#[derive(Args, Clone, Debug)]
pub struct DoctorArguments {
    /// Audit this VM alone, by name, UUID or process id
    pub vm: Option<String>,
    /// Do what is safe for VMs that run, and say what was done
    #[arg(long)]
    pub fix: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Whose bounds of VMs to look for; with a folder beside it, as /etc/memtrace/memtrace.d
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Do not ask libvirt, even where it is there
    #[arg(long)]
    pub no_libvirt: bool,
    /// Use colours; `auto` honours NO_COLOR and asks whether the output is a terminal
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}
