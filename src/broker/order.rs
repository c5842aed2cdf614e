//! What a sidecar is told: where the requests of a launch go, in whose name, and who records what.

use super::passage::Credential;
use crate::audit::LogPlace;
use crate::https::ProxyUrl;
use crate::name::{Agent, KeyName, Profile, StoreName};
use crate::platform::Apart;
use crate::registry::{Helper, Protocol};
use crate::secret::{MAX_KEY, Secret};
use crate::usage::Limits;
use crate::vault::Keeper;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// The orders of one launch. Who tells them has borrowed the keeper.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order<K = Keeper> {
    /// The base URL of the account.
    pub endpoint: String,
    /// The protocol that is spoken there.
    pub protocol: Protocol,
    /// The file of the socket that is listened at; `None` for loopback.
    pub socket: Option<PathBuf>,
    /// The header for the key.
    pub credential: Credential,
    /// The child of the agent that may use the key as well.
    pub helper: Option<Helper>,
    /// The name of the key.
    pub key: KeyName,
    /// The store of the settings that it comes from.
    pub store: Option<StoreName>,
    /// The profile.
    pub profile: Profile,
    /// The agent.
    pub agent: Agent,
    /// The agent's command, in messages.
    pub command: String,
    /// The working directory of the launch.
    pub cwd: PathBuf,
    /// The proxy that the endpoint is reached through.
    pub proxy: ProxyUrl,
    /// Files with further certificate authorities.
    pub roots: Vec<PathBuf>,
    /// The end of the key's lease by the clock that leases use; `None` if the key needs no lease.
    pub lease_ends: Option<Duration>,
    /// The folder of the counts.
    pub usage: PathBuf,
    /// How much of the key may be used in a day.
    pub limits: Limits,
    /// Patterns of the models that the key may be used for; `None` if all may.
    pub models: Option<Vec<String>>,
    /// The line of the key's scope, in messages: `FILE:LINE`.
    pub rule: Option<String>,
    /// The audit log; `None` if nothing is recorded.
    pub audit: Option<LogPlace>,
    /// What the server of the key's store must be asked for while the agent runs.
    pub keeper: Option<K>,
}

/// The orders, and the two values that are compared and sent.
pub(super) struct Errand {
    pub(super) order: Order,
    pub(super) token: Secret,
    pub(super) key: Secret,
}

// The order is a few paths and names.
const MAX: u64 = 64 << 10;

/// Tells a sidecar its orders, the token and the key. It reads them to the end.
pub(super) fn tell(order: &Order<&Keeper>, token: &Secret, key: &[u8], apart: Apart) -> io::Result<()> {
    let json = Zeroizing::new(serde_json::to_vec(order)?);
    if json.len() + token.expose().len() + key.len() + 2 > MAX as usize {
        return Err(io::Error::other(
            "its orders are too long: `models` and the paths of the launch are a part of them",
        ));
    }
    apart.tell(&[&json, b"\n", token.expose(), b"\n", key])
}

/// Reads what [`tell`] has written.
pub(super) fn read(from: impl Read) -> io::Result<Errand> {
    // As large as it can become, so that no part of it is left where the vector was before.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX as usize + 1));
    from.take(MAX).read_to_end(&mut bytes)?;
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let (Some(order), Some(token), Some(key)) = (lines.next(), lines.next(), lines.next()) else {
        return Err(io::Error::other("no orders came"));
    };
    if token.is_empty() || key.is_empty() || key.len() > MAX_KEY {
        return Err(io::Error::other("no key came"));
    }
    let order = serde_json::from_slice(order)?;
    Ok(Errand { order, token: Secret::new(token.to_vec()), key: Secret::new(key.to_vec()) })
}
