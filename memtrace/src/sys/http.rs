//! The HTTP client: one request and its answer, bounded in time and size, over TLS for `https://`.
//! Without redirects and proxies.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::http::request::Builder;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::credentials::Credentials;
use super::{runtime, tls};

/// All but the characters that RFC 3986 leaves unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Bounds of a request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From name resolution to the end of the answer.
    pub patience: Duration,
    /// Size of the answer's body, in bytes.
    pub largest: usize,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

/// The other end of a connection.
#[derive(Debug, PartialEq, Eq)]
enum Peer<'a> {
    Network(&'a str, u16),
    /// Over TLS.
    Secure(&'a str, u16),
    Socket(&'a Path),
}

/// GET of `url` with these parameters.
///
/// # Errors
/// When the URL is none of `http://` or `https://`, the credentials can't be read, the server's
/// certificate isn't trusted, or there is no whole answer within `limits`. Any status is an answer.
pub fn get(
    url: &str,
    parameters: &[(&str, &str)],
    credentials: Option<&Credentials>,
    limits: Limits,
) -> Result<Answer> {
    let mut url = url.to_owned();
    for (index, (name, value)) in parameters.iter().enumerate() {
        let separator = if index == 0 { '?' } else { '&' };
        let [name, value] = [name, value].map(|text| utf8_percent_encode(text, RESERVED));
        url.push_str(&format!("{separator}{name}={value}"));
    }
    let url = url.parse()?;
    let request = request("GET", &url, credentials)?;
    exchange(peer(&url)?, request.body(Full::default())?, limits)
}

/// POST of a JSON document to `url`.
///
/// # Errors
/// As [`get`].
pub fn post(
    url: &str,
    json: String,
    credentials: Option<&Credentials>,
    limits: Limits,
) -> Result<Answer> {
    let url = url.parse()?;
    let request = request("POST", &url, credentials)?.header(CONTENT_TYPE, "application/json");
    exchange(peer(&url)?, request.body(Full::from(json))?, limits)
}

/// GET of `path` from a server that listens on the Unix socket `socket`.
///
/// # Errors
/// As [`get`].
pub fn get_from_socket(socket: &Path, path: &str, limits: Limits) -> Result<Answer> {
    let request = Request::get(path).header(HOST, "localhost").body(Full::default())?;
    exchange(Peer::Socket(socket), request, limits)
}

fn peer(url: &Uri) -> Result<Peer<'_>> {
    let is_secure = match url.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => bail!("must begin with http:// or https://"),
    };
    let authority = url.authority().context("the URL has no host")?;
    ensure!(!authority.as_str().contains('@'), "passwords in the URL are not supported");
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = authority.port_u16();
    Ok(if is_secure {
        Peer::Secure(host, port.unwrap_or(443))
    } else {
        Peer::Network(host, port.unwrap_or(80))
    })
}

fn request(method: &str, url: &Uri, credentials: Option<&Credentials>) -> Result<Builder> {
    let host = url.authority().context("the URL has no host")?;
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    let request = Request::builder().method(method).uri(target).header(HOST, host.as_str());
    Ok(match credentials {
        Some(credentials) => request.header(AUTHORIZATION, credentials.header()?),
        None => request,
    })
}

fn exchange(peer: Peer<'_>, request: Request<Full<Bytes>>, limits: Limits) -> Result<Answer> {
    let runtime = runtime::current_thread()?;
    let answer = runtime.block_on(async {
        let asked = async {
            match peer {
                Peer::Network(host, port) => {
                    send(TcpStream::connect((host, port)).await?, request, limits.largest).await
                }
                Peer::Secure(host, port) => {
                    let stream = TcpStream::connect((host, port)).await?;
                    send(tls::connect(host, stream).await?, request, limits.largest).await
                }
                Peer::Socket(path) => {
                    send(UnixStream::connect(path).await?, request, limits.largest).await
                }
            }
        };
        timeout(limits.patience, asked).await
    });
    // A name resolution that takes longer ends by itself.
    runtime.shutdown_background();
    answer.map_err(|_| anyhow!("no answer within {} s", limits.patience.as_secs_f64()))?
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
    largest: usize,
) -> Result<Answer> {
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Drives the connection; errors are reported by the request below.
    let carried = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(told)?;
    let answer = whole(answer, largest).await;
    carried.abort();
    answer
}

async fn whole(answer: Response<Incoming>, largest: usize) -> Result<Answer> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), largest).collect().await;
    let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
        Ok(_) => anyhow!("the answer exceeds {largest} bytes"),
        Err(_) => anyhow!("incomplete answer"),
    })?;
    Ok(Answer { status, body: body.to_bytes().into() })
}

fn told(error: hyper::Error) -> Error {
    if error.is_parse() { Error::msg("not an HTTP answer") } else { error.into() }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    const LIMITS: Limits = Limits { patience: Duration::from_secs(20), largest: 100 };

    /// Reads one request, and answers. What was read.
    fn serve(stream: impl Read + Write, answer: &str) -> String {
        let mut reader = BufReader::new(stream);
        let (mut read, mut length) = (String::new(), 0);
        while !read.ends_with("\r\n\r\n") && reader.read_line(&mut read).expect("a line") > 0 {}
        if let Some((_, rest)) = read.split_once("content-length: ") {
            length = rest.lines().next().and_then(|line| line.parse().ok()).expect("a number");
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("the body");
        reader.get_mut().write_all(answer.as_bytes()).expect("it is written");
        read + &String::from_utf8(body).expect("text")
    }

    fn server(answer: impl Into<String>) -> (String, JoinHandle<String>) {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let port = listener.local_addr().expect("it is bound").port();
        let served = thread::spawn(move || serve(listener.accept().expect("a client").0, &answer));
        (format!("http://localhost:{port}"), served)
    }

    #[test]
    fn parameters_are_part_of_the_address() {
        let (url, served) = server("HTTP/1.1 404 X\r\ncontent-length: 2\r\n\r\nno");
        let asked = [("query", "up{a=\"b c\"}"), ("match[]", "ä&")];
        let answer = get(&format!("{url}/p/api"), &asked, None, LIMITS).expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (404, &b"no"[..]));
        let read = served.join().expect("it served");
        let first = "GET /p/api?query=up%7Ba%3D%22b%20c%22%7D&match%5B%5D=%C3%A4%26 HTTP/1.1\r\n";
        assert!(read.starts_with(first), "{read}");
        assert!(read.contains(url.strip_prefix("http://").expect("it has it")), "{read}");
    }

    #[test]
    fn a_document_is_sent_whole() {
        let (url, served) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let answer = post(&url, "{\"a\":1}".to_owned(), None, LIMITS).expect("an answer");
        assert!(answer.status.is_success());
        let read = served.join().expect("it served");
        assert!(read.starts_with("POST / HTTP/1.1\r\n") && read.ends_with("{\"a\":1}"), "{read}");
        assert!(read.contains("content-type: application/json\r\n"), "{read}");
    }

    #[test]
    fn credentials_are_read_for_each_request() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let credentials = Credentials::Bearer(path.clone());
        for token in ["one", "two"] {
            std::fs::write(&path, format!("{token}\n")).expect("it is written");
            let (url, served) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            get(&url, &[], Some(&credentials), LIMITS).expect("an answer");
            let read = served.join().expect("it served");
            assert!(read.contains(&format!("authorization: Bearer {token}\r\n")), "{read}");
        }
        std::fs::remove_file(&path).expect("it was there");
        let error = get("http://localhost:1", &[], Some(&credentials), LIMITS).expect_err("gone");
        assert!(format!("{error:#}").contains("token"), "{error:#}");
    }

    #[test]
    fn a_unix_socket_is_asked_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).expect("it is bound");
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let served = thread::spawn(move || serve(listener.accept().expect("a client").0, text));
        let answer = get_from_socket(&path, "/metrics", LIMITS).expect("an answer");
        assert_eq!(answer.body, b"ok");
        assert!(served.join().expect("it served").starts_with("GET /metrics HTTP/1.1\r\n"));
    }

    #[test]
    fn what_is_no_answer_says_why() {
        let large = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(101));
        for (answer, why) in [
            (&*large, "the answer exceeds 100 bytes"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "incomplete answer"),
            ("SSH-2.0-OpenSSH\r\n", "not an HTTP answer"),
        ] {
            let (url, served) = server(answer);
            let error = get(&url, &[], None, LIMITS).expect_err(why);
            assert_eq!(error.to_string(), why);
            served.join().expect("it served");
        }
        let silent = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let url = format!("http://{}", silent.local_addr().expect("it is bound"));
        let short = Limits { patience: Duration::from_millis(50), ..LIMITS };
        let error = get(&url, &[], None, short).expect_err("nothing is answered");
        assert_eq!(error.to_string(), "no answer within 0.05 s");
    }

    #[test]
    fn an_address_is_http_or_https() {
        for url in ["ftp://a", "a", "/a", "http://u:p@a", "https://u:p@a", "http://", "unix:/a"] {
            assert!(get(url, &[], None, LIMITS).is_err(), "{url}");
        }
        let secure: Uri = "https://a/x".parse().expect("it is one");
        assert_eq!(peer(&secure).expect("it is one"), Peer::Secure("a", 443));
        let six: Uri = "http://[::1]:9090/x".parse().expect("it is one");
        assert!(matches!(peer(&six), Ok(Peer::Network("::1", 9090))));
        let short: Uri = "http://a/x".parse().expect("it is one");
        assert!(matches!(peer(&short), Ok(Peer::Network("a", 80))));
    }
}
