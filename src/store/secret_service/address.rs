//! The addresses at which the session bus may be.
//!
//! Only Unix sockets are used, by path, abstract name or the runtime directory, in the order in which the variable
//! lists them ("Server Addresses" in the D-Bus specification). TCP, programs to launch and everything else are ignored,
//! since keys cross the connection unencrypted. Called by `bus`.

use super::error::ServiceError;
use crate::percent;
use crate::platform;
use rustix::net::{SocketAddrUnix, sockopt};
use rustix::process::geteuid;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

/// One Unix socket.
pub(crate) struct Address {
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

/// The sockets at which the session bus may listen.
pub(crate) struct Candidates {
    /// In the order in which they are tried.
    pub sockets: Vec<Candidate>,
    /// The error's text where there are no sockets.
    pub none: &'static str,
}

/// A socket to try.
pub(crate) struct Candidate {
    pub address: Address,
    /// Whether it is the `bus` of the session's own runtime directory. If that one fails, there is a bus, and perhaps a
    /// keychain, that cannot be reached. Any other socket that fails counts as no bus.
    pub is_usual: bool,
}

/// Returns the sockets of `bus` (`DBUS_SESSION_BUS_ADDRESS`), then the one in the session's own runtime directory. A
/// terminal multiplexer that outlives a login keeps an old address, while the bus listens in the usual place.
///
/// Of `runtime`, the first directory of this user or root is used. A session has one bus, so the others are ignored.
pub(crate) fn candidates(bus: Option<&OsStr>, runtime: &[PathBuf]) -> Candidates {
    let usual = usual(runtime);
    let bus = bus.filter(|bus| !bus.is_empty());
    let none = match (bus, runtime) {
        (None, []) => "neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set",
        (None, _) => "DBUS_SESSION_BUS_ADDRESS is not set, and no bus is in the runtime directory",
        (Some(_), _) => "DBUS_SESSION_BUS_ADDRESS names no Unix socket",
    };
    let mut sockets: Vec<Candidate> = Vec::new();
    for text in bus.unwrap_or_default().as_bytes().split(|&b| b == b';') {
        let found = match &usual {
            Some((path, is_ours)) if text == b"unix:runtime=yes" => {
                Address::at(path.clone()).map(|address| Candidate { address, is_usual: *is_ours })
            }
            _ => Address::parse(text).map(|address| {
                let is_usual = usual.as_ref().is_some_and(|(path, is_ours)| *is_ours && address.is_at(path));
                Candidate { address, is_usual }
            }),
        };
        sockets.extend(found);
    }
    if let Some((path, is_ours)) = usual
        && !sockets.iter().any(|known| known.address.is_at(&path))
        // A socket that does not exist would only shorten the time for the others.
        && fs::symlink_metadata(&path).is_ok()
    {
        sockets.extend(Address::at(path).map(|address| Candidate { address, is_usual: is_ours }));
    }
    Candidates { sockets, none }
}

/// Returns the usual place of the session's bus, and whether the directory is this user's. Another user's directory
/// (`su` keeps the variable) has no bus of this session. If one answers there, `check_owner` refuses it.
fn usual(runtime: &[PathBuf]) -> Option<(PathBuf, bool)> {
    let owner = |folder: &&PathBuf| fs::metadata(folder).ok().map(|meta| meta.uid());
    let there = || runtime.iter().filter(|folder| folder.is_absolute());
    let ours = there().find(|folder| owner(folder).is_some_and(is_trusted));
    let any = || there().find(|folder| owner(folder).is_some());
    ours.map(|folder| (folder.join("bus"), true)).or_else(|| any().map(|folder| (folder.join("bus"), false)))
}

fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

impl Address {
    fn at(path: PathBuf) -> Option<Self> {
        Some(Self { socket: SocketAddrUnix::new(&path).ok()?, place: Place::Path(path) })
    }

    /// Reports whether this is the socket at a path, which may have several names.
    fn is_at(&self, path: &Path) -> bool {
        matches!(&self.place, Place::Path(own) if own == path || platform::same_file(own, path))
    }

    /// Parses one address of the list. Only `unix:` with `path` or `abstract` is accepted; other keys are ignored.
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

    /// Refuses a bus that another user runs. Once the real bus has ended, anybody can take its abstract name, or its
    /// path in a shared directory, and would receive keys.
    pub(crate) fn check_owner(&self, socket: &OwnedFd) -> Result<(), ServiceError> {
        let owner = match &self.place {
            // The owner of the file is asked for, since the peer may be outside this process's PID namespace.
            Place::Path(path) => std::fs::metadata(path).map(|meta| meta.uid()).ok(),
            Place::Abstract(_) => sockopt::socket_peercred(socket).map(|peer| peer.uid.as_raw()).ok(),
        };
        match owner {
            Some(uid) if is_trusted(uid) => Ok(()),
            Some(uid) => Err(ServiceError::Denied { why: format!("the session bus at {self} belongs to user {uid}") }),
            None => Err(ServiceError::Denied { why: format!("whose the session bus at {self} is cannot be told") }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bus: Option<&str>, runtime: &[&Path]) -> Vec<(String, bool)> {
        let runtime: Vec<PathBuf> = runtime.iter().map(PathBuf::from).collect();
        let found = candidates(bus.map(OsStr::new), &runtime).sockets;
        found.iter().map(|server| (server.address.to_string(), server.is_usual)).collect()
    }

    fn shown(bus: &str) -> Vec<String> {
        found(Some(bus), &[]).into_iter().map(|(address, _)| address).collect()
    }

    /// A runtime directory with a file where the bus's socket would be.
    fn runtime() -> (tempfile::TempDir, PathBuf, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let bus = folder.path().join("bus");
        fs::write(&bus, "").expect("a file");
        let text = bus.display().to_string();
        (folder, bus, text)
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
    fn whatever_the_address_says_the_usual_place_comes_last() {
        let (folder, _bus, usual) = runtime();
        let runtime = [folder.path()];
        for text in
            [None, Some(""), Some("autolaunch:"), Some("disabled:"), Some("nonsense"), Some("tcp:host=a,port=1")]
        {
            assert_eq!(found(text, &runtime), [(usual.clone(), true)], "{text:?}");
        }
        assert_eq!(found(Some("unix:runtime=yes"), &runtime), [(usual.clone(), true)]);
        let named = found(Some("unix:path=/nowhere;unix:abstract=x"), &runtime);
        assert_eq!(named, [("/nowhere".to_owned(), false), ("@x".to_owned(), false), (usual.clone(), true)]);
        // Named already, by whatever path: it keeps its place.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("bus", &link).expect("a link");
        for own in [&usual, &link.display().to_string()] {
            let named = found(Some(&format!("unix:path={own},guid=00;unix:path=/nowhere")), &runtime);
            assert_eq!(named, [(own.clone(), true), ("/nowhere".to_owned(), false)]);
        }
        // A session without a bus of its own has none that could be unreachable.
        fs::remove_file(&usual).expect("removed");
        assert_eq!(found(Some("unix:path=/nowhere"), &runtime), [("/nowhere".to_owned(), false)]);
        assert!(found(None, &runtime).is_empty());
    }

    #[test]
    fn a_runtime_directory_must_be_there_and_absolute_and_the_users_own() {
        let (folder, _bus, usual) = runtime();
        let (_other, _, second) = runtime();
        let second_folder = Path::new(&second).parent().expect("its folder");
        for unusable in [Path::new("relative"), Path::new("/nonexistent/run")] {
            assert_eq!(found(None, &[unusable, folder.path()]), [(usual.clone(), true)]);
            assert!(found(None, &[unusable]).is_empty());
        }
        assert!(found(None, &[]).is_empty());
        // The first that counts is the session's, even where it has no bus.
        fs::remove_file(&usual).expect("removed");
        assert!(found(None, &[folder.path(), second_folder]).is_empty());
        // Only root can make a directory another's.
        if geteuid().is_root() {
            fs::write(&usual, "").expect("a file");
            std::os::unix::fs::chown(folder.path(), Some(12345), None).expect("chown");
            assert_eq!(found(None, &[folder.path(), second_folder]), [(second.clone(), true)]);
            assert_eq!(found(None, &[folder.path()]), [(usual, false)]);
        }
    }
}
