//! Requests to one server: HTTP/1.1, over TLS with the system's roots, through the proxy that the environment names.
//!
//! A client belongs to one server and keeps its idle connections. It follows no redirect and repeats no request, but
//! for one of which no byte was written: that goes out once more, on a new connection.

mod connect;
mod error;
mod filled;
mod origin;
mod proxy;
mod roots;
#[cfg(test)]
mod tests;

pub(crate) use error::HttpsError;
pub(crate) use origin::Origin;
#[cfg(target_os = "linux")]
pub(crate) use origin::is_plain;
pub(crate) use proxy::ProxyUrl;
pub(crate) use roots::Roots;

use crate::platform;
use bytes::Bytes;
use connect::Way;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

// Servers close idle connections after a minute or later. More than a few are idle only after a burst.
const IDLE: Duration = Duration::from_secs(50);
const MOST_IDLE: usize = 8;

/// The connections to one server.
pub(crate) struct Client<B> {
    way: Way,
    idle: Arc<Mutex<Vec<Connection<B>>>>,
}

struct Connection<B> {
    sender: SendRequest<B>,
    // The same socket. What waits to be read there between two answers is the end of the connection.
    socket: TcpStream,
    // By the clock that goes on while the machine sleeps: servers do not wait for it.
    since: Duration,
}

impl<B> Connection<B> {
    fn is_young(&self) -> bool {
        platform::boot_clock().is_ok_and(|now| now.saturating_sub(self.since) < IDLE)
    }

    fn is_usable(&self) -> bool {
        let waits = self.socket.peek(&mut [0]).map_err(|error| error.kind());
        waits == Err(std::io::ErrorKind::WouldBlock) && self.is_young() && self.sender.is_ready()
    }
}

/// What of one connection is held at most; a head fits into it.
pub(crate) const BUFFER: usize = 128 << 10;

impl<B> Client<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Makes a client for a server. It connects at the first request.
    pub(crate) fn new(origin: &Origin, proxy: &ProxyUrl, roots: &Roots) -> Self {
        Self { way: Way::new(origin, proxy, roots), idle: Arc::default() }
    }

    /// Sends a request and returns the answer as soon as its head is there. If the returned future, or the answer's
    /// body, is dropped, the connection is closed.
    pub(crate) async fn send(&self, mut request: Request<B>) -> Result<Response<Incoming>, HttpsError> {
        if let Some(mut connection) = self.take() {
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok(self.answered(connection, response)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(HttpsError::Stale(error.into_error())),
                },
            }
        }
        let mut connection = self.open().await?;
        match connection.sender.try_send_request(request).await {
            Ok(response) => Ok(self.answered(connection, response)),
            Err(error) => Err(HttpsError::Broken(error.into_error())),
        }
    }

    async fn open(&self) -> Result<Connection<B>, HttpsError> {
        let (stream, socket) = self.way.connect().await?;
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(HttpsError::Broken)?;
        // An error of the connection is reported to the request that waits for it.
        tokio::spawn(async { drop(driver.await) });
        Ok(Connection { sender, socket, since: now() })
    }

    fn take(&self) -> Option<Connection<B>> {
        let mut idle = held(&self.idle);
        while let Some(connection) = idle.pop() {
            if connection.is_usable() {
                return Some(connection);
            }
        }
        None
    }

    // Keeps the connection for the next request once the answer was read to its end.
    fn answered(&self, mut connection: Connection<B>, response: Response<Incoming>) -> Response<Incoming> {
        let idle = Arc::clone(&self.idle);
        tokio::spawn(async move {
            if connection.sender.ready().await.is_ok() {
                connection.since = now();
                let mut idle = held(&idle);
                idle.retain(Connection::is_usable);
                if idle.len() < MOST_IDLE {
                    idle.push(connection);
                }
            }
        });
        response
    }
}

// A connection whose age is not known is too old.
fn now() -> Duration {
    platform::boot_clock().unwrap_or_default()
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
