//! The parsers that no other crate calls, for the fuzz targets in `tests/fuzz`. Not in the product.

use std::path::Path;

use crate::hostfs::cgroup::membership::Membership;
use crate::hostfs::{CgroupMounts, arc, cgroup, merging, read};
use crate::hostfs::{filesystem, list, meminfo, numa, process, psi, swaps, vmstat};
use crate::vmm::libvirt::{devices, metadata};
use crate::vmm::naming;

pub use crate::probe::btf::Btf;
pub use crate::vmm::judge::Description;
pub use crate::vmm::qmp::fake::{inspect, poll};

/// Each parser of a file below /proc, /sys or a cgroup, with the same text.
pub fn host_files(text: &str) {
    process::ProcessStat::parse(text);
    process::status::parse(text);
    let files = process::maps::parse(text);
    assert!(files.len() <= process::maps::MAX_FILES, "{} files", files.len());
    meminfo::parse(text);
    vmstat::parse(text);
    psi::parse(text);
    swaps::parse(text);
    arc::parse(text);
    merging::chosen(text);
    list::numbers(text);
    numa::parse(0, text);
    filesystem::parse(text, Path::new("/var/swap"));
    Membership::parse(text);
    CgroupMounts::parse(text);
    cgroup::stat::parse(text);
    cgroup::sample::events(text);
    cgroup::scope::Stat::parse(text, cgroup::Version::V1);
    cgroup::scope::Stat::parse(text, cgroup::Version::V2);
    // Refused texts have a message.
    let _ = cgroup::limits::parse(text, cgroup::Version::V1);
    let _ = cgroup::limits::parse(text, cgroup::Version::V2);
    assert!(read::unescape(text).len() <= text.len(), "unescaping {text:?} made it longer");
}

/// Texts for the operator from a domain's XML or from its metadata.
pub fn domain(xml: &str) -> Vec<String> {
    let mut texts = metadata::Metadata::parse(xml).problems;
    texts.extend(devices::Devices::parse(xml).err());
    texts.extend(naming::metadata::of_domain(xml).iter().flat_map(label_texts));
    texts
}

/// Texts for the operator from each naming adapter that recognises the VM. `file`: what its file
/// says.
pub fn labels(description: &Description, cgroups: &str, file: &str) -> Vec<String> {
    let subject = naming::Subject { description, cgroups, of_root: true };
    let mut texts = Vec::new();
    for adapter in naming::ADAPTERS {
        let Some(named) = adapter.recognise(&subject) else { continue };
        texts.extend(adapter.file(&named));
        texts.extend(label_texts(&adapter.complete(named, file)));
    }
    texts
}

fn label_texts(named: &naming::Named) -> Vec<String> {
    let labels = &named.labels;
    let names = [&labels.id, &labels.name, &labels.project];
    let more = labels.more.iter().flat_map(|(key, value)| [key, value]);
    names.into_iter().flatten().chain(more).cloned().collect()
}
