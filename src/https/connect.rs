//! Connects to a server: its addresses by turns, the proxy's tunnel, TLS.

use super::error::HttpsError;
use super::filled::Filled;
use super::origin::Origin;
use super::proxy::{Proxy, ProxyUrl};
use super::roots::Roots;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{HOST, PROXY_AUTHORIZATION};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

// A connection that is not there by then will not come.
const PATIENCE: Duration = Duration::from_secs(30);
// The time after which the next address is tried beside the others (RFC 8305, section 8).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
// An answer may take as long as the provider wants, so only the system can tell a server that is gone.
const KEEPALIVE: Duration = Duration::from_secs(30);
// What was sent and is not confirmed by then goes nowhere, as after a change of networks.
#[cfg(target_os = "linux")]
const UNHEARD: Duration = Duration::from_secs(60);

/// A connection in either direction.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The way to a server.
pub(super) struct Way {
    origin: Origin,
    proxy: Option<Proxy>,
    tls: TlsConnector,
    unread: Arc<str>,
}

impl Way {
    pub(super) fn new(origin: &Origin, proxy: &ProxyUrl, roots: &Roots) -> Self {
        let tls = TlsConnector::from(Arc::clone(&roots.config));
        Self { origin: origin.clone(), proxy: proxy.proxy(), tls, unread: Arc::clone(&roots.unread) }
    }

    /// Connects. Returns the stream for requests, and the socket below it.
    pub(super) async fn connect(&self) -> Result<(Box<dyn Stream>, std::net::TcpStream), HttpsError> {
        let first = self.proxy.as_ref().map_or(&self.origin, |proxy| &proxy.origin);
        let late = |_| unreached(first, io::ErrorKind::TimedOut.into());
        timeout(PATIENCE, self.connect_now(first)).await.map_err(late)?
    }

    async fn connect_now(&self, first: &Origin) -> Result<(Box<dyn Stream>, std::net::TcpStream), HttpsError> {
        let (stream, socket) = reach(first).await?;
        let mut stream: Box<dyn Stream> = self.secured(first, Box::new(stream)).await?;
        if let Some(proxy) = &self.proxy {
            stream = self.secured(&self.origin, tunnel(stream, proxy, &self.origin).await?).await?;
        }
        Ok((stream, socket))
    }

    async fn secured(&self, origin: &Origin, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>, HttpsError> {
        if !origin.tls {
            return Ok(stream);
        }
        let host = origin.host.as_str();
        let no_name = |_| HttpsError::Tls { host: host.to_owned(), why: "no certificate can have this name".into() };
        let name = ServerName::try_from(host.to_owned()).map_err(no_name)?;
        let stream =
            self.tls.connect(name, stream).await.map_err(|error| HttpsError::tls(host, &error, &self.unread))?;
        Ok(Box::new(Filled(stream)))
    }
}

fn unreached(origin: &Origin, error: io::Error) -> HttpsError {
    HttpsError::Unreached { host: format!("{}:{}", origin.host, origin.port), error }
}

async fn reach(origin: &Origin) -> Result<(TcpStream, std::net::TcpStream), HttpsError> {
    let found = tokio::net::lookup_host((origin.host.as_str(), origin.port)).await;
    let found = found.map_err(|error| HttpsError::Name { host: origin.host.clone(), error })?;
    let stream = first_of(found.collect()).await.map_err(|error| unreached(origin, error))?;
    prepared(stream).map_err(|error| unreached(origin, error))
}

// Returns the stream and its socket.
fn prepared(stream: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNHEARD))?;
    let stream = stream.into_std()?;
    let socket = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, socket))
}

// Connects to the first address that answers. A new one is tried when all before it have failed or were silent for a
// moment, in the order of the system's resolver with the two families by turns (RFC 8305).
async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut left = by_turns(addresses).into_iter();
    let mut tries = JoinSet::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        match left.next() {
            Some(address) => drop(tries.spawn(TcpStream::connect(address))),
            None if tries.is_empty() => return Err(last),
            None => {}
        }
        let wait = if left.len() == 0 { PATIENCE } else { NEXT_ADDRESS };
        match timeout(wait, tries.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => last = error,
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }
}

fn by_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (own, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let mut other = other.into_iter();
    let mut turns: Vec<SocketAddr> = own.into_iter().flat_map(|own| [Some(own), other.next()]).flatten().collect();
    turns.extend(other);
    turns
}

// Asks a proxy for a tunnel (RFC 9110, section 9.3.6).
async fn tunnel(stream: Box<dyn Stream>, proxy: &Proxy, to: &Origin) -> Result<Box<dyn Stream>, HttpsError> {
    let broken = HttpsError::Broken;
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(async { drop(driver.with_upgrades().await) });
    let address =
        if to.host.contains(':') { format!("[{}]:{}", to.host, to.port) } else { format!("{}:{}", to.host, to.port) };
    let mut request = Request::builder().method(Method::CONNECT).uri(&address).header(HOST, &address);
    if let Some(authorization) = &proxy.authorization {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    let request = request.body(Empty::<Bytes>::new()).expect("its parts are valid");
    let answer = sender.send_request(request).await.map_err(broken)?;
    if !answer.status().is_success() {
        return Err(HttpsError::Proxy { proxy: proxy.origin.url(), status: answer.status().to_string() });
    }
    let upgraded = hyper::upgrade::on(answer).await.map_err(broken)?;
    Ok(Box::new(TokioIo::new(upgraded)))
}
