//! A kernel's modules: which have to be loaded, and in what order.
//!
//! A Debian package has no modules.dep (depmod makes it at installation), so the order is
//! told from what each module says that it depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::local::initramfs::unpack;

/// A module, unpacked.
pub struct Module {
    pub name: String,
    pub content: Vec<u8>,
}

/// The wanted modules with all that they depend on, in the order to load them. A name
/// that is no module of this kernel is left out: it is built in, or not had.
///
/// # Errors
/// When a module can't be read or unpacked, or they depend on each other in a circle.
pub fn in_order(folder: &Path, wanted: &[&str]) -> Result<Vec<Module>> {
    let files = find(folder)?;
    let mut contents = BTreeMap::new();
    let order = order(wanted, |name| {
        let Some(path) = files.get(name) else { return Ok(None) };
        let content = unpack(path)?;
        let needs = depends(&content);
        contents.insert(name.to_owned(), content);
        Ok(Some(needs))
    })?;
    let module = |name: String| contents.remove(&name).map(|content| Module { name, content });
    Ok(order.into_iter().filter_map(module).collect())
}

/// Depth first: whatever a module needs comes before it. `needs` tells what one depends
/// on; `None` where there is no such module.
fn order(
    wanted: &[&str],
    mut needs: impl FnMut(&str) -> Result<Option<Vec<String>>>,
) -> Result<Vec<String>> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<(String, Vec<String>)> =
        vec![(String::new(), wanted.iter().rev().map(|name| canonical(name)).collect())];
    while let Some((name, rest)) = open.last_mut() {
        let Some(next) = rest.pop() else {
            order.push(std::mem::take(name));
            open.pop();
            continue;
        };
        ensure!(open.iter().all(|(name, _)| *name != next), "modules depend on {next} in a circle");
        if seen.insert(next.clone())
            && let Some(mut needs) = needs(&next)?
        {
            needs.reverse();
            open.push((next, needs));
        }
    }
    // The root, which only held the wish list.
    order.pop();
    Ok(order)
}

/// Modules by their canonical name.
fn find(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.join("kernel")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if let Some((name, _)) = entry.file_name().to_string_lossy().split_once(".ko") {
                found.insert(canonical(name), path);
            }
        }
    }
    Ok(found)
}

/// `-` and `_` are the same in a module's name.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// What a module depends on, from its section `.modinfo`: `key=value` strings, each with
/// a NUL behind it.
fn depends(module: &[u8]) -> Vec<String> {
    let names = module.split(|byte| *byte == 0).find_map(|text| text.strip_prefix(b"depends="));
    let names = names.map(String::from_utf8_lossy).unwrap_or_default();
    names.split(',').filter(|name| !name.is_empty()).map(canonical).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order_of(wanted: &[&str], tree: &[(&str, &[&str])]) -> Result<Vec<String>> {
        order(wanted, |name| {
            let found = tree.iter().find(|(module, _)| *module == name);
            Ok(found.map(|(_, needs)| needs.iter().map(|need| (*need).to_owned()).collect()))
        })
    }

    #[test]
    fn dependencies_of_a_module_come_before_it_and_once() {
        let tree: &[(&str, &[&str])] = &[
            ("kvm", &["irqbypass"]),
            ("kvm_amd", &["ccp", "kvm"]),
            ("ccp", &[]),
            ("irqbypass", &[]),
        ];
        assert_eq!(
            order_of(&["kvm", "kvm-amd", "irqbypass"], tree).unwrap(),
            ["irqbypass", "kvm", "ccp", "kvm_amd"]
        );
    }

    #[test]
    fn built_in_modules_are_left_out() {
        assert_eq!(order_of(&["virtio_pci", "a"], &[("a", &["virtio"])]).unwrap(), ["a"]);
    }

    #[test]
    fn a_circle_is_refused() {
        assert!(order_of(&["a"], &[("a", &["b"]), ("b", &["a"])]).is_err());
    }

    #[test]
    fn dependencies_are_read_from_the_modinfo_strings() {
        let module = b"\x7fELF\0license=GPL\0depends=irqbypass,some-other\0name=kvm\0";
        assert_eq!(depends(module), ["irqbypass", "some_other"]);
        assert!(depends(b"\x7fELF\0depends=\0name=irqbypass\0").is_empty());
        assert!(depends(b"").is_empty());
    }

    #[test]
    fn modules_are_found_at_any_depth_and_by_either_spelling() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("kernel/arch/x86/kvm");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("kvm-amd.ko"), b"\0depends=kvm\0").unwrap();
        fs::write(deep.join("kvm.ko"), b"\0depends=\0").unwrap();
        let names: Vec<String> = in_order(folder.path(), &["kvm_amd"])
            .unwrap()
            .into_iter()
            .map(|module| module.name)
            .collect();
        assert_eq!(names, ["kvm", "kvm_amd"]);
    }
}
