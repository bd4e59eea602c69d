//! A tiny BTF writer, and what the reader makes of its output.

use super::*;
use proptest::prelude::*;

/// Writes BTF type by type; ids count from 1.
#[derive(Clone, Default)]
struct Writer {
    types: Vec<u8>,
    strings: Vec<u8>,
    next: u32,
}

impl Writer {
    fn new() -> Self {
        Self { strings: vec![0], next: 1, ..Self::default() }
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(text.bytes().chain([0]));
        at
    }

    fn push(
        &mut self,
        name: &str,
        kind: u32,
        flag: bool,
        vlen: u32,
        size: u32,
        body: &[u32],
    ) -> u32 {
        let name = self.string(name);
        let info = u32::from(flag) << 31 | kind << 24 | vlen;
        for word in [name, info, size].iter().chain(body) {
            self.types.extend(word.to_ne_bytes());
        }
        self.next += 1;
        self.next - 1
    }

    /// Members are (name, type, bit offset).
    fn structure(&mut self, kind: u32, name: &str, members: &[(&str, u32, u32)]) -> u32 {
        let mut body = Vec::new();
        for (name, of, offset) in members {
            body.extend([self.string(name), *of, *offset]);
        }
        self.push(name, kind, false, members.len() as u32, 0, &body)
    }

    fn signature(&mut self, arguments: &[u32]) -> u32 {
        let body: Vec<u32> = arguments.iter().flat_map(|argument| [0, *argument]).collect();
        self.push("", FUNC_PROTO, false, arguments.len() as u32, 0, &body)
    }

    fn function(&mut self, name: &str, arguments: &[u32]) {
        let signature = self.signature(arguments);
        self.push(name, FUNC, false, 0, signature, &[]);
    }

    fn tracepoint(&mut self, name: &str, arguments: &[u32]) {
        let with_data: Vec<u32> = [0].iter().chain(arguments).copied().collect();
        let signature = self.signature(&with_data);
        let pointer = self.push("", PTR, false, 0, signature, &[]);
        self.push(&format!("btf_trace_{name}"), TYPEDEF, false, 0, pointer, &[]);
    }

    fn finish(self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(MAGIC.to_ne_bytes());
        out.extend([1, 0]);
        for word in [24, 0, self.types.len(), self.types.len(), self.strings.len()] {
            out.extend((word as u32).to_ne_bytes());
        }
        out.extend(self.types);
        out.extend(self.strings);
        out
    }
}

fn sample() -> Vec<u8> {
    let mut w = Writer::new();
    let int = w.push("int", INT, false, 0, 4, &[32]);
    let mm = w.structure(STRUCT, "mm_struct", &[]);
    let mm_pointer = w.push("", PTR, false, 0, mm, &[]);
    let anonymous = w.structure(UNION, "", &[("inner", int, 32), ("other", int, 0)]);
    let css =
        w.structure(STRUCT, "cgroup_subsys_state", &[("ss", int, 0), ("cgroup", mm_pointer, 64)]);
    let css_typedef = w.push("css_t", TYPEDEF, false, 0, css, &[]);
    w.structure(
        STRUCT,
        "task_struct",
        &[("flags", int, 96), ("", anonymous, 128), ("css", css_typedef, 512)],
    );
    let bits = [w.string("narrow"), int, 3 << 24 | 8, w.string("wide"), int, 64];
    w.push("packed", STRUCT, true, 2, 16, &bits);
    let items = [w.string("FIRST"), 0, w.string("PGMAJFAULT"), 7];
    w.push("vm_event_item", ENUM, false, 2, 4, &items);
    let big = [w.string("LARGE"), 9, 0];
    w.push("big_enum", ENUM64, false, 1, 8, &big);
    let constant = w.push("", CONST, false, 0, mm_pointer, &[]);
    w.tracepoint("rss_stat", &[constant, int]);
    let double = w.push("", PTR, false, 0, mm_pointer, &[]);
    w.function("mm_struct", &[constant, double]);
    w.function("other_function", &[int]);
    w.function("mm_struct", &[int]);
    w.finish()
}

#[test]
fn members_are_found_at_their_byte_offsets() {
    let btf = Btf::parse(sample()).unwrap();
    assert_eq!(btf.offset("task_struct", "flags"), Some(12));
    assert_eq!(btf.offset("packed", "wide"), Some(8));
    assert_eq!(btf.offset("task_struct", "nonsense"), None);
    assert_eq!(btf.offset("nonsense", "flags"), None);
}

#[test]
fn members_of_anonymous_unions_count_as_the_outer_structs() {
    assert_eq!(Btf::parse(sample()).unwrap().offset("task_struct", "inner"), Some(20));
}

#[test]
fn paths_go_through_embedded_structs_and_typedefs() {
    assert_eq!(Btf::parse(sample()).unwrap().offset("task_struct", "css.cgroup"), Some(72));
}

#[test]
fn structs_have_sizes() {
    let btf = Btf::parse(sample()).unwrap();
    assert_eq!(btf.size("packed"), Some(16));
    assert_eq!(btf.size("vm_event_item"), None);
}

#[test]
fn bit_fields_have_no_byte_offset() {
    assert_eq!(Btf::parse(sample()).unwrap().offset("packed", "narrow"), None);
}

#[test]
fn functions_and_types_of_one_name_are_distinguished_and_the_first_counts() {
    let btf = Btf::parse(sample()).unwrap();
    let found = btf.functions(&["mm_struct", "css_t", "nonsense"]);
    let arguments = vec!["struct mm_struct *".to_owned(), "void **".to_owned()];
    assert_eq!(found, [("mm_struct", Signature(arguments))].into());
}

#[test]
fn enumerators_of_both_widths_are_found() {
    let btf = Btf::parse(sample()).unwrap();
    assert_eq!(btf.enumerator("vm_event_item", "PGMAJFAULT"), Some(7));
    assert_eq!(btf.enumerator("big_enum", "LARGE"), Some(9));
    assert_eq!(btf.enumerator("vm_event_item", "PSWPIN"), None);
}

#[test]
fn tracepoints_give_their_arguments_without_the_data_pointer() {
    let form = Btf::parse(sample()).unwrap().tracepoint("rss_stat").unwrap();
    assert_eq!(form.len(), 2);
    assert!(form.is_pointer_to(0, "mm_struct"), "{form:?}");
    assert!(!form.is_pointer_to(1, "mm_struct"));
    assert!(!form.is_pointer_to(5, "mm_struct"));
}

#[test]
fn other_files_are_refused_with_the_reason() {
    let error = |data: &[u8]| format!("{:#}", Btf::parse(data.to_vec()).err().unwrap());
    assert!(error(b"").contains("too few"), "{}", error(b""));
    assert!(error(&[0x7f; 64]).contains("not BTF"), "{}", error(&[0x7f; 64]));
}

#[test]
fn a_truncated_file_is_refused_at_every_length() {
    let whole = sample();
    for len in 0..whole.len() {
        assert!(Btf::parse(whole[..len].to_vec()).is_err(), "{len} bytes of {}", whole.len());
    }
}

#[test]
fn types_that_refer_to_themselves_come_to_an_end() {
    let mut w = Writer::new();
    w.push("", CONST, false, 0, 2, &[]);
    w.push("", CONST, false, 0, 1, &[]);
    w.structure(STRUCT, "loop", &[("", 3, 0), ("deep", 1, 0)]);
    w.tracepoint("spins", &[1]);
    let btf = Btf::parse(w.finish()).unwrap();
    assert_eq!(btf.offset("loop", "missing"), None);
    assert_eq!(btf.offset("loop", "deep.er"), None);
    assert_eq!(btf.tracepoint("spins").unwrap().len(), 1);
}

/// Each level doubled the work: 2^32 members were looked at.
#[test]
fn anonymous_members_are_searched_once_each() {
    let mut w = Writer::new();
    w.structure(STRUCT, "loop", &[("", 1, 0), ("", 1, 0), ("last", 2, 64)]);
    w.structure(UNION, "", &[("", 1, 0), ("inner", 1, 32)]);
    let btf = Btf::parse(w.finish()).unwrap();
    assert_eq!(btf.offset("loop", "missing"), None);
    assert_eq!(btf.offset("loop", "last"), Some(8));
}

proptest! {
    #[test]
    fn damage_never_panics(at in 0_usize..2000, with in any::<[u8; 4]>()) {
        let mut data = sample();
        let at = at % (data.len() - 4);
        data[at..at + 4].copy_from_slice(&with);
        if let Ok(btf) = Btf::parse(data) {
            for (name, path) in [("task_struct", "css.cgroup"), ("task_struct", "inner"), ("packed", "wide")] {
                let _ = btf.offset(name, path);
            }
            let _ = (btf.enumerator("vm_event_item", "PGMAJFAULT"), btf.tracepoint("rss_stat"));
        }
    }
}

/// A kernel of tomorrow has a new kind: what comes before the first type of it is read.
#[test]
fn types_before_one_of_an_unknown_kind_are_found() {
    const TOMORROW: u32 = 25;
    let mut writer = Writer::new();
    let int = writer.push("int", INT, false, 0, 4, &[32]);
    writer.structure(STRUCT, "task_struct", &[("flags", int, 64)]);
    let before = Btf::parse(writer.clone().finish()).unwrap();
    assert_eq!((before.offset("task_struct", "flags"), before.unread()), (Some(8), None));
    writer.push("new", TOMORROW, false, 3, 0, &[1, 2, 3, 4, 5]);
    writer.structure(STRUCT, "mm_struct", &[("owner", int, 64)]);
    let btf = Btf::parse(writer.clone().finish()).unwrap();
    assert_eq!(btf.offset("task_struct", "flags"), Some(8));
    assert_eq!(btf.offset("mm_struct", "owner"), None);
    assert_eq!(btf.unread(), Some("type 3 is of the unknown kind 25"));
}
