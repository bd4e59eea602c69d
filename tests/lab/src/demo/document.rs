//! What the check reads from a document of `memtrace top --json`. Pure.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// The form that this was written for.
const SCHEMA_VERSION: u32 = 1;

#[derive(Clone, Debug, Deserialize)]
struct Raw {
    schema_version: u32,
    vms: Vec<RawVm>,
    flows: Measured<Vec<RawFlow>>,
}

#[derive(Clone, Debug, Deserialize)]
struct RawVm {
    uuid: Option<String>,
    totals: Measured<Totals>,
}

#[derive(Clone, Debug, Deserialize)]
struct Measured<T> {
    value: Option<T>,
    reason: Option<String>,
}

/// The counters of one VM that the check compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Totals {
    pub swap_in_pages: u64,
    pub swap_out_pages: u64,
    /// `None`: this kernel has no hook for it.
    pub major_faults: Option<u64>,
    pub direct_reclaims: u64,
    pub direct_reclaim_ns: u64,
    pub memcg_reclaims: u64,
    pub memcg_reclaim_ns: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct RawFlow {
    causer: serde_json::Value,
    victim: serde_json::Value,
    total_pages: u64,
}

/// Who takes pages: a VM by its UUID, or `kswapd` or `other`.
pub type Flows = BTreeMap<(String, String), u64>;

/// What one document says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// By UUID.
    pub totals: BTreeMap<String, Totals>,
    pub flows: Flows,
}

impl Document {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is no such document, or one of another version.
    pub fn parse(line: &str) -> Result<Self> {
        let raw: Raw = serde_json::from_str(line).context("no document of memtrace")?;
        ensure!(
            raw.schema_version == SCHEMA_VERSION,
            "a document of version {}, not {SCHEMA_VERSION}",
            raw.schema_version
        );
        let mut totals = BTreeMap::new();
        for vm in raw.vms {
            if let (Some(uuid), Some(counters)) = (vm.uuid, vm.totals.value) {
                totals.insert(uuid, counters);
            }
        }
        let reason = raw.flows.reason.unwrap_or_default();
        let list = raw.flows.value.with_context(|| format!("memtrace has no flows: {reason}"))?;
        let mut flows = Flows::new();
        for flow in list {
            let pages = flows.entry((party(&flow.causer), party(&flow.victim))).or_default();
            *pages = flow.total_pages.saturating_add(*pages);
        }
        Ok(Self { totals, flows })
    }

    /// The counters of the VM with this UUID.
    ///
    /// # Errors
    /// When memtrace doesn't show it, or not its counters.
    pub fn of(&self, uuid: &str) -> Result<Totals> {
        self.totals
            .get(uuid)
            .copied()
            .with_context(|| format!("memtrace has no counters of {uuid}"))
    }
}

fn party(value: &serde_json::Value) -> String {
    let uuid = value.get("vm").and_then(|vm| vm.get("uuid")).and_then(|uuid| uuid.as_str());
    uuid.or_else(|| value.as_str()).map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"schema_version":1,"wall":1,"vms":[
        {"uuid":"a","totals":{"value":{"swap_in_pages":1,"swap_out_pages":5,"major_faults":2,
          "direct_reclaims":0,"direct_reclaim_ns":0,"memcg_reclaims":3,"memcg_reclaim_ns":4,
          "guest_faults":9},"quality":"exact"}},
        {"uuid":null,"totals":{"value":null,"quality":"absent","reason":"no slot"}}],
        "flows":{"value":[{"causer":{"vm":{"uuid":"a"}},"victim":{"vm":{"uuid":"b"}},
          "pages":1.5,"total_pages":7},{"causer":"kswapd","victim":"other","pages":0.0,
          "total_pages":1}],"quality":"exact"}}"#;

    #[test]
    fn counters_and_flows_are_read() {
        let document = Document::parse(LINE).unwrap();
        assert_eq!(document.of("a").unwrap().swap_out_pages, 5);
        assert!(document.of("b").is_err());
        let key = ("a".to_owned(), "b".to_owned());
        assert_eq!(document.flows.get(&key), Some(&7));
        assert_eq!(document.flows.get(&("kswapd".to_owned(), "other".to_owned())), Some(&1));
    }

    #[test]
    fn another_version_and_absent_flows_are_refused() {
        let other = LINE.replace("\"schema_version\":1", "\"schema_version\":2");
        assert!(Document::parse(&other).is_err());
        assert!(Document::parse("{}").is_err());
        let flows = r#"{"schema_version":1,"vms":[],"flows":{"value":null,"reason":"no BTF"}}"#;
        assert!(Document::parse(flows).unwrap_err().to_string().contains("no BTF"));
    }
}
