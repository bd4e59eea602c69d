//! The queries of a Grafana dashboard, with what Grafana puts in for its variables. Pure.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// What each variable stands for here: all hosts and VMs, and an interval with several scrapes.
const VARIABLES: [(&str, &str); 3] =
    [("$__rate_interval", "10s"), ("$instance", ".*"), ("$vm", ".*")];

/// What a lab has at times only, or a machine can't measure, by the metric and why.
const MAY_BE_EMPTY: [(&str, &str); 5] = [
    ("memtrace_host_forecast_seconds", "the host comes to nothing worse"),
    ("memtrace_vm_balloon_target_bytes", "no balloon has to move"),
    ("memtrace_vm_async_fault_wait_seconds", "guests that are emulated have no such faults"),
    ("memtrace_vm_swap_in_wait_seconds", "this kernel may refuse fentry"),
    ("memtrace_signal_quality", "this kernel may tell everything exactly"),
];

/// A query that can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Title of the panel, or name of the annotation.
    pub panel: String,
    pub expression: String,
    /// It marks events, of which there may be none.
    is_annotation: bool,
}

impl Query {
    /// Whether no data is no fault.
    pub fn may_be_empty(&self) -> bool {
        let named = MAY_BE_EMPTY.iter().any(|(metric, _)| self.expression.contains(metric));
        named || self.is_annotation
    }
}

/// All queries of all panels and annotations.
///
/// # Errors
/// When this is no dashboard, or a variable is left.
pub fn queries(text: &str) -> Result<Vec<Query>> {
    let dashboard: Value = serde_json::from_str(text)?;
    let panels = dashboard["panels"].as_array().context("there are no panels")?;
    let mut queries = Vec::new();
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().context("a target without a query")?;
            queries.push(Query {
                panel: panel["title"].as_str().unwrap_or_default().to_owned(),
                expression: filled(expression)?,
                is_annotation: false,
            });
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().into_iter().flatten() {
        let expression = annotation["expr"].as_str().context("an annotation without a query")?;
        queries.push(Query {
            panel: annotation["name"].as_str().unwrap_or_default().to_owned(),
            expression: filled(expression)?,
            is_annotation: true,
        });
    }
    ensure!(!queries.is_empty(), "there are no queries");
    Ok(queries)
}

/// What the variables are made of: a label, and the series that have it.
///
/// # Errors
/// When this is no dashboard, or one is made in another way.
pub fn variables(text: &str) -> Result<Vec<(String, String)>> {
    let dashboard: Value = serde_json::from_str(text)?;
    let list = dashboard["templating"]["list"].as_array().context("there are no variables")?;
    let asked = list.iter().filter(|variable| variable["type"] == "query");
    let read = |variable: &Value| {
        let query = variable["query"]["query"].as_str().context("a variable without a query")?;
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (series, label) = inner.and_then(|inner| inner.rsplit_once(", ")).context("no list")?;
        Ok((label.to_owned(), filled(series)?))
    };
    asked.map(read).collect()
}

fn filled(expression: &str) -> Result<String> {
    let mut text = expression.to_owned();
    for (variable, value) in VARIABLES {
        text = text.replace(variable, value);
    }
    ensure!(!text.contains('$'), "what does Grafana put into {text}?");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DASHBOARD: &str = include_str!("../../../packaging/grafana/memtrace.json");

    #[test]
    fn every_query_is_found_and_has_no_variable_left() {
        let queries = queries(DASHBOARD).unwrap();
        assert_eq!(queries.len(), DASHBOARD.matches("\"expr\":").count());
        let stalled = "sum by (kind) (rate(memtrace_vm_stalled_seconds_total\
                       {instance=~\".*\",name=~\".*\"}[10s]))";
        assert!(queries.iter().any(|query| query.expression == stalled));
        assert!(queries.iter().all(|query| !query.panel.is_empty()));
    }

    #[test]
    fn panels_that_may_be_empty_are_on_the_dashboard() {
        let queries = queries(DASHBOARD).unwrap();
        for (metric, _) in MAY_BE_EMPTY {
            assert!(queries.iter().any(|query| query.expression.contains(metric)), "{metric}");
        }
        assert!(queries.iter().filter(|query| query.may_be_empty()).count() < queries.len() / 3);
    }

    #[test]
    fn variables_are_lists_of_labels() {
        let variables = variables(DASHBOARD).unwrap();
        let of = |label: &str| variables.iter().find(|(name, _)| name == label).unwrap().1.clone();
        assert_eq!(of("instance"), "memtrace_build_info");
        assert_eq!(of("name"), "memtrace_vm_info{instance=~\".*\"}");
    }
}
