//! The client against servers on loopback: certificates, a proxy, connections that the server has closed.

use super::{Client, HttpsError, Origin, ProxyUrl, Roots};
use crate::env::Env;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: tempfile::NamedTempFile,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let name = crate::digest::Digest::of(&key.serialize_der()).to_string();
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), issuer.pem()).expect("written");
        Self { issuer, file }
    }

    fn roots(&self) -> Roots {
        Roots::load(&[self.file.path().to_owned()])
    }

    fn acceptor(&self, params: CertificateParams) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], key).expect("a certificate");
        TlsAcceptor::from(Arc::new(config))
    }
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).expect("a name")
}

// Reads one head and answers with a text. Returns the first line; an empty one at the end of the connection.
async fn answer_one(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &str) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
    stream.write_all(answer.as_bytes()).await.expect("written");
    stream.flush().await.expect("flushed");
    String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned()
}

async fn bound() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header("host", "x").body(Full::default()).expect("a request")
}

async fn text(client: &Client<Full<Bytes>>, path: &str) -> Result<String, HttpsError> {
    let answer = client.send(get(path)).await?;
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn client(url: &str, env: &[(&str, &str)], roots: &Roots) -> Client<Full<Bytes>> {
    let origin = Origin::of(url).expect("an endpoint");
    let proxy = ProxyUrl::toward(&origin, &Env::from_pairs(env.iter().copied())).expect("a usable proxy");
    Client::new(&origin, &proxy, roots)
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test)
}

async fn tls_error(roots: &Roots, acceptor: TlsAcceptor) -> String {
    let (listener, port) = bound().await;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        drop(acceptor.accept(stream).await);
    });
    let client = client(&format!("https://localhost:{port}"), &[], roots);
    client.send(get("/")).await.expect_err("refused").to_string()
}

#[test]
fn a_server_is_recognised_by_its_name_its_authority_and_the_date() {
    run(async {
        let authority = Authority::new();
        let (listener, port) = bound().await;
        let acceptor = authority.acceptor(named("localhost"));
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            answer_one(&mut acceptor.accept(stream).await.expect("TLS"), "hello").await
        });
        let right = client(&format!("https://localhost:{port}"), &[], &authority.roots());
        assert_eq!(text(&right, "/").await.expect("an answer"), "hello");

        let error = tls_error(&authority.roots(), authority.acceptor(named("other.example"))).await;
        assert!(error.ends_with("its certificate is for another name"), "{error}");
        let mut old = named("localhost");
        old.not_before = rcgen::date_time_ymd(2020, 1, 1);
        old.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let error = tls_error(&authority.roots(), authority.acceptor(old)).await;
        assert!(error.ends_with("its certificate has expired"), "{error}");
        let error = tls_error(&authority.roots(), Authority::new().acceptor(named("localhost"))).await;
        assert!(error.contains("authority that this system does not know"), "{error}");
    });
}

#[test]
fn a_proxy_is_asked_for_a_tunnel_and_sees_no_request() {
    run(async {
        let authority = Authority::new();
        let (server, server_port) = bound().await;
        let acceptor = authority.acceptor(named("localhost"));
        let served = tokio::spawn(async move {
            let (stream, _) = server.accept().await.expect("a client");
            answer_one(&mut acceptor.accept(stream).await.expect("TLS"), "through").await
        });
        let (proxy, proxy_port) = bound().await;
        let asked = tokio::spawn(async move {
            let (mut stream, _) = proxy.accept().await.expect("a client");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a head"));
            }
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.expect("written");
            let mut server = TcpStream::connect(("127.0.0.1", server_port)).await.expect("connected");
            drop(tokio::io::copy_bidirectional(&mut stream, &mut server).await);
            String::from_utf8_lossy(&head).into_owned()
        });
        let proxy_url = format!("http://user:word@127.0.0.1:{proxy_port}");
        let through =
            client(&format!("https://localhost:{server_port}"), &[("HTTPS_PROXY", &proxy_url)], &authority.roots());
        assert_eq!(text(&through, "/secret").await.expect("an answer"), "through");
        assert_eq!(served.await.expect("served"), "GET /secret HTTP/1.1");
        drop(through);
        let head = asked.await.expect("asked");
        assert!(head.starts_with(&format!("CONNECT localhost:{server_port} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains("proxy-authorization: Basic dXNlcjp3b3Jk\r\n"), "{head}");
    });
}

#[test]
fn a_proxy_that_refuses_is_named() {
    run(async {
        let (proxy, port) = bound().await;
        tokio::spawn(async move {
            let (mut stream, _) = proxy.accept().await.expect("a client");
            stream
                .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                .await
                .expect("written");
            drop(stream.read(&mut [0; 1024]).await);
        });
        let url = format!("http://127.0.0.1:{port}");
        let through = client("https://localhost:1", &[("https_proxy", &url)], &Authority::new().roots());
        let error = through.send(get("/")).await.expect_err("refused").to_string();
        assert!(error.contains(&url) && error.contains("407"), "{error}");
    });
}

#[test]
fn connections_are_used_again_unless_the_server_has_closed_them() {
    run(async {
        let (listener, port) = bound().await;
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            // Each connection answers twice.
            loop {
                let (mut stream, _) = listener.accept().await.expect("a client");
                counted.fetch_add(1, Ordering::SeqCst);
                answer_one(&mut stream, "one").await;
                answer_one(&mut stream, "two").await;
            }
        });
        let client = client(&format!("http://127.0.0.1:{port}"), &[], &Authority::new().roots());
        let mut said = Vec::new();
        for _ in 0..4 {
            said.push(text(&client, "/").await.expect("an answer"));
            tokio::task::yield_now().await;
        }
        assert_eq!(said, ["one", "two", "one", "two"]);
        assert_eq!(connections.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_request_that_was_written_is_never_sent_again() {
    run(async {
        let (listener, port) = bound().await;
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a client");
                answer_one(&mut stream, "first").await;
                // The second request is read and the connection dropped.
                if stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let client = client(&format!("http://127.0.0.1:{port}"), &[], &Authority::new().roots());
        assert_eq!(text(&client, "/").await.expect("an answer"), "first");
        tokio::task::yield_now().await;
        let error = client.send(get("/")).await.expect_err("no answer");
        assert!(matches!(error, HttpsError::Stale(_)), "{error}");
        assert_eq!(seen.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_server_that_is_not_there_is_named() {
    run(async {
        let (listener, port) = bound().await;
        drop(listener);
        let roots = Authority::new().roots();
        let error = client(&format!("http://127.0.0.1:{port}"), &[], &roots).send(get("/")).await.expect_err("gone");
        assert!(error.to_string().starts_with(&format!("127.0.0.1:{port} cannot be reached")), "{error}");
        let error = client("http://no-such-host.invalid", &[], &roots).send(get("/")).await.expect_err("no such name");
        assert!(error.to_string().starts_with("the address of no-such-host.invalid is not found"), "{error}");
    });
}

#[test]
fn a_file_of_authorities_that_cannot_be_read_is_named_where_a_certificate_is_refused() {
    run(async {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let (authority, stranger) = (Authority::new(), Authority::new());
        std::fs::write(file.path(), format!("{broken}{}", authority.issuer.pem())).expect("written");
        let roots = Roots::load(&[file.path().to_owned(), "/nonexistent/ca.pem".into()]);
        let acceptor = || stranger.acceptor(named("localhost"));
        let error = tls_error(&roots, acceptor()).await;
        assert!(error.contains("/nonexistent/ca.pem was left out: "), "{error}");
        // The certificates beside a broken one count.
        let (listener, port) = bound().await;
        let acceptor = authority.acceptor(named("localhost"));
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            answer_one(&mut acceptor.accept(stream).await.expect("a handshake"), "hello").await;
        });
        let client = client(&format!("https://localhost:{port}"), &[], &roots);
        assert_eq!(text(&client, "/").await.expect("answered"), "hello");
    });
}
