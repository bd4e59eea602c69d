//! TLS of outgoing connections: the server is authenticated by the system's root certificates, or
//! by those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.

use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Connects as a client to `host`, a name or an address.
///
/// # Errors
/// When there are no root certificates, or the server's isn't trusted.
pub(super) async fn connect(host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
    let config = match KNOWN.get() {
        Some(config) => Arc::clone(config),
        None => {
            // Some 150 files or one large one, read on a thread that may wait.
            let config = tokio::task::spawn_blocking(|| config(roots()?)).await??;
            Arc::clone(KNOWN.get_or_init(|| config))
        }
    };
    handshake(config, host, stream).await
}

/// Of this process: they are read once.
static KNOWN: OnceLock<Arc<ClientConfig>> = OnceLock::new();

async fn handshake(
    config: Arc<ClientConfig>,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).context("not a host name")?;
    TlsConnector::from(config).connect(name, stream).await.context("no TLS connection")
}

fn roots() -> Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
        bail!("the system has no root certificates (package ca-certificates){why}");
    }
    Ok(roots)
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.context("no version of TLS")?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use rustls::ServerConfig;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A server for one connection, and the only root that knows it.
    async fn server(name: &str) -> (u16, RootCertStore) {
        let own = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).expect("it is one");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .expect("they belong together");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else {
                return;
            };
            let mut heard = [0; 4];
            stream.read_exact(&mut heard).await.expect("it is sent");
            stream.write_all(&heard).await.expect("it is heard");
            stream.flush().await.expect("it is heard");
        });
        (port, roots)
    }

    async fn connected(port: u16, roots: RootCertStore, host: &str) -> Result<[u8; 4]> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut stream = handshake(config(roots)?, host, stream).await?;
        stream.write_all(b"ping").await?;
        let mut heard = [0; 4];
        stream.read_exact(&mut heard).await?;
        Ok(heard)
    }

    #[tokio::test]
    async fn a_server_that_a_root_knows_is_trusted() {
        let (port, roots) = server("localhost").await;
        assert_eq!(&connected(port, roots, "localhost").await.expect("it answers"), b"ping");
    }

    #[tokio::test]
    async fn a_stranger_and_another_name_are_refused_with_the_reason() {
        let (port, _) = server("localhost").await;
        let (_, others) = server("localhost").await;
        let error = connected(port, others, "localhost").await.expect_err("nobody knows it");
        assert!(format!("{error:#}").contains("certificate"), "{error:#}");
        let (port, roots) = server("elsewhere.example").await;
        let error = connected(port, roots, "localhost").await.expect_err("it is another");
        assert!(format!("{error:#}").contains("certificate"), "{error:#}");
    }
}
