//! /sys/kernel/mm: merging of equal pages (KSM) and transparent huge pages.

use std::io;

use super::{HostRoot, read};

/// Kernel samepage merging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ksm {
    /// 0 stopped, 1 merging, 2 undoing all.
    pub run: u64,
    /// Pages more that there would be without merging (`pages_sharing`).
    pub saved_pages: u64,
}

/// # Errors
/// `NotFound`: a kernel without it. Else whatever reading gives.
pub fn ksm(root: &HostRoot) -> io::Result<Ksm> {
    let number = |file: &str| read::number(&root.sys.join("kernel/mm/ksm").join(file));
    Ok(Ksm { run: number("run")?, saved_pages: number("pages_sharing")? })
}

/// Whether pages of zeros are merged with the kernel's own (`use_zero_pages`), which counts in no
/// process.
///
/// # Errors
/// `NotFound`: a kernel without it. Else whatever reading gives.
pub fn zero_pages(root: &HostRoot) -> io::Result<bool> {
    read::number(&root.sys.join("kernel/mm/ksm/use_zero_pages")).map(|number| number != 0)
}

/// Transparent huge pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HugePages {
    /// The word that is chosen of those in the file.
    pub enabled: String,
    pub defrag: String,
    /// Empty places of a huge page that khugepaged may fill. `None`: unknown.
    pub max_ptes_none: Option<u64>,
}

/// # Errors
/// `NotFound`: a kernel without them. Else whatever reading gives, or that nothing is chosen.
pub fn huge_pages(root: &HostRoot) -> io::Result<HugePages> {
    let directory = root.sys.join("kernel/mm/transparent_hugepage");
    let word = |file: &str| {
        let text = read::text(&directory.join(file), read::SMALL)?;
        chosen(&text).ok_or_else(|| io::Error::other(format!("{file} has no chosen word")))
    };
    Ok(HugePages {
        enabled: word("enabled")?,
        defrag: word("defrag")?,
        max_ptes_none: read::number(&directory.join("khugepaged/max_ptes_none")).ok(),
    })
}

/// `always [madvise] never`.
pub(crate) fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    let (word, _) = rest.split_once(']')?;
    Some(word.to_owned()).filter(|word| word.len() <= 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::FakeHost;

    #[test]
    fn both_are_read() {
        let host = FakeHost::unified();
        host.file("sys/kernel/mm/ksm/run", "1\n");
        host.file("sys/kernel/mm/ksm/pages_sharing", "256\n");
        host.file("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
        host.file("sys/kernel/mm/transparent_hugepage/defrag", "always defer [defer+madvise]\n");
        assert_eq!(ksm(&host.root()).unwrap(), Ksm { run: 1, saved_pages: 256 });
        let huge = huge_pages(&host.root()).unwrap();
        assert_eq!((huge.enabled.as_str(), huge.defrag.as_str()), ("madvise", "defer+madvise"));
        assert_eq!(huge.max_ptes_none, None);
        assert!(zero_pages(&host.root()).is_err());
        host.file("sys/kernel/mm/ksm/use_zero_pages", "1\n");
        assert!(zero_pages(&host.root()).unwrap());
        host.file("sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none", "511\n");
        assert_eq!(huge_pages(&host.root()).unwrap().max_ptes_none, Some(511));
    }

    #[test]
    fn a_kernel_without_them_differs_from_an_invalid_file() {
        let host = FakeHost::unified();
        let kind = |result: io::Result<()>| result.unwrap_err().kind();
        assert_eq!(kind(ksm(&host.root()).map(drop)), io::ErrorKind::NotFound);
        assert_eq!(kind(huge_pages(&host.root()).map(drop)), io::ErrorKind::NotFound);
        host.file("sys/kernel/mm/ksm/run", "on\n");
        host.file("sys/kernel/mm/transparent_hugepage/enabled", "always\n");
        assert_eq!(kind(ksm(&host.root()).map(drop)), io::ErrorKind::Other);
        assert_eq!(kind(huge_pages(&host.root()).map(drop)), io::ErrorKind::Other);
    }

    proptest::proptest! {
        #[test]
        fn choosing_never_panics(text in "[\\[\\]a-z ]{0,20}") {
            chosen(&text);
        }
    }
}
