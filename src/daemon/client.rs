//! Asking the running daemon for its status, over a socket that is this user's alone.

use super::DaemonError;
use super::endpoint::{connect, status_socket};
use crate::paths::Paths;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::Duration;

/// How long the whole question may take; the daemon looks at the keychain for it.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST: usize = 4 << 20;

/// What `/v1/status` says.
pub(crate) fn status(paths: &Paths) -> Result<Value, DaemonError> {
    let mute = |why: String| DaemonError::Mute(why);
    let socket = status_socket(paths)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| mute(error.to_string()))?;
    runtime.block_on(async {
        let ask = async {
            let stream = connect(&socket).await.map_err(|error| mute(format!("{}: {error}", socket.display())))?;
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|error| mute(error.to_string()))?;
            tokio::spawn(connection);
            let request = hyper::Request::get("/v1/status")
                .header(HOST, "localhost")
                .body(Empty::<Bytes>::new())
                .map_err(|error| mute(error.to_string()))?;
            let response = sender.send_request(request).await.map_err(|error| mute(error.to_string()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MOST).collect().await;
            let body = body.map_err(|error| mute(error.to_string()))?.to_bytes();
            let data: Value = serde_json::from_slice(&body).map_err(|error| mute(error.to_string()))?;
            match data["error"]["message"].as_str() {
                Some(message) => Err(mute(message.to_owned())),
                None if status.is_success() => Ok(data),
                None => Err(mute(status.to_string())),
            }
        };
        tokio::time::timeout(PATIENCE, ask).await.map_err(|_| mute("no answer in time".into()))?
    })
}
