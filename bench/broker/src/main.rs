//! The provider and the agent of `bench/broker.py`.
//!
//! `bench-broker server CERTIFICATE KEY` listens on loopback over TLS and prints its port. Any other call is the agent:
//! it sends requests to `BENCH_URL` with the key in `BENCH_KEY`, over TLS or without it as the URL says, and prints what
//! it has measured as JSON.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const LARGE: usize = 64 << 20;
const BODY: usize = 40 << 10;
const EVENTS: usize = 10;

fn main() {
    let words: Vec<String> = env::args().collect();
    match words.get(1).map(String::as_str) {
        Some("server") => server(&words[2], &words[3]),
        _ => agent(),
    }
}

fn server(certificate: &str, key: &str) {
    let certificates = CertificateDer::pem_file_iter(certificate).expect("a file").map(|it| it.expect("PEM")).collect();
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key);
    let config = Arc::new(config.expect("a certificate and its key"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    println!("{}", listener.local_addr().expect("an address").port());
    for stream in listener.incoming() {
        let (stream, config) = (stream.expect("a client"), Arc::clone(&config));
        thread::spawn(move || {
            stream.set_nodelay(true).expect("a socket");
            let connection = ServerConnection::new(config).expect("a connection");
            let mut stream = BufReader::with_capacity(1 << 16, StreamOwned::new(connection, stream));
            let large = text(LARGE, "content");
            while let Some((line, length)) = head(&mut stream) {
                std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink()).expect("a body");
                let into = stream.get_mut();
                if line.contains("/large") {
                    write!(into, "HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n").expect("written");
                    into.write_all(&large).expect("written");
                } else if line.contains("/events") {
                    let head =
                        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
                    into.write_all(head.as_bytes()).expect("written");
                    for _ in 0..EVENTS {
                        into.write_all(b"10\r\ndata: {\"a\":\"b\"}\n\r\n").expect("written");
                        into.flush().expect("written");
                    }
                    into.write_all(b"0\r\n\r\n").expect("written");
                } else {
                    into.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").expect("written");
                }
                into.flush().expect("written");
            }
        });
    }
}

// JSON of this size, as requests and answers are.
fn text(size: usize, name: &str) -> Vec<u8> {
    let (head, end) = (format!("{{\"model\":\"m\",\"{name}\":\""), "\",\"usage\":{\"input_tokens\":1}}");
    let middle = "x".repeat(size - head.len() - end.len());
    [head.as_str(), &middle, end].concat().into_bytes()
}

// The first line of a head, and the length of the body behind it.
fn head(stream: &mut impl BufRead) -> Option<(String, u64)> {
    let mut first = String::new();
    stream.read_line(&mut first).ok().filter(|size| *size > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|size| *size > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { return Some((first, length)) };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

struct Client {
    stream: BufReader<Box<dyn Stream>>,
    key: String,
}

impl Client {
    fn new() -> Self {
        let url = env::var("BENCH_URL").expect("a URL");
        let (scheme, address) = url.split_once("://").expect("a URL");
        let socket = TcpStream::connect(address.replace("localhost", "127.0.0.1")).expect("connected");
        socket.set_nodelay(true).expect("a socket");
        let stream: Box<dyn Stream> = if scheme == "https" { Box::new(over_tls(socket)) } else { Box::new(socket) };
        Self { stream: BufReader::with_capacity(1 << 16, stream), key: env::var("BENCH_KEY").expect("a key") }
    }

    fn send(&mut self, path: &str, body: &[u8]) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\ncontent-length: {}\r\n\r\n",
            self.key,
            body.len()
        );
        let into = self.stream.get_mut();
        into.write_all(&[head.as_bytes(), body].concat()).expect("written");
        into.flush().expect("written");
    }

    fn small(&mut self, body: &[u8]) -> Duration {
        let start = Instant::now();
        self.send("/v1/messages", body);
        let (line, length) = head(&mut self.stream).expect("an answer");
        assert!(line.contains(" 200 "), "{line}");
        std::io::copy(&mut (&mut self.stream).take(length), &mut std::io::sink()).expect("a body");
        start.elapsed()
    }

    // Until the first byte of the first event.
    fn events(&mut self) -> Duration {
        let start = Instant::now();
        self.send("/v1/messages/events", b"{}");
        head(&mut self.stream).expect("an answer");
        self.stream.fill_buf().expect("an event");
        let first = start.elapsed();
        let mut line = String::new();
        while line.trim_end() != "0" {
            line.clear();
            self.stream.read_line(&mut line).expect("events");
        }
        self.stream.read_line(&mut line).expect("the end");
        first
    }

    fn large(&mut self) -> Duration {
        let start = Instant::now();
        self.send("/v1/messages/large", b"{}");
        let (_, length) = head(&mut self.stream).expect("an answer");
        assert_eq!(length as usize, LARGE);
        std::io::copy(&mut (&mut self.stream).take(length), &mut std::io::sink()).expect("a body");
        start.elapsed()
    }
}

fn over_tls(socket: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let file = env::var("SSL_CERT_FILE").expect("a file of authorities");
    for certificate in CertificateDer::pem_file_iter(file).expect("a file") {
        roots.add(certificate.expect("PEM")).expect("an authority");
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a connection"), socket)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn agent() {
    // A launch alone.
    let Ok(rounds) = env::var("BENCH_ROUNDS") else { return };
    let rounds: usize = rounds.parse().expect("a number");
    let (mut client, body) = (Client::new(), text(BODY, "messages"));
    for _ in 0..rounds / 10 {
        client.small(&body);
    }
    let small = median((0..rounds).map(|_| client.small(&body)).collect());
    let events = median((0..rounds / 4).map(|_| client.events()).collect());
    let large = median((0..5).map(|_| client.large()).collect());
    println!("{{\"small\": {small}, \"events\": {events}, \"large\": {large}}}");
    // The sidecar is looked at before the agent ends.
    std::io::stdin().read_line(&mut String::new()).expect("a line");
}
