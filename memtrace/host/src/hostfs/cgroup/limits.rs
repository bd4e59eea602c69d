//! The limit that holds for a cgroup: the tightest of its own and its ancestors'.

use std::io;
use std::path::Path;

use super::{MemoryCgroup, Version, upwards};
use crate::hostfs::{Keeper, read};
use memtrace_core::units::{Bytes, Limit};

/// Version 1 writes "no limit" as the largest multiple of the page size in an `i64`
/// (`PAGE_COUNTER_MAX`): 2^63 - 4096 with pages of 4 KiB, less with larger ones.
const V1_UNLIMITED: u64 = 1 << 62;

/// The tightest limit in files of this name from the cgroup up to the top.
///
/// # Errors
/// When a file of the cgroup or an ancestor exists and can't be read: the limit is not
/// known then.
pub fn tightest(keeper: &Keeper, cgroup: &MemoryCgroup, file: &str) -> io::Result<Limit> {
    let mut tightest = Limit::Unlimited;
    for directory in upwards(&cgroup.directory, &cgroup.top) {
        tightest = tightest.min(at(keeper, &directory.join(file), cgroup.version)?);
    }
    Ok(tightest)
}

/// The limit in a file; the root cgroup has none.
///
/// # Errors
/// When the file exists and can't be read.
pub(super) fn at(keeper: &Keeper, file: &Path, version: Version) -> io::Result<Limit> {
    match keeper.read(file, read::SMALL, |text| parse(text, version)) {
        Ok(limit) => limit.map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Limit::Unlimited),
        Err(error) => Err(error),
    }
}

pub(crate) fn parse(text: &str, version: Version) -> Result<Limit, String> {
    match (version, text.trim()) {
        (Version::V2, "max") => Ok(Limit::Unlimited),
        (_, text) => {
            let bytes: u64 = text.parse().map_err(|error| format!("{text:?}: {error}"))?;
            Ok(from_number(bytes, version))
        }
    }
}

/// In version 1 a large number stands for no limit.
pub(crate) fn from_number(bytes: u64, version: Version) -> Limit {
    match version {
        Version::V1 if bytes >= V1_UNLIMITED => Limit::Unlimited,
        _ => Limit::At(Bytes(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_own_word_for_no_limit() {
        assert_eq!(parse("max\n", Version::V2), Ok(Limit::Unlimited));
        assert_eq!(parse("9223372036854771712\n", Version::V1), Ok(Limit::Unlimited));
        assert_eq!(
            parse("9223372036854710272\n", Version::V1),
            Ok(Limit::Unlimited),
            "64 KiB pages"
        );
        assert_eq!(parse("104857600\n", Version::V1), Ok(Limit::At(Bytes(104_857_600))));
        assert_eq!(parse("0\n", Version::V2), Ok(Limit::At(Bytes(0))));
        assert!(parse("garbage", Version::V2).is_err());
        assert!(parse("max", Version::V1).is_err());
    }
}
