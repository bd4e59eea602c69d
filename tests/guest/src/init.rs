//! What PID 1 has to do before anything else: mounts and modules.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::mount::{MountFlags, mount};

/// Where the initramfs keeps the modules, named in the order to load them.
const MODULES: &str = "/modules";
/// A guest whose command line doesn't say how long it may live.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Mounts, loads modules, and returns how long this guest may live.
///
/// # Errors
/// When a mount or a module fails.
pub fn prepare() -> Result<Duration> {
    for (kind, folder) in [("devtmpfs", "/dev"), ("proc", "/proc")] {
        mount(kind, folder, kind, MountFlags::empty(), None)
            .with_context(|| format!("mount {folder}"))?;
    }
    load_modules()?;
    let command_line = fs::read_to_string("/proc/cmdline")?;
    Ok(lifetime(&command_line).unwrap_or(LIFETIME))
}

fn load_modules() -> Result<()> {
    let mut modules: Vec<PathBuf> =
        fs::read_dir(MODULES)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    modules.sort();
    for path in modules {
        let file = File::open(&path)?;
        match rustix::system::finit_module(&file, c"", 0) {
            // Some kernels have it built in.
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("load {}", path.display())),
        }
    }
    Ok(())
}

fn lifetime(command_line: &str) -> Option<Duration> {
    let seconds =
        command_line.split_whitespace().find_map(|word| word.strip_prefix("memtrace.lifetime="))?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lifetime_comes_from_the_command_line() {
        assert_eq!(lifetime("quiet memtrace.lifetime=90 x"), Some(Duration::from_secs(90)));
        assert_eq!(lifetime("memtrace.lifetime=x"), None);
        assert_eq!(lifetime("quiet"), None);
    }
}
