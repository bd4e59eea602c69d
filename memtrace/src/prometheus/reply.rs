//! Parses answers of Prometheus' HTTP API v1. Pure. The answer is untrusted.

use std::collections::BTreeMap;

use anyhow::{Context, Error, Result, bail};
use serde::Deserialize;
use serde::de::IgnoredAny;

use memtrace_core::text::{clean, truncate};

/// Maximum number of series: 20 per host of 10000 hosts.
pub const MOST_SERIES: usize = 200_000;

/// Maximum length of a text of Prometheus' that is repeated, in columns.
const LONGEST: usize = 300;
/// Maximum number of warnings.
const MOST_WARNINGS: usize = 16;

pub type Labels = BTreeMap<String, String>;

/// One series at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub labels: Labels,
    /// What the query was evaluated for, in seconds since the epoch.
    pub at: f64,
    pub value: f64,
}

/// A good answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub series: Vec<Series>,
    /// Warnings of Prometheus: a part is missing.
    pub warnings: Vec<String>,
}

/// One series over some time.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub labels: Labels,
    /// Seconds since the epoch, and the value; NaN and infinities are left out.
    pub points: Vec<(f64, f64)>,
}

/// A good answer about some time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    pub lines: Vec<Line>,
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Envelope<T> {
    status: String,
    #[serde(default = "nothing")]
    data: Option<T>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

const fn nothing<T>() -> Option<T> {
    None
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "T: Deserialize<'de>"))]
struct Data<T> {
    result_type: String,
    #[serde(default = "Vec::new")]
    result: Vec<T>,
}

#[derive(Deserialize)]
struct Element {
    #[serde(default)]
    metric: Labels,
    value: (f64, String),
}

#[derive(Deserialize)]
struct Elements<'a> {
    #[serde(default)]
    metric: Labels,
    /// Digits have nothing to escape.
    #[serde(borrow)]
    values: Vec<(f64, &'a str)>,
}

/// Parses an answer. Series without a finite value are left out.
///
/// # Errors
/// When it is no answer of Prometheus' API, when it is an error, and when it is too large.
pub fn read(body: &[u8]) -> Result<Answer> {
    let (elements, warnings) = elements::<Element>(body, "vector")?;
    let series = elements.into_iter().filter_map(|Element { metric, value: (at, text) }| {
        let value = number(at, &text)?;
        Some(Series { labels: metric, at, value })
    });
    Ok(Answer { series: series.collect(), warnings })
}

/// The same of an answer about some time.
///
/// # Errors
/// As [`read`].
pub fn lines(body: &[u8]) -> Result<Lines> {
    let (elements, warnings) = elements::<Elements<'_>>(body, "matrix")?;
    let lines = elements.into_iter().map(|Elements { metric, values }| {
        let points = values.into_iter().filter_map(|(at, text)| Some((at, number(at, text)?)));
        Line { labels: metric, points: points.collect() }
    });
    Ok(Lines { lines: lines.collect(), warnings })
}

/// The same of an answer that names series.
///
/// # Errors
/// As [`read`].
pub fn labels(body: &[u8]) -> Result<Vec<Labels>> {
    let (labels, _) = data::<Vec<Labels>>(body)?;
    bounded(labels)
}

fn elements<'a, T: Deserialize<'a>>(body: &'a [u8], kind: &str) -> Result<(Vec<T>, Vec<String>)> {
    // The type first: an element of another kind would be an error somewhere within.
    let (Data { result_type, .. }, _) = data::<Data<IgnoredAny>>(body)?;
    if result_type != kind {
        bail!("expected a {kind}, got a {}", repeated(&result_type));
    }
    let (Data { result, .. }, warnings) = data::<Data<T>>(body)?;
    Ok((bounded(result)?, warnings))
}

fn data<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<(T, Vec<String>)> {
    // The library's errors repeat what it did not expect.
    let envelope: Envelope<T> = serde_json::from_slice(body)
        .map_err(|error| Error::msg(repeated(&error.to_string())))
        .context("not an answer of Prometheus' HTTP API")?;
    if envelope.status != "success" {
        let why = envelope.error.as_deref().unwrap_or(&envelope.status);
        bail!("Prometheus refused: {}", repeated(why));
    }
    let data = envelope.data.context("the answer has no data")?;
    let warnings = envelope.warnings.iter().take(MOST_WARNINGS).map(|text| repeated(text));
    Ok((data, warnings.collect()))
}

/// Untrusted text, safe on a terminal and of bounded length.
fn repeated(text: &str) -> String {
    truncate(&clean(text), LONGEST).into_owned()
}

fn bounded<T>(series: Vec<T>) -> Result<Vec<T>> {
    if series.len() > MOST_SERIES {
        bail!("{} series exceed the limit of {MOST_SERIES}", series.len());
    }
    Ok(series)
}

fn number(at: f64, text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite() && at.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_nan_is_missing() {
        let body = br#"{"status":"success","warnings":["one store is away"],"data":{
            "resultType":"vector","result":[
            {"metric":{"__name__":"up","job":"memtrace"},"value":[1795383065.25,"1"]},
            {"metric":{},"value":[1795383065.25,"NaN"]},
            {"metric":{},"value":[1795383065.25,"+Inf"]}]}}"#;
        let answer = read(body).expect("it is an answer");
        assert_eq!(answer.warnings, ["one store is away"]);
        let [series] = &answer.series[..] else { panic!("{answer:?}") };
        assert_eq!((series.at, series.value), (1_795_383_065.25, 1.0));
        assert_eq!(series.labels["job"], "memtrace");
    }

    #[test]
    fn lines_have_their_points_and_names_their_labels() {
        let body = br#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"name":"web"},"values":[[60,"1"],[120,"NaN"],[180,"2.5e9"]]},
            {"metric":{},"values":[]}]}}"#;
        let lines = lines(body).expect("it is an answer").lines;
        let [web, none] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((&*web.points, &*none.points), (&[(60.0, 1.0), (180.0, 2.5e9)][..], &[][..]));
        assert_eq!(web.labels["name"], "web");
        let vector = br#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        let error = super::lines(vector).expect_err("it is another kind").to_string();
        assert!(error.contains("expected a matrix, got a vector"), "{error}");
        let body = br#"{"status":"success","data":[{"instance":"a:9"},{}]}"#;
        let labels = labels(body).expect("it is an answer");
        assert_eq!((labels.len(), &*labels[0]["instance"]), (2, "a:9"));
    }

    #[test]
    fn what_is_repeated_is_short_and_safe_on_a_terminal() {
        let long = format!("\\u001b[2J{}", "x".repeat(5000));
        for body in [
            format!(r#"{{"status":"error","error":"{long}"}}"#),
            format!(r#"{{"status":"{long}"}}"#),
            format!(r#"{{"status":"success","data":"{long}"}}"#),
            format!(r#"{{"status":"success","data":{{"resultType":"{long}"}}}}"#),
        ] {
            let error = format!("{:#}", read(body.as_bytes()).expect_err("it is none"));
            assert!(error.len() < 500 && !error.contains('\u{1b}'), "{error:?}");
        }
        let warned = format!(
            r#"{{"status":"success","data":{{"resultType":"vector"}},"warnings":["{long}"]}}"#
        );
        let warnings = read(warned.as_bytes()).expect("it is an answer").warnings;
        assert!(warnings[0].len() < 400 && !warnings[0].contains('\u{1b}'), "{warnings:?}");
    }

    #[test]
    fn an_invalid_answer_is_refused_with_the_reason() {
        let cases: [(&[u8], &str); 5] = [
            (b"<html>nginx</html>", "not an answer of Prometheus' HTTP API"),
            (br#"{"status":"error","error":"query timed out"}"#, "refused: query timed out"),
            (br#"{"status":"error"}"#, "refused: error"),
            (br#"{"status":"success"}"#, "no data"),
            (
                br#"{"status":"success","data":{"resultType":"matrix"}}"#,
                "expected a vector, got a matrix",
            ),
        ];
        for (body, text) in cases {
            let error = format!("{:#}", read(body).expect_err("it is none"));
            assert!(error.contains(text), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_sent_breaks_it(body in "\\PC{0,200}") {
            let _ = read(body.as_bytes());
            let _ = lines(body.as_bytes());
            let _ = labels(body.as_bytes());
        }
    }
}
