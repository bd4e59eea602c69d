//! Who is told of alerts.

use std::path::PathBuf;

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendConfig {
    pub log: bool,
    /// A program and its arguments: started at once, and fed a line of JSON for each alert.
    pub command: Vec<String>,
    /// Gets each alert as JSON, by POST.
    pub webhook: Option<String>,
    /// The same in the format of Alertmanager's `/api/v2/alerts`.
    pub alertmanager: Option<String>,
    /// File with a bearer token for both.
    pub bearer_token_file: Option<PathBuf>,
    /// File with a name and a password for both, where there is no token.
    pub basic_auth_file: Option<PathBuf>,
}

impl Default for SendConfig {
    fn default() -> Self {
        Self {
            log: true,
            command: Vec::new(),
            webhook: None,
            alertmanager: None,
            bearer_token_file: None,
            basic_auth_file: None,
        }
    }
}
