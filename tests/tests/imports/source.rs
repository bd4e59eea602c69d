//! A crate's modules as its files declare them: what each defines, imports and names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item, ItemMod, UseTree, Visibility};

/// A crate. Its modules refer to each other by their place in `modules`; the first is the root.
pub struct Crate {
    pub name: String,
    pub modules: Vec<Module>,
}

#[derive(Default)]
pub struct Module {
    /// The crate's name and the path below its root: `memtrace_core::model/host.rs`.
    pub file: String,
    pub parent: Option<usize>,
    pub children: BTreeMap<String, usize>,
    pub items: BTreeSet<String>,
    pub imports: Vec<Import>,
    /// Paths in its code, of one name or more.
    pub paths: BTreeSet<Vec<String>>,
}

/// A name that `use` brings in; `*` brings in all.
pub struct Import {
    pub name: String,
    pub path: Vec<String>,
    pub handed_on: bool,
}

/// Reads the crate with this file as its root.
pub fn read(name: &str, root: &Path) -> Crate {
    let folder = root.parent().expect("the root lies in a folder");
    let mut reader = Reader { name, folder, modules: Vec::new() };
    reader.file(root, folder, None);
    Crate { name: name.to_owned(), modules: reader.modules }
}

struct Reader<'a> {
    name: &'a str,
    folder: &'a Path,
    modules: Vec<Module>,
}

impl Reader<'_> {
    /// Reads a module's file, whose own modules lie in `below`. Its place.
    fn file(&mut self, path: &Path, below: &Path, parent: Option<usize>) -> usize {
        let text = fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let parsed = syn::parse_file(&text)
            .unwrap_or_else(|error| panic!("cannot parse {}: {error}", path.display()));
        let local = path.strip_prefix(self.folder).expect("it lies in the crate's folder");
        let file = format!("{}::{}", self.name, local.display());
        self.module(file, parsed.items, below, parent)
    }

    fn module(
        &mut self,
        file: String,
        items: Vec<Item>,
        below: &Path,
        parent: Option<usize>,
    ) -> usize {
        let place = self.modules.len();
        self.modules.push(Module { file: file.clone(), parent, ..Module::default() });
        for item in items {
            match item {
                item if of_tests(attributes(&item)) => {}
                Item::Mod(child) => {
                    let name = child.ident.to_string();
                    let child = self.child(&file, child, below, place);
                    self.modules[place].children.insert(name, child);
                }
                Item::Use(used) => {
                    let handed_on = !matches!(used.vis, Visibility::Inherited);
                    imports(&used.tree, &[], handed_on, &mut self.modules[place].imports);
                }
                item => {
                    let module = &mut self.modules[place];
                    module.items.extend(name(&item));
                    paths(item.into_token_stream(), &mut module.paths);
                }
            }
        }
        place
    }

    fn child(&mut self, file: &str, child: ItemMod, below: &Path, parent: usize) -> usize {
        let name = child.ident.to_string();
        let folder = below.join(&name);
        if let Some((_, items)) = child.content {
            return self.module(file.to_owned(), items, &folder, Some(parent));
        }
        let flat = below.join(format!("{name}.rs"));
        let path: PathBuf = if flat.exists() { flat } else { folder.join("mod.rs") };
        self.file(&path, &folder, Some(parent))
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether tests alone have it.
fn of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let mut names = BTreeSet::new();
        paths(attribute.meta.to_token_stream(), &mut names);
        let has = |name: &str| names.iter().any(|path| path.iter().any(|part| part == name));
        has("test") && !has("not")
    })
}

/// The name that an item defines, if it has one.
fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn imports(tree: &UseTree, before: &[String], handed_on: bool, found: &mut Vec<Import>) {
    let with = |name: &dyn ToString| [before, &[name.to_string()]].concat();
    let mut add = |name: String, path| found.push(Import { name, path, handed_on });
    match tree {
        UseTree::Path(path) => imports(&path.tree, &with(&path.ident), handed_on, found),
        UseTree::Group(group) => {
            for tree in &group.items {
                imports(tree, before, handed_on, found);
            }
        }
        UseTree::Glob(_) => add("*".to_owned(), with(&"*")),
        UseTree::Rename(renamed) => add(renamed.rename.to_string(), with(&renamed.ident)),
        UseTree::Name(name) if name.ident == "self" => {
            add(before.last().cloned().unwrap_or_default(), before.to_vec());
        }
        UseTree::Name(name) => add(name.ident.to_string(), with(&name.ident)),
    }
}

/// The paths in code, in macros too: names with `::` between them.
fn paths(code: TokenStream, found: &mut BTreeSet<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    for token in code {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    found.insert(std::mem::take(&mut path));
                }
                path.push(ident.to_string());
                colons = 0;
            }
            token => {
                found.insert(std::mem::take(&mut path));
                colons = 0;
                if let TokenTree::Group(group) = token {
                    paths(group.stream(), found);
                }
            }
        }
    }
    found.insert(path);
    found.remove(&Vec::new());
}
