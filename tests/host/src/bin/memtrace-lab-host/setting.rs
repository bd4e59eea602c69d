//! What of the kernel's own settings a scenario changes, put back when it is over.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use memtrace_lab_host::scenario::{Memory, Scenario};

use crate::counters;

const HUGE_PAGES: &str = "/proc/sys/vm/nr_hugepages";
const HUGE_PAGE_MIB: u64 = 2;
const GENERATIONS: &str = "/sys/kernel/mm/lru_gen/enabled";
const TRANSPARENT: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
/// Each may bring more together.
const ATTEMPTS: usize = 4;

/// A file of the kernel with another value, which is undone when this is dropped.
pub struct Setting {
    path: PathBuf,
    before: String,
}

impl Setting {
    /// Writes `value`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new(path: &str, value: &str) -> Result<Self> {
        let read = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
        let before = chosen(&read).to_owned();
        fs::write(path, value).with_context(|| format!("write {value} to {path}"))?;
        Ok(Self { path: PathBuf::from(path), before })
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        if let Err(error) = fs::write(&self.path, &self.before) {
            eprintln!("host: {} back to {}: {error}", self.path.display(), self.before);
        }
    }
}

/// The value in use, of a file that may offer several: `always [madvise] never`.
fn chosen(text: &str) -> &str {
    let inner = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    inner.map_or(text, |(inner, _)| inner).trim()
}

/// Why this kernel can't be set so, if it can't.
pub fn obstacle(scenario: &Scenario) -> Option<&'static str> {
    (scenario.classic_lru && !Path::new(GENERATIONS).exists())
        .then_some("this kernel has no multi-generational LRU, and so the classic one anyway")
}

/// What the scenario wants.
///
/// # Errors
/// When the kernel refuses.
pub fn make(scenario: &Scenario) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    if !scenario.huge_pages {
        settings.push(no_huge_pages()?);
    }
    if scenario.classic_lru {
        settings.push(Setting::new(GENERATIONS, "0")?);
    }
    let wanted = scenario.guests.iter().filter(|guest| guest.memory == Memory::Huge);
    let pages: u64 = wanted.map(|guest| u64::from(guest.mib) / HUGE_PAGE_MIB).sum();
    if pages > 0 {
        settings.push(Setting::new(HUGE_PAGES, &pages.to_string())?);
    }
    if let Some(mib) = scenario.host_mib {
        settings.push(tight(u64::from(mib))?);
    }
    Ok(settings)
}

/// Takes memory away as unused huge pages, until about `mib` MiB are available.
fn tight(mib: u64) -> Result<Setting> {
    let setting = Setting::new(HUGE_PAGES, "0")?;
    let mut reserved = 0;
    for _ in 0..ATTEMPTS {
        let wanted = reserved + available_mib()?.saturating_sub(mib) / HUGE_PAGE_MIB;
        fs::write(HUGE_PAGES, wanted.to_string()).context("reserve huge pages")?;
        reserved = fs::read_to_string(HUGE_PAGES)?.trim().parse()?;
    }
    let available = available_mib()?;
    ensure!(available <= mib * 3 / 2, "{available} MiB are available still");
    Ok(setting)
}

fn available_mib() -> Result<u64> {
    let meminfo = counters::pairs(&fs::read_to_string("/proc/meminfo")?);
    Ok(meminfo.get("MemAvailable").context("no MemAvailable")? / 1024)
}

/// Without this khugepaged would go on bringing back what was swapped.
///
/// # Errors
/// When the kernel refuses.
pub fn no_huge_pages() -> Result<Setting> {
    Setting::new(TRANSPARENT, "never")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_in_use_is_the_one_in_brackets_or_all() {
        assert_eq!(chosen("always [madvise] never\n"), "madvise");
        assert_eq!(chosen("0x0007\n"), "0x0007");
    }
}
