//! Which file defines a name, and so which files a file needs.

use crate::circles::Graph;
use crate::source::{Crate, Module};

/// How many imports a name may be handed on through.
const DEEPEST: usize = 16;

/// Where a path leads.
#[derive(Clone, Copy)]
enum Place<'a> {
    Module(&'a Crate, usize),
    /// An item that this file defines.
    Item(&'a str),
}

/// What each file needs of others.
pub fn needs(crates: &[Crate]) -> Graph {
    let mut graph = Graph::new();
    let all = crates.iter().flat_map(|of| (0..of.modules.len()).map(move |at| (of, at)));
    for (of, at) in all {
        let module = &of.modules[at];
        for path in named(module) {
            let Some(file) = defined(crates, of, at, path).filter(|file| *file != module.file)
            else {
                continue;
            };
            let needs = graph.entry(module.file.clone()).or_default();
            needs.entry(file.to_owned()).or_default().insert(path.join("::"));
        }
    }
    graph
}

/// The paths that a module needs: what it imports for itself, and what its code names.
fn named(module: &Module) -> impl Iterator<Item = &[String]> {
    let used = |name: &str| module.paths.iter().any(|path| path.first().is_some_and(|p| p == name));
    let imports =
        module.imports.iter().filter(move |import| !import.handed_on || used(&import.name));
    imports
        .map(|import| import.path.as_slice())
        .chain(module.paths.iter().filter(|path| path.len() > 1).map(Vec::as_slice))
}

/// The file that defines what a path in this module names. `None`: a module as such, or another's.
fn defined<'a>(crates: &'a [Crate], of: &'a Crate, at: usize, path: &[String]) -> Option<&'a str> {
    match resolve(crates, of, at, path, 0)? {
        Place::Item(file) => Some(file),
        Place::Module(of, at) if path.last().is_some_and(|name| name == "*") => {
            Some(&of.modules[at].file)
        }
        Place::Module(..) => None,
    }
}

fn resolve<'a>(
    crates: &'a [Crate],
    of: &'a Crate,
    at: usize,
    path: &[String],
    depth: usize,
) -> Option<Place<'a>> {
    let (first, rest) = path.split_first()?;
    let here = Place::Module(of, at);
    let mut place = match first.as_str() {
        "crate" => Place::Module(of, 0),
        "self" => here,
        "super" => Place::Module(of, of.modules[at].parent?),
        name => look_up(crates, of, at, name, depth).or_else(|| root(crates, name))?,
    };
    for name in rest {
        let Place::Module(of, at) = place else { return Some(place) };
        place = match name.as_str() {
            "super" => Place::Module(of, of.modules[at].parent?),
            "*" => place,
            // What a macro makes is defined where the macro is called.
            name => {
                look_up(crates, of, at, name, depth).unwrap_or(Place::Item(&of.modules[at].file))
            }
        };
    }
    Some(place)
}

fn root<'a>(crates: &'a [Crate], name: &str) -> Option<Place<'a>> {
    crates.iter().find(|of| of.name == name).map(|of| Place::Module(of, 0))
}

/// What a name means in a module.
fn look_up<'a>(
    crates: &'a [Crate],
    of: &'a Crate,
    at: usize,
    name: &str,
    depth: usize,
) -> Option<Place<'a>> {
    let module = &of.modules[at];
    if let Some(child) = module.children.get(name) {
        return Some(Place::Module(of, *child));
    }
    if module.items.contains(name) {
        return Some(Place::Item(&module.file));
    }
    let import = module.imports.iter().find(|import| import.name == name)?;
    (depth < DEEPEST).then(|| resolve(crates, of, at, &import.path, depth + 1))?
}
