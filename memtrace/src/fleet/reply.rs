//! What Prometheus answers to an instant query (its HTTP API v1). Pure. The answer is others'
//! text: nothing in it is trusted to be there.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Most series of an answer: twenty of each of ten thousand hosts.
pub const MOST_SERIES: usize = 200_000;

pub type Labels = BTreeMap<String, String>;

/// One series at one moment.
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
    /// What Prometheus, or what stands in for it, could not do: a part is missing.
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Envelope {
    status: String,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    #[serde(default)]
    result: Vec<Element>,
}

#[derive(Deserialize)]
struct Element {
    #[serde(default)]
    metric: Labels,
    value: (f64, String),
}

/// Reads an answer. Series whose value is no number are left out: they tell nothing.
///
/// # Errors
/// When it is no answer of Prometheus' API, when it is an error, and when it is too large.
pub fn read(body: &[u8]) -> Result<Answer> {
    let envelope: Envelope =
        serde_json::from_slice(body).context("this is no answer of Prometheus' HTTP API")?;
    if envelope.status != "success" {
        bail!("Prometheus refused: {}", envelope.error.as_deref().unwrap_or(&envelope.status));
    }
    let data = envelope.data.context("the answer has no data")?;
    if data.result_type != "vector" {
        bail!("the answer is a {}, not a vector", data.result_type);
    }
    if data.result.len() > MOST_SERIES {
        bail!("{} series are more than {MOST_SERIES}", data.result.len());
    }
    let series = data.result.into_iter().filter_map(|Element { metric, value: (at, text) }| {
        let value: f64 = text.parse().ok()?;
        (value.is_finite() && at.is_finite()).then_some(Series { labels: metric, at, value })
    });
    Ok(Answer { series: series.collect(), warnings: envelope.warnings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_number_is_read_and_what_is_none_is_not_there() {
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
    fn what_is_no_answer_is_refused_with_the_reason() {
        let cases: [(&[u8], &str); 5] = [
            (b"<html>nginx</html>", "no answer of Prometheus' HTTP API"),
            (br#"{"status":"error","error":"query timed out"}"#, "refused: query timed out"),
            (br#"{"status":"error"}"#, "refused: error"),
            (br#"{"status":"success"}"#, "no data"),
            (br#"{"status":"success","data":{"resultType":"matrix"}}"#, "matrix, not a vector"),
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
        }
    }
}
