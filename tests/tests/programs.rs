//! The sources of the eBPF programs: a counter of a CPU's row is written by one program alone,
//! or by atomic adds. Programs that functions are hooked with run preemptibly, so that another
//! one may run on the CPU in the middle of an addition.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Of these at most one is attached on any kernel.
const EITHER: [&[&str]; 7] = [
    &["rss_stat", "rss_stat_count"],
    &["memcg_reclaim_begin", "memcg_reclaim_begin_memcg"],
    &["oom_victim_task", "oom_victim_pid"],
    &["process_exit", "process_exit_last"],
    &["shared_out_begin_first", "shared_out_begin_second"],
    &["shared_out_end_2", "shared_out_end_3"],
    &["shared_in_5", "shared_in_6"],
];
const PROGRAM: [&str; 3] = ["raw_tracepoint", "fentry", "fexit"];

/// A function of the sources.
#[derive(Default)]
struct Function {
    is_program: bool,
    /// Whatever its body names.
    names: BTreeSet<String>,
    /// Fields that it adds to without an atomic add.
    adds: BTreeSet<String>,
}

fn functions() -> BTreeMap<String, Function> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../memtrace-ebpf/src");
    let mut functions = BTreeMap::new();
    for entry in fs::read_dir(&folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a source");
        let tokens: TokenStream = text.parse().expect("Rust");
        collect(tokens, &mut functions);
    }
    functions
}

fn collect(tokens: TokenStream, functions: &mut BTreeMap<String, Function>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut is_program = false;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                let text = group.stream().to_string();
                is_program |= PROGRAM.contains(&text.as_str());
            }
            TokenTree::Ident(word) if word == "fn" => {
                let name = tokens.get(at + 1).map(ToString::to_string).unwrap_or_default();
                let body = tokens.iter().skip(at).position(is_body);
                let Some(place) = body.map(|place| at + place) else { break };
                let mut function = Function { is_program, ..Function::default() };
                if let TokenTree::Group(group) = &tokens[place] {
                    function.read(group.stream());
                }
                // Bodies name functions without their modules.
                let twin = functions.insert(name.clone(), function);
                assert!(twin.is_none(), "two functions are called {name}");
                is_program = false;
                at = place;
            }
            TokenTree::Group(group) => collect(group.stream(), functions),
            _ => {}
        }
        at += 1;
    }
}

fn is_body(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

impl Function {
    fn read(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (place, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(name) => {
                    self.names.insert(name.to_string());
                    if name == "add" && tokens.get(place + 1).is_some_and(is_mark) {
                        self.adds.extend(tokens.get(place + 2).and_then(field));
                    }
                }
                TokenTree::Group(group) => self.read(group.stream()),
                _ => {}
            }
        }
    }
}

fn is_mark(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(mark) if mark.as_char() == '!')
}

/// The second argument of `add!(row, field, by)`.
fn field(arguments: &TokenTree) -> Option<String> {
    let TokenTree::Group(group) = arguments else { return None };
    let text = group.stream().to_string();
    text.split(',').nth(1).map(|field| field.trim().to_owned())
}

/// The program, and the functions that it comes to, by the names that bodies have in them.
fn reached_from(program: &str, functions: &BTreeMap<String, Function>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![program.to_owned()];
    while let Some(name) = open.pop() {
        if let Some(function) = functions.get(&name)
            && reached.insert(name)
        {
            open.extend(function.names.iter().cloned());
        }
    }
    reached
}

/// A program, or the pair that it is one of.
fn stand_in(program: &str) -> String {
    let pair = EITHER.iter().find(|pair| pair.contains(&program));
    pair.map_or(program, |pair| pair[0]).to_owned()
}

#[test]
fn each_counter_has_one_writer_or_atomic_adds() {
    let functions = functions();
    let programs = functions.iter().filter(|(_, function)| function.is_program);
    let programs: Vec<&String> = programs.map(|(name, _)| name).collect();
    assert!(programs.len() > 30, "{programs:?}");
    let mut writers: BTreeMap<&String, BTreeSet<String>> = BTreeMap::new();
    for program in programs {
        for name in reached_from(program, &functions) {
            for field in &functions[&name].adds {
                writers.entry(field).or_default().insert(stand_in(program));
            }
        }
    }
    assert!(writers.len() > 20, "{writers:?}");
    let several: Vec<_> = writers.iter().filter(|(_, programs)| programs.len() > 1).collect();
    assert!(several.is_empty(), "written by several programs: {several:#?}");
}
