//! The lines as they are, and lines as they should not be.

use super::*;

const WEB: Uuid = Uuid::from_u128(0x11);
const ID: &str = "00000000-0000-0000-0000-000000000011";

fn text(line: Vec<u8>) -> String {
    String::from_utf8(line).expect("JSON is text")
}

#[test]
fn each_request_has_its_line() {
    let line = |ask| {
        let request = Request { id: 7, daemon: 2, ask };
        let line = request.line();
        assert_eq!(Request::parse(line.trim_ascii_end()), Ok(request));
        text(line)
    };
    let expect = |ask: &str| format!("{{\"id\":7,\"daemon\":2,\"ask\":{ask}}}\n");
    assert_eq!(line(Ask::Open { session: true }), expect(r#"{"open":{"session":true}}"#));
    assert_eq!(line(Ask::Close), expect(r#""close""#));
    assert_eq!(
        line(Ask::List { only: vec![WEB] }),
        expect(&format!(r#"{{"list":{{"only":["{ID}"]}}}}"#))
    );
    assert_eq!(
        line(Ask::Look { uuid: WEB, xml: false }),
        expect(&format!(r#"{{"look":{{"uuid":"{ID}","xml":false}}}}"#))
    );
    assert_eq!(
        line(Ask::Period { uuid: WEB, seconds: 2 }),
        expect(&format!(r#"{{"period":{{"uuid":"{ID}","seconds":2}}}}"#))
    );
    assert_eq!(
        line(Ask::Balloon { uuid: WEB, kib: 1024 }),
        expect(&format!(r#"{{"balloon":{{"uuid":"{ID}","kib":1024}}}}"#))
    );
}

#[test]
fn each_answer_has_its_line() {
    let line = |said| {
        let answer = Answer { id: 7, said };
        let line = answer.line();
        assert_eq!(Answer::parse(line.trim_ascii_end()), Ok(answer));
        text(line)
    };
    let expect = |said: &str| format!("{{\"id\":7,\"said\":{said}}}\n");
    let domain = Domain { uuid: WEB, state: 1, maximum: 4096, memory: 2048, pid: Some(50) };
    let shown = format!(r#"{{"uuid":"{ID}","state":1,"maximum":4096,"memory":2048,"pid":50}}"#);
    assert_eq!(line(Said::Done), expect(r#""done""#));
    assert_eq!(line(Said::NoDomain), expect(r#""no_domain""#));
    assert_eq!(line(Said::Failed("no\n".into())), expect(r#"{"failed":"no\n"}"#));
    assert_eq!(line(Said::Domains(vec![domain])), expect(&format!(r#"{{"domains":[{shown}]}}"#)));
    let look = Look { domain, stats: vec![(6, 2048)], metadata: None, xml: Some("<d/>".into()) };
    assert_eq!(
        line(Said::Look(Box::new(look))),
        expect(&format!(
            r#"{{"look":{{"domain":{shown},"stats":[[6,2048]],"metadata":null,"xml":"<d/>"}}}}"#
        ))
    );
}

#[test]
fn what_is_not_known_is_passed_over() {
    let line = format!(
        r#"{{"id":1,"more":[1],"said":{{"domains":[{{"uuid":"{ID}","state":1,"maximum":1,"memory":1,"later":{{}}}}]}}}}"#
    );
    let said = Answer::parse(line.as_bytes()).expect("it is an answer").said;
    assert!(matches!(&said, Said::Domains(domains) if domains[0].pid.is_none()), "{said:?}");
}

#[test]
fn what_is_no_answer_is_an_error() {
    for line in [
        "",
        "null",
        "{}",
        r#"{"id":1}"#,
        r#"{"id":-1,"said":"done"}"#,
        r#"{"id":1,"said":"else"}"#,
        r#"{"id":1,"said":{"domains":[{"uuid":"x"}]}}"#,
        r#"{"id":1,"said":"done"} x"#,
        "\u{0}\u{fffd}",
    ] {
        assert!(Answer::parse(line.as_bytes()).is_err(), "{line}");
        assert!(Request::parse(line.as_bytes()).is_err(), "{line}");
    }
    assert!(Answer::parse(b"{\"id\":1,\"said\":{\"failed\":\"\xff\"}}").is_err());
    let deep = "[".repeat(LONGEST_LINE);
    assert!(Answer::parse(deep.as_bytes()).is_err());
}

#[test]
fn an_answer_that_is_too_long_says_so() {
    let long = Said::Failed("\"".repeat(LONGEST_LINE));
    let line = text(Answer { id: 9, said: long }.line());
    assert_eq!(line, "{\"id\":9,\"said\":{\"failed\":\"its answer is too long\"}}\n");
    let xml = Some("\"".repeat(LONGEST_XML));
    let look = Said::Look(Box::new(Look { xml, ..Look::default() }));
    assert!(text(Answer { id: 9, said: look }.line()).contains("\"look\""));
}

#[test]
fn lines_come_in_pieces() {
    let mut lines = Lines::default();
    for piece in ["a", "b\nc\n", "", "\n", "d"] {
        lines.take(piece.as_bytes()).expect("they are short");
    }
    let whole: Vec<_> = std::iter::from_fn(|| lines.next_line()).collect();
    assert_eq!(whole, [b"ab".to_vec(), b"c".to_vec(), Vec::new()]);
    lines.take(b"\n").expect("it is short");
    assert_eq!(lines.next_line(), Some(b"d".to_vec()));
}

#[test]
fn a_line_without_an_end_is_refused_at_its_limit() {
    let mut lines = Lines::default();
    let half = vec![b'x'; LONGEST_LINE / 2];
    assert_eq!((lines.take(&half), lines.take(&half)), (Ok(()), Ok(())));
    assert_eq!(lines.take(b"x"), Err(TooLong));
    let mut lines = Lines::default();
    assert_eq!(
        (lines.take(&half), lines.take(&half), lines.take(b"\nx")),
        (Ok(()), Ok(()), Ok(()))
    );
    assert_eq!(lines.next_line().map(|line| line.len()), Some(LONGEST_LINE));
}

proptest::proptest! {
    #[test]
    fn nothing_panics(bytes: Vec<u8>) {
        let mut lines = Lines::default();
        let _ = lines.take(&bytes);
        while let Some(line) = lines.next_line() {
            let _ = (Answer::parse(&line), Request::parse(&line));
        }
    }
}
