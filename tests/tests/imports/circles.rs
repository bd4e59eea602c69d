//! Circles of a graph: its strongly connected components with more than one node.

use std::collections::{BTreeMap, BTreeSet};

/// What each node needs, and the names by which it needs that.
pub type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The nodes that this one leads to, over any number of steps.
fn reached<'a>(graph: &'a Graph, start: &str) -> BTreeSet<&'a str> {
    let needs = |node: &str| graph.get(node).into_iter().flat_map(BTreeMap::keys);
    let mut open: Vec<&str> = needs(start).map(String::as_str).collect();
    let mut seen = BTreeSet::new();
    while let Some(node) = open.pop() {
        if seen.insert(node) {
            open.extend(needs(node).map(String::as_str));
        }
    }
    seen
}

/// The largest first.
pub fn circles(graph: &Graph) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&str, _> =
        graph.keys().map(|node| (node.as_str(), reached(graph, node))).collect();
    let leads = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
    let mut found = BTreeSet::new();
    for node in graph.keys() {
        let both = graph.keys().filter(|other| leads(node, other) && leads(other, node));
        let circle: BTreeSet<String> = both.cloned().collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    found
}
