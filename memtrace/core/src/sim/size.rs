//! Amounts of memory as scenarios write them: `"512 MiB"`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::Bytes;

/// Bytes of a base page in the simulation.
pub(super) const PAGE: Bytes = Bytes(4096);
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

/// Base pages in a MiB.
pub(super) const MIB_PAGES: u64 = MIB / PAGE.0;

/// An amount that was written with its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub Bytes);

impl Size {
    /// In base pages, rounded down.
    pub(super) const fn pages(self) -> u64 {
        self.0.0 / PAGE.0
    }

    pub(super) const fn mib(mib: u64) -> Self {
        Self(Bytes(mib * MIB))
    }

    pub(super) const fn kib(kib: u64) -> Self {
        Self(Bytes(kib * 1024))
    }

    /// Rounded down.
    pub(super) const fn in_mib(self) -> u64 {
        self.0.0 / MIB
    }

    pub(super) const fn is_zero(&self) -> bool {
        self.0.0 == 0
    }
}

/// Base pages in bytes.
pub(super) const fn bytes(pages: u64) -> Bytes {
    Bytes(pages * PAGE.0)
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0.0;
        if bytes.is_multiple_of(MIB) {
            serializer.collect_str(&format_args!("{} MiB", bytes / MIB))
        } else {
            serializer.collect_str(&format_args!("{} KiB", bytes / 1024))
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is not a size of at most 1 PiB, such as \"512 MiB\" (kB, KiB, MiB, GiB, TiB, K, M, G, T)"
            ))
        })
    }
}

/// At most 1 PiB, so that sums don't overflow. /proc writes kB for KiB.
fn parse(text: &str) -> Option<Size> {
    let bytes = text.trim().replace("kB", "KiB").parse::<Bytes>().ok()?;
    (bytes.0 <= 1 << 50).then_some(Size(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_a_unit() {
        for (text, expected) in [
            ("512 MiB", Some(512 * MIB)),
            ("1.5 GiB", Some(3 * GIB / 2)),
            ("3396252 kB", Some(3_396_252 * 1024)),
            ("512", None),
            ("512 MB", Some(512 * MIB)),
            ("512 MX", None),
            ("-1 MiB", None),
            ("nan GiB", None),
            ("9999999 GiB", None),
        ] {
            assert_eq!(parse(text), expected.map(|bytes| Size(Bytes(bytes))), "{text}");
        }
    }
}
