//! What the guest's kernel tells of memory.

use std::fs;

/// MemAvailable, in MiB.
pub fn available_mib() -> Option<u64> {
    field(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:").map(|kib| kib / 1024)
}

/// What a guest that was given so many MiB hasn't free before any program has taken some: its
/// kernel's part, also that which it took before it began to count. In MiB.
pub fn kernel_mib(given: Option<u64>) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let mib = |name| field(&text, name).map(|kib| kib / 1024);
    let given = given.or_else(|| mib("MemTotal:"))?;
    Some(given.saturating_sub(mib("MemFree:")?).saturating_sub(mib("Cached:")?))
}

/// What there is, in words and MiB.
pub fn told() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let names = ["MemTotal:", "MemFree:", "MemAvailable:", "Cached:", "Slab:"];
    let words = names.map(|name| match field(&text, name) {
        Some(kib) => format!("{name}{}", kib / 1024),
        None => format!("{name}-"),
    });
    words.join(" ")
}

/// A counter of /proc/vmstat.
pub fn counter(name: &str) -> Option<u64> {
    field(&fs::read_to_string("/proc/vmstat").ok()?, name)
}

/// Microseconds in which some program waited for memory, where the kernel tells.
pub fn waited_us() -> Option<u64> {
    total(&fs::read_to_string("/proc/pressure/memory").ok()?)
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    })
}

fn total(pressure: &str) -> Option<u64> {
    let line = pressure.lines().find_map(|line| line.strip_prefix("some "))?;
    line.rsplit_once("total=")?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_names() {
        let text = "MemTotal: 100 kB\nMemAvailable:   80 kB\noom_kill 3\n";
        assert_eq!(field(text, "MemAvailable:"), Some(80));
        assert_eq!((field(text, "oom_kill"), field(text, "oom")), (Some(3), None));
        let pressure = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500\nfull total=7\n";
        assert_eq!((total(pressure), total("full total=7")), (Some(1500), None));
    }
}
