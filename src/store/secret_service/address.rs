//! Where the session bus is: the addresses a lookup may connect to.
//!
//! Only Unix sockets, by path or abstract name, in the order they are listed ("Server Addresses" in the D-Bus
//! specification); TCP, launched programs and everything else count as no bus, since keys cross it in the clear.
//! Called by `bus`.

use super::error::ServiceError;
use crate::percent;
use rustix::net::{SocketAddrUnix, sockopt};
use rustix::process::geteuid;
use std::ffi::OsStr;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One Unix socket.
pub(super) struct Address {
    pub socket: SocketAddrUnix,
    place: Place,
}

enum Place {
    Path(PathBuf),
    Abstract(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Path(path) => write!(f, "{}", path.display()),
            Place::Abstract(name) => write!(f, "@{name}"),
        }
    }
}

/// The sockets to try: those of `bus` (`DBUS_SESSION_BUS_ADDRESS`), or where that is unset the runtime directory's.
pub(super) fn candidates(bus: Option<&OsStr>, runtime: Option<&Path>) -> Result<Vec<Address>, ServiceError> {
    let absent = |why: &str| Err(ServiceError::Absent { why: why.to_owned() });
    let Some(bus) = bus.filter(|bus| !bus.is_empty()) else {
        let Some(runtime) = runtime.filter(|runtime| runtime.is_absolute()) else {
            return absent("neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set");
        };
        return match Address::at(runtime.join("bus")) {
            Some(address) => Ok(vec![address]),
            None => absent("XDG_RUNTIME_DIR is too long for a socket"),
        };
    };
    let found: Vec<_> = bus.as_bytes().split(|&b| b == b';').filter_map(Address::parse).collect();
    if found.is_empty() { absent("DBUS_SESSION_BUS_ADDRESS names no Unix socket") } else { Ok(found) }
}

impl Address {
    fn at(path: PathBuf) -> Option<Self> {
        Some(Self { socket: SocketAddrUnix::new(&path).ok()?, place: Place::Path(path) })
    }

    /// One address of the list, if it is one we take: `unix:` with `path` or `abstract`, other keys ignored.
    fn parse(text: &[u8]) -> Option<Self> {
        let pairs = text.strip_prefix(b"unix:")?;
        let value = |wanted: &[u8]| {
            let mut values =
                pairs.split(|&b| b == b',').filter_map(|pair| pair.strip_prefix(wanted)?.strip_prefix(b"="));
            values.next().and_then(percent::decoded).filter(|value| !value.is_empty())
        };
        match (value(b"path"), value(b"abstract")) {
            (Some(path), None) if path[0] == b'/' => Self::at(PathBuf::from(std::ffi::OsString::from_vec(path))),
            (None, Some(name)) => {
                let socket = SocketAddrUnix::new_abstract_name(&name).ok()?;
                Some(Self { socket, place: Place::Abstract(String::from_utf8_lossy(&name).into_owned()) })
            }
            _ => None,
        }
    }

    /// Refuses a bus that another user runs: once the real one is gone, anybody can take an abstract name, or a path
    /// in a shared directory, and would be told our keys.
    pub(super) fn check_owner(&self, socket: &OwnedFd) -> Result<(), ServiceError> {
        let owner = match &self.place {
            // The file's owner rather than the peer's, whose process may be outside our PID namespace.
            Place::Path(path) => std::fs::metadata(path).map(|meta| meta.uid()).ok(),
            Place::Abstract(_) => sockopt::socket_peercred(socket).map(|peer| peer.uid.as_raw()).ok(),
        };
        match owner {
            Some(uid) if uid == 0 || uid == geteuid().as_raw() => Ok(()),
            Some(uid) => Err(ServiceError::Denied { why: format!("the session bus at {self} belongs to user {uid}") }),
            None => Err(ServiceError::Denied { why: format!("whose the session bus at {self} is cannot be told") }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bus: &str) -> Vec<String> {
        let found = candidates(Some(OsStr::new(bus)), None).unwrap_or_default();
        found.iter().map(Address::to_string).collect()
    }

    #[test]
    fn unix_sockets_are_taken_in_their_order_and_nothing_else() {
        assert_eq!(shown("unix:path=/run/user/1/bus,guid=00"), ["/run/user/1/bus"]);
        assert_eq!(shown("tcp:host=a,port=1;unix:abstract=/tmp/x;unix:guid=1,path=/b"), ["@/tmp/x", "/b"]);
        assert_eq!(shown("unix:path=/a%20b%2c%3B"), ["/a b,;"]);
        for none in ["autolaunch:", "disabled:", "unix:", "unix:path=", "unix:path=rel", "unix:path=/a,abstract=b"] {
            assert!(shown(none).is_empty(), "{none}");
        }
        for bad in ["unix:path=/%", "unix:path=/%4", "unix:path=/%zz", "unix:path=/a%00b", "unix:path=/\u{e9}%é"] {
            assert!(shown(bad).is_empty(), "{bad}");
        }
        assert!(shown(&format!("unix:path=/{}", "a".repeat(200))).is_empty());
    }

    #[test]
    fn without_an_address_the_runtime_directory_is_used() {
        for unset in [None, Some(OsStr::new(""))] {
            let found = candidates(unset, Some(Path::new("/run/user/7"))).unwrap_or_default();
            assert_eq!(found.iter().map(Address::to_string).collect::<Vec<_>>(), ["/run/user/7/bus"]);
            assert!(matches!(candidates(unset, None), Err(ServiceError::Absent { .. })));
            assert!(matches!(candidates(unset, Some(Path::new("relative"))), Err(ServiceError::Absent { .. })));
        }
    }
}
