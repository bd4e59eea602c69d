//! What a Prometheus behind authentication wants to know.

use std::path::PathBuf;

use clap::Args;

use crate::sys::credentials::Credentials;

/// Arguments of commands that ask a Prometheus.
#[derive(Args, Clone, Debug, Default)]
pub struct CredentialsArguments {
    /// File with a bearer token for Prometheus
    #[arg(long, value_name = "FILE", requires = "prometheus", conflicts_with = "basic_auth_file")]
    pub bearer_token_file: Option<PathBuf>,
    /// File with NAME:PASSWORD for Prometheus
    #[arg(long, value_name = "FILE", requires = "prometheus")]
    pub basic_auth_file: Option<PathBuf>,
}

impl CredentialsArguments {
    pub fn credentials(&self) -> Option<Credentials> {
        Credentials::of(self.bearer_token_file.as_deref(), self.basic_auth_file.as_deref())
    }
}
