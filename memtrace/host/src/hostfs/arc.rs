//! /proc/spl/kstat/zfs/arcstats: the ZFS ARC, which is not part of the page cache.

use std::io;

use super::{HostRoot, read};
use memtrace_core::units::Bytes;

/// Memory that ZFS gives back under pressure; 0 without ZFS.
///
/// # Errors
/// When the file is there and can't be read, or isn't of that form.
pub fn read(root: &HostRoot) -> io::Result<Bytes> {
    match read::text(&root.proc.join("spl/kstat/zfs/arcstats"), read::SMALL) {
        Ok(text) => parse(&text).ok_or_else(|| io::Error::other("lacks size, c_min or evictable")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Bytes(0)),
        Err(error) => Err(error),
    }
}

/// As `arc_evictable_memory` in OpenZFS (module/os/linux/zfs/arc_os.c) with its default
/// `zfs_arc_pc_percent=0`: what is clean, if the rest alone is over the minimum; else what
/// is over the minimum.
pub(crate) fn parse(text: &str) -> Option<Bytes> {
    let size = value(text, "size")?;
    let minimum = value(text, "c_min")?;
    let clean = [
        "mru_evictable_data",
        "mru_evictable_metadata",
        "mfu_evictable_data",
        "mfu_evictable_metadata",
    ];
    let clean = clean.into_iter().try_fold(0_u64, |sum, key| sum.checked_add(value(text, key)?))?;
    let dirty = size.saturating_sub(clean);
    Some(Bytes(if dirty >= minimum { clean.min(size) } else { size.saturating_sub(minimum) }))
}

/// The third column: name, type, data.
fn value(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split_ascii_whitespace().next() == Some(key))?;
    line.split_ascii_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arcstats(size: u64, minimum: u64, evictable: u64) -> String {
        format!(
            "13 1 0x01 147 39984 1 2\nname type data\nsize 4 {size}\nc_min 4 {minimum}\n\
             mru_evictable_data 4 {evictable}\nmru_evictable_metadata 4 0\n\
             mfu_evictable_data 4 0\nmfu_evictable_metadata 4 0\n"
        )
    }

    #[test]
    fn arc_over_its_minimum_is_available() {
        assert_eq!(parse(&arcstats(1000, 100, 950)), Some(Bytes(900)));
        assert_eq!(parse(&arcstats(50, 100, 50)), Some(Bytes(0)));
    }

    #[test]
    fn arc_in_use_is_not_available() {
        assert_eq!(parse(&arcstats(1000, 100, 300)), Some(Bytes(300)));
    }

    #[test]
    fn a_file_of_another_form_is_unknown() {
        assert_eq!(parse(""), None);
        assert_eq!(parse(&arcstats(1000, 100, 300).replace("c_min", "c_other")), None);
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in "(size 4 |c_min |.){0,9}", size: u64, other: u64) {
            parse(&text);
            proptest::prop_assert!(parse(&arcstats(size, other, size)).unwrap().0 <= size);
        }
    }
}
