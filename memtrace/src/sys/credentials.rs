//! What a server wants to know before it answers: a token, or a name and a password, each in a file
//! of its own, so that neither stands in a configuration, a process list or a log.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use hyper::header::HeaderValue;
use memtrace_store::regular;

/// Largest file, in bytes. Tokens of Kubernetes and of OAuth take some 2 KiB.
const LARGEST: u64 = 64 << 10;

/// The file is read for each request, so that what is exchanged there counts at once.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A token (RFC 6750).
    Bearer(PathBuf),
    /// `NAME:PASSWORD` (RFC 7617).
    Basic(PathBuf),
}

impl Credentials {
    /// From one of two files; a token goes before a password.
    pub fn of(bearer: Option<&Path>, basic: Option<&Path>) -> Option<Self> {
        let bearer = bearer.map(|path| Self::Bearer(path.to_owned()));
        bearer.or_else(|| basic.map(|path| Self::Basic(path.to_owned())))
    }

    /// The value of the header `Authorization`.
    ///
    /// # Errors
    /// When the file can't be read, or has nothing that can be one.
    pub(super) fn header(&self) -> Result<HeaderValue> {
        let path = self.path();
        let text = read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let value = match self {
            Self::Bearer(_) => format!("Bearer {text}"),
            Self::Basic(_) => {
                ensure!(text.contains(':'), "{}: must be NAME:PASSWORD", path.display());
                format!("Basic {}", BASE64_STANDARD.encode(&text))
            }
        };
        let header = HeaderValue::from_str(&value);
        let mut header =
            header.with_context(|| format!("{}: must be one line of text", path.display()))?;
        header.set_sensitive(true);
        Ok(header)
    }

    fn path(&self) -> &Path {
        let (Self::Bearer(path) | Self::Basic(path)) = self;
        path
    }
}

/// Without what is in the file.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of {}", self.path().display())
    }
}

fn read(path: &Path) -> Result<String> {
    let text = regular::text(path, LARGEST)?;
    let text = text.trim_end_matches(['\r', '\n']);
    ensure!(!text.is_empty(), "it is empty");
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(form: fn(PathBuf) -> Credentials, text: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, text).unwrap();
        let credentials = form(path);
        assert!(!format!("{credentials:?}").contains("open sesame"));
        let header = credentials.header().map_err(|error| format!("{error:#}"))?;
        assert!(header.is_sensitive());
        Ok(header.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_token_and_a_password_become_headers() {
        let bearer = header(Credentials::Bearer, "open sesame\n");
        assert_eq!(bearer.as_deref(), Ok("Bearer open sesame"));
        // RFC 7617, section 2.
        let basic = header(Credentials::Basic, "Aladdin:open sesame\n");
        assert_eq!(basic.as_deref(), Ok("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    }

    #[test]
    fn what_is_none_is_refused_without_being_told() {
        for text in ["", "\n", "open sesame\ntwo"] {
            let error = header(Credentials::Bearer, text).unwrap_err();
            assert!(error.contains("secret") && !error.contains("open"), "{error}");
        }
        let error = header(Credentials::Basic, "open sesame").unwrap_err();
        assert!(error.contains("must be NAME:PASSWORD") && !error.contains("sesame"), "{error}");
        let large = header(Credentials::Bearer, &"x".repeat((64 << 10) + 1)).unwrap_err();
        assert!(large.contains("longer than 64 KiB"), "{large}");
        assert!(Credentials::Bearer("/nowhere".into()).header().is_err());
    }
}
