//! What imports hold of the architecture: files of a crate that need each other stay few, and
//! the modules at the top of a crate do not need each other in a circle.
//!
//! A file needs the file that defines what it names, through whatever hands the name on. Tests
//! and fixtures are left out.

mod circles;
mod names;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use circles::{Graph, circles};
use names::needs;
use source::read;

/// The most files that may need each other: more cannot be read one after the other.
const LARGEST: usize = 5;
/// Each crate's name in a path, and the folder of its sources.
const CRATES: [(&str, &str); 7] = [
    ("memtrace_core", "memtrace/core/src"),
    ("memtrace_ebpf", "memtrace-ebpf/src"),
    ("memtrace_host", "memtrace/host/src"),
    ("memtrace_libvirt", "memtrace/libvirt/src"),
    ("memtrace_store", "memtrace/store/src"),
    ("memtrace_view", "memtrace/view/src"),
    ("memtrace", "memtrace/src"),
];

/// What each file of these crates needs of others.
static NEEDS: LazyLock<Graph> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate has a workspace");
    let file = |folder: &str| {
        let library = root.join(folder).join("lib.rs");
        if library.is_file() { library } else { root.join(folder).join("main.rs") }
    };
    let crates: Vec<_> = CRATES.iter().map(|(name, folder)| read(name, &file(folder))).collect();
    needs(&crates)
});

/// A circle as lines: each file, and which of the others it needs by which names.
fn shown(circle: &BTreeSet<String>, graph: &Graph) -> String {
    let mut lines = vec![format!("a circle of {}:", circle.len())];
    for from in circle {
        for (to, names) in graph.get(from).into_iter().flatten() {
            if circle.contains(to) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                lines.push(format!("  {from} needs {to}: {}", names.join(", ")));
            }
        }
    }
    lines.join("\n")
}

/// The graph of what contains the files, as `part` of a file's path tells.
fn merged(graph: &Graph, part: impl Fn(&str) -> String) -> Graph {
    let mut merged = Graph::new();
    for (from, needs) in graph {
        for (to, names) in needs {
            let (from, to) = (part(from), part(to));
            if from != to {
                let known = merged.entry(from).or_default().entry(to).or_default();
                known.extend(names.iter().cloned());
            }
        }
    }
    merged
}

/// The crate and its module at the top: `memtrace_core::model` of `memtrace_core::model/host.rs`.
fn top(file: &str) -> String {
    let end = file.find(['/', '.']).unwrap_or(file.len());
    file.get(..end).unwrap_or(file).to_owned()
}

#[test]
fn no_more_than_five_files_need_each_other() {
    let graph = &*NEEDS;
    assert!(graph.len() > 200, "only {} files need another", graph.len());
    let large = circles(graph).into_iter().filter(|circle| circle.len() > LARGEST);
    let large: Vec<_> = large.map(|circle| shown(&circle, graph)).collect();
    assert!(large.is_empty(), "{}", large.join("\n"));
}

#[test]
fn modules_at_the_top_of_a_crate_need_each_other_one_way() {
    let graph = merged(&NEEDS, top);
    let found: Vec<_> = circles(&graph).iter().map(|circle| shown(circle, &graph)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The needs of a crate `a` with these files.
fn of_files(files: &[(&str, &str)]) -> BTreeMap<String, BTreeSet<String>> {
    let folder = tempfile::tempdir().expect("a folder for the files");
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("made");
        std::fs::write(path, text).expect("the file is written");
    }
    let graph = needs(&[read("a", &folder.path().join("lib.rs"))]);
    graph.into_iter().map(|(from, to)| (from, to.into_keys().collect())).collect()
}

fn need(files: &[(&str, &str)], from: &str) -> Vec<String> {
    of_files(files).remove(from).into_iter().flatten().collect()
}

#[test]
fn a_name_leads_to_the_file_that_defines_it() {
    let files = |user| {
        [
            ("lib.rs", "mod face; mod user; macro_rules! m { () => {} }"),
            ("face/mod.rs", "mod inner; pub mod open; pub use inner::Thing; pub fn own() {}"),
            ("face/inner.rs", "pub struct Thing; pub fn hidden() {}"),
            ("face/open.rs", "pub const LIMIT: u8 = 1; made! { Other }"),
            ("user.rs", user),
        ]
    };
    for (user, file) in [
        ("use crate::face::Thing;", "a::face/inner.rs"),
        ("use super::face::{Thing as Named};", "a::face/inner.rs"),
        ("fn f() { crate::face::Thing::new(); }", "a::face/inner.rs"),
        ("use crate::face; fn f() { println!(\"{}\", face::own()); }", "a::face/mod.rs"),
        ("use crate::face::open; fn f() -> u8 { open::LIMIT }", "a::face/open.rs"),
        ("use crate::face::open::Other;", "a::face/open.rs"),
        ("use a::face::*;", "a::face/mod.rs"),
    ] {
        assert_eq!(need(&files(user), "a::user.rs"), [file], "{user}");
    }
    for none in ["use crate::face;", "#[cfg(test)] mod tests { use crate::face::Thing; }", "//! x"]
    {
        assert_eq!(need(&files(none), "a::user.rs"), [""; 0], "{none}");
    }
    assert_eq!(need(&files(""), "a::face/mod.rs"), [""; 0], "a name handed on");
}

#[test]
fn what_is_handed_on_and_used_is_needed() {
    let files = [
        ("lib.rs", "mod a; pub use a::A; fn f() -> Option<A> { None }"),
        ("a.rs", "pub struct A;"),
    ];
    assert_eq!(need(&files, "a::lib.rs"), ["a::a.rs"]);
}

#[test]
fn files_that_need_each_other_are_found() {
    let one = |to: &str| BTreeMap::from([(to.to_owned(), BTreeSet::from(["X".to_owned()]))]);
    let names = ["a", "b", "c", "d"];
    let ring: Graph = names
        .iter()
        .zip(names.iter().cycle().skip(1))
        .map(|(a, b)| ((*a).into(), one(b)))
        .collect();
    assert_eq!(circles(&ring), [names.iter().map(|name| (*name).to_owned()).collect()]);
    let line: Graph = names.windows(2).map(|pair| (pair[0].to_owned(), one(pair[1]))).collect();
    assert_eq!(circles(&line), []);
    assert_eq!(top("a::model/host.rs"), "a::model");
    assert_eq!(top("a::units.rs"), "a::units");
}
