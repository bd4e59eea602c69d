//! Documents that follow each other, written and read.

use proptest::prelude::*;

use super::super::range::{Packer, Unpacker};
use super::*;

/// What is read of these documents, one after the other, and the bytes that each took.
fn again(documents: &[Document]) -> (Vec<Vec<u8>>, Vec<usize>) {
    let (mut models, mut packer) = (Models::default(), Packer::default());
    let mut kept = Kept::default();
    let mut lengths = Vec::new();
    for document in documents {
        let before = packer.length();
        let followed = follow(
            &mut packer,
            &mut models,
            (Kind::Vm, kept),
            Some(document),
            &mut Room::default(),
        );
        kept = followed.expect("it can be written");
        lengths.push(packer.length() - before);
    }
    let (coded, text) = packer.finish();
    let length = coded.len();
    let mut unpacker = Unpacker::new([coded, text].concat(), 0, length).expect("it is whole");
    let (mut models, mut kept) = (Models::default(), Kept::default());
    let read = documents.iter().map(|_| {
        let room = &mut Room::default();
        let before = (Kind::Vm, std::mem::take(&mut kept));
        kept = follow(&mut unpacker, &mut models, before, None, room)?;
        Some(kept.json())
    });
    (read.map_while(|json| json).collect(), lengths)
}

#[test]
fn what_stays_costs_nothing_and_what_moves_little() {
    let text =
        |n: u64| format!("{{\"a\":[1,2,3,4],\"b\":{},\"c\":\"it has {} MiB\"}}", n * 1000, n % 7);
    let documents: Vec<Document> =
        (1..=200).map(|n| Document::of_json(text(n).as_bytes())).collect();
    let (read, lengths) = again(&documents);
    assert_eq!(read[199], text(200).as_bytes());
    let late: usize = lengths[100..].iter().sum();
    assert!(late < 150, "{late} bytes for a hundred");
    let still = vec![documents[0].clone(); 1000];
    let (_, lengths) = again(&still);
    assert!(lengths[1..].iter().sum::<usize>() < 20, "{lengths:?}");
}

#[test]
fn a_template_that_comes_back_is_known() {
    let words = ["open", "closed for a long and winding reason"];
    let document = |n: usize| Document::of_json(format!("[\"{}\",{n}]", words[n % 2]).as_bytes());
    let documents: Vec<Document> = (0..40).map(document).collect();
    let (read, lengths) = again(&documents);
    assert_eq!(read.len(), 40);
    assert!(lengths[2..].iter().all(|length| *length < 8), "{lengths:?}");
}

#[test]
fn there_is_an_end_to_what_is_kept() {
    let document = Document::of_json(b"[1,2]");
    for room in [Room { template: 4, numbers: 8 }, Room { template: 400, numbers: 1 }] {
        let (mut models, mut room) = (Models::default(), room);
        let before = (Kind::Vm, Kept::default());
        let now = Some(&document);
        let kept = follow(&mut Packer::default(), &mut models, before, now, &mut room);
        assert!(kept.is_none());
    }
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof!["[a-c]{0,3}", "[0-9]{1,3}"], 0..40)
        .prop_map(|parts| format!("[{}]", parts.join(",")))
}

proptest! {
    #[test]
    fn any_document_follows_any_other(texts in prop::collection::vec((text(), any::<bool>()), 1..6)) {
        let mut documents: Vec<Document> = Vec::new();
        for (text, again) in &texts {
            let mut document = Document::of_json(text.as_bytes());
            if let Some(last) = documents.last().filter(|_| *again) {
                document = last.clone();
                document.numbers.iter_mut().step_by(2).for_each(|number| *number += 3);
            }
            documents.push(document);
        }
        let wanted: Vec<Vec<u8>> = documents.iter().map(Document::json).collect();
        prop_assert_eq!(again(&documents).0, wanted);
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..60), coded in 0_usize..60) {
        let coded = coded.min(bytes.len());
        let mut unpacker = Unpacker::new(bytes, 0, coded).expect("it is long enough");
        let (mut models, mut kept) = (Models::default(), Kept::default());
        for _ in 0..100 {
            let room = &mut Room::default();
            let Some(now) = follow(&mut unpacker, &mut models, (Kind::Vm, kept), None, room)
            else { break };
            prop_assert_eq!(places(&now.layout.template), now.slots.len());
            kept = now;
        }
    }
}
