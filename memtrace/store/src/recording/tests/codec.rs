//! Any values are read as they were written, and damaged input does no harm.

use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

use super::super::decoder::Decoder;
use super::super::encoder::Encoder;
use super::super::streams::{Form, Stream, Streams, Unread};
use super::super::tree::{MOST_NODES, NodeKind, Tree};
use super::super::{OLDEST, VERSION};

/// As frames hold them, this many in each.
fn written(values: &[Value], each: usize) -> Vec<(Vec<u8>, usize)> {
    let mut encoder = Encoder::default();
    let frame = |values: &[Value]| {
        values.iter().for_each(|value| encoder.add(value).expect("there is room"));
        (encoder.finish(), values.len())
    };
    values.chunks(each).map(frame).collect()
}

/// All that can be decoded of them.
fn read(frames: &[(Vec<u8>, usize)]) -> Vec<Value> {
    read_as(VERSION, frames)
}

fn read_as(version: u32, frames: &[(Vec<u8>, usize)]) -> Vec<Value> {
    let mut decoder = Decoder::new(version);
    let mut values = Vec::new();
    for (bytes, count) in frames {
        if decoder.enter(bytes.clone(), *count).is_none() {
            return values;
        }
        while decoder.left() > 0 {
            match decoder.advance().and_then(|()| decoder.value()) {
                Some(value) => values.push(value),
                None => return values,
            }
        }
    }
    values
}

#[test]
fn constant_columns_cost_nothing_and_changes_little() {
    let list = |n: u64| json!({"at": n * 1_000_000_000, "free": n * 4096, "text": "a name"});
    let lists: Vec<Value> = (1..=11).map(list).collect();
    let frames = written(&lists, 1);
    let length = |value: &Value| {
        let mut encoder = Encoder::default();
        encoder.add(&lists[0]).expect("there is room");
        encoder.finish();
        encoder.add(value).expect("there is room");
        encoder.finish().len()
    };
    let still = length(&lists[0]);
    // Of each a column, its form, when it moves and a step.
    assert_eq!(length(&lists[1]), still + 2 * 4);
    assert_eq!(read(&frames), lists);
}

#[test]
fn adding_and_removing_elements_moves_no_other() {
    let vm = |id: &str, n: u64| json!({"id": id, "a": n, "b": n * n, "histogram": [0, n, 0, 0]});
    let (web, db, ci) = (vm("web", 1000), vm("db", 5), vm("ci", 70));
    let before = json!([web, db, ci]);
    for after in [json!([db, ci]), json!([ci, web, db]), json!([]), json!([vm("new", 1), web, ci])]
    {
        let mut encoder = Encoder::default();
        encoder.add(&before).expect("there is room");
        let first = encoder.finish();
        encoder.add(&after).expect("there is room");
        let second = encoder.finish();
        let values = read(&[(first, 1), (second.clone(), 1)]);
        assert_eq!(values, [before.clone(), after.clone()]);
        assert!(second.len() < 70, "{} bytes for {after}", second.len());
    }
}

#[test]
fn a_frame_is_read_after_the_one_before_it_alone() {
    let values: Vec<Value> = (0..6).map(|n| json!([n, "text"])).collect();
    let frames = written(&values, 2);
    let mut decoder = Decoder::new(VERSION);
    assert!(decoder.enter(frames[1].0.clone(), 2).is_none(), "it is no keyframe");
    let mut decoder = Decoder::new(VERSION);
    assert!(decoder.enter(frames[0].0.clone(), 3).is_none(), "it has two");
    let mut decoder = Decoder::new(VERSION);
    assert!(decoder.enter(frames[0].0.clone(), 2).is_some());
    assert!(decoder.enter(frames[2].0.clone(), 2).is_none(), "there is one between");
}

#[test]
fn there_is_an_end_to_levels() {
    let deep = |levels: u32| (0..levels).fold(json!(1), |value, _| json!([value, "a"]));
    assert!(Encoder::default().add(&deep(60)).is_some());
    assert!(Encoder::default().add(&deep(70)).is_none());
}

/// A column is listed in a byte, and takes more when it is read.
#[test]
fn there_is_an_end_to_columns() {
    let frame = |columns: usize| {
        let mut streams = Streams::default();
        streams.number(Stream::Frame, 0);
        streams.number(Stream::Frame, 1);
        for stream in [Stream::Columns, Stream::Forms] {
            streams.bytes(stream).resize(columns, 0);
        }
        streams.join()
    };
    assert!(Decoder::new(VERSION).enter(frame(MOST_NODES), 1).is_some());
    assert!(Decoder::new(VERSION).enter(frame(MOST_NODES + 1), 1).is_none());
}

/// A list that has one large element a thousand times, and an array with more zeros than fit:
/// both can be encoded in a few bytes.
#[test]
fn a_few_bytes_do_not_become_many() {
    let mut tree = Tree::default();
    let name = tree.add_text("a".into());
    let large = tree.add(0, name).expect("there is room");
    for (kind, bits) in
        [(NodeKind::Numbers, 1 << 20), (NodeKind::Numbers, u64::MAX), (NodeKind::Array, 9)]
    {
        (tree.nodes[large].kind, tree.nodes[large].bits) = (kind, bits);
        for _ in 0..1000 {
            let place = tree.add(0, None).expect("there is room");
            (tree.nodes[place].kind, tree.nodes[place].bits) = (NodeKind::Text, 0);
        }
        (tree.nodes[0].kind, tree.nodes[0].bits) = (NodeKind::Keyed, 1000);
        assert_eq!(tree.value().is_some(), kind == NodeKind::Array);
    }
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(Value::from),
        (0_u64..9).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|value| Number::from_f64(value).map_or(Value::Null, Value::Number)),
        (-100_000_i32..100_000).prop_map(|value| Value::from(f64::from(value) / 100.0)),
        Just(Value::from(-0.0)),
        Just(Value::from(9_007_199_254_740_993_u64)),
        Just(Value::from(i64::MIN)),
    ]
}

/// Few names, so that values under the same name change their kinds.
fn value() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["id", "vm", "a", "1", "+1", "01", ""]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        "[a-b\u{1}\"é]{0,3}".prop_map(Value::from),
        prop::collection::vec(0_u64..3, 0..20).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let fields =
            prop::collection::vec((name.clone().prop_map(str::to_owned), inner.clone()), 0..6);
        let object = fields.prop_map(|fields| Value::Object(fields.into_iter().collect()));
        let known = |(id, mut value): (u8, Value)| {
            if let Value::Object(object) = &mut value {
                object.insert("id".into(), (id % 4).into());
            }
            value
        };
        let known = (any::<u8>(), object.clone()).prop_map(known);
        prop_oneof![
            object,
            prop::collection::vec(inner, 0..6).prop_map(Value::Array),
            prop::collection::vec(known, 0..6).prop_map(Value::Array),
        ]
    })
}

/// Bit by bit, as `==` takes 0.0 for -0.0.
fn text(values: &[Value]) -> Vec<String> {
    values.iter().map(Value::to_string).collect()
}

proptest! {
    #[test]
    fn any_value_follows_any_other(
        values in prop::collection::vec(value(), 1..12),
        each in 1_usize..5,
    ) {
        prop_assert_eq!(text(&read(&written(&values, each))), text(&values));
    }

    #[test]
    fn a_step_is_read_as_it_was_written(
        steps in prop::collection::vec(prop_oneof![any::<i64>(), -300_i64..300], 1..9),
        unit in prop::sample::select(vec![1, 4096, 10_000_000, 1_000_000_000]),
    ) {
        let steps: Vec<i64> = steps.iter().map(|step| step.wrapping_mul(unit)).collect();
        let form = Form::of(steps.iter().copied(), true);
        prop_assert_eq!(Form::of_byte(form.byte()), Some(form));
        for step in steps {
            let mut bytes = form.bytes(step);
            bytes[form.width()..].fill(0);
            prop_assert_eq!(form.step(bytes), step);
        }
    }

    #[test]
    fn a_number_is_read_as_it_was_written(value in any::<u64>(), shift in 0_u32..64) {
        let mut streams = Streams::default();
        streams.number(Stream::Bits, value >> shift);
        let mut unread = Unread::new(streams.join(), false).expect("they are streams");
        prop_assert_eq!(unread.number(Stream::Bits), Some(value >> shift));
        prop_assert!(unread.is_empty(Stream::Bits) && unread.number(Stream::Bits).is_none());
    }

    #[test]
    fn nothing_panics(
        bytes in prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..200),
        count in 0_usize..4,
    ) {
        for version in OLDEST..=VERSION {
            read_as(version, &[(bytes.clone(), count)]);
        }
    }

    /// Valid frames with some bytes changed.
    #[test]
    fn nothing_that_is_changed_panics(
        values in prop::collection::vec(value(), 1..8),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut frames = written(&values, 3);
        for (at, byte) in changes {
            let (bytes, _) = at.get_mut(&mut frames);
            *at.get_mut(&mut bytes[..]) = byte;
        }
        read(&frames);
    }
}

#[test]
fn an_object_and_an_array_of_numbers_may_have_the_same_place() {
    let object = |key: &str| {
        let mut object = Map::new();
        object.insert(key.to_owned(), json!({"b": 1}));
        Value::Object(object)
    };
    let values =
        [json!([0, 7]), object("1"), json!([3, 4, 5]), object("+1"), json!([9]), json!([])];
    assert_eq!(read(&written(&values, 2)), values);
}
