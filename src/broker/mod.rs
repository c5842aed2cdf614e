//! The broker: a process beside the agent that holds its key, and adds it to the agent's own requests.
//!
//! The agent is given an address on this machine and a token of this launch, in the places of its endpoint and its key.
//! A sidecar listens there. It asks the kernel which process has connected, answers the agent alone, and sends its
//! requests on to the account's endpoint with the key. Both directions are streamed. Nothing is kept or repeated, and
//! no header or body is recorded.
//!
//! ```text
//! ringlet exec ──┬─ binds 127.0.0.1:PORT or a Unix socket, makes the token
//!                ├─ starts `ringlet broker --of PID`: own session, no parent, standard input: orders, token, key;
//!                │  standard output: the listening socket; no other descriptor
//!                └─ becomes the agent: same pid, terminal, signals; the address and the token
//! sidecar ─────── pidfd of the agent; a socket for each connection, and one for each request on its way
//! ```
//!
//! `passage` decides what passes, `peers` who may ask, `relay` carries requests, and `sidecar` is the process.
//! `refusal` makes the broker's own answers, `heads` reads along where requests end, `busy` sees clients that hang up,
//! and `order` is what the sidecar is told.

mod body;
mod busy;
pub(crate) mod heads;
pub(crate) mod json;
mod order;
pub(crate) mod passage;
mod peers;
mod refusal;
mod relay;
mod sidecar;
mod tokens;

pub(crate) use order::Order;
pub(crate) use passage::Credential;
pub(crate) use sidecar::serve;

use crate::platform;
use crate::secret::Secret;
use crate::vault::Keeper;
use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

/// A sidecar that listens.
pub(crate) struct Sidecar {
    /// Where: an address of this machine, or the path of its socket.
    pub address: String,
    /// The token of the launch.
    pub token: Secret,
}

/// Starts the sidecar of this process, which becomes the agent. `socket` listens at the file that the order names.
/// `zone` is the time zone's variable.
pub(crate) fn start(
    ringlet: &Path,
    zone: Option<&OsStr>,
    order: &Order<&Keeper>,
    socket: Option<UnixListener>,
    key: &[u8],
) -> io::Result<Sidecar> {
    let (listener, address) = match (socket, &order.socket) {
        (Some(listener), Some(file)) => (listener.into(), file.to_string_lossy().into_owned()),
        _ => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = listener.local_addr()?.to_string();
            (listener.into(), address)
        }
    };
    let token = Secret::fresh()?;
    let mut command = Command::new(ringlet);
    command.env_clear();
    // A day of the counts ends where the user lives.
    command.envs(zone.map(|zone| ("TZ", zone)));
    command.args(["broker", "--of", &std::process::id().to_string()]);
    order::tell(order, &token, key, platform::start_apart(&mut command, listener)?)?;
    Ok(Sidecar { address, token })
}
