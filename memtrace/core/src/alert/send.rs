//! Who is told of alerts.

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendConfig {
    pub log: bool,
    /// A program and its arguments: started at once, and fed a line of JSON for each alert.
    pub command: Vec<String>,
    /// Gets each alert as JSON, by POST. Plain HTTP.
    pub webhook: Option<String>,
    /// The same in the format of Alertmanager's `/api/v2/alerts`.
    pub alertmanager: Option<String>,
}

impl Default for SendConfig {
    fn default() -> Self {
        Self { log: true, command: Vec::new(), webhook: None, alertmanager: None }
    }
}
