//! The registered programs, their permissions, and the decision about a request. No I/O.
//!
//! The form is keychain-auth's `config.json`: a program is known by its path *and* its SHA-256, and starts with no
//! permission at all. Ringlet adds `interpreter`: a script is known by its own path and hash, and by those of what runs
//! it, since an interpreter alone would let every script in. `registrations` reads and writes the policy; `request` and
//! `identity` ask it.

use super::protocol::{Action, Match, Reason, Request};
use crate::digest::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::{Path, PathBuf};

/// The only version there is.
pub(crate) const VERSION: &str = "1";

/// A program by its path and its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Its path, with symlinks resolved.
    pub path: PathBuf,
    /// Its SHA-256.
    pub hash: Hash,
}

/// A digest written `sha256:<hex>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub Digest);

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let digest = text.strip_prefix("sha256:").and_then(|hex| hex.parse().ok());
        digest.map(Self).ok_or_else(|| serde::de::Error::custom("a hash is `sha256:` and 64 hexadecimal digits"))
    }
}

/// A client, by the program that the kernel says it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The program, or the script where an interpreter runs one.
    pub program: Program,
    /// The interpreter that runs the script.
    pub interpreter: Option<Program>,
}

/// A registered program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// Where it lies, symlinks resolved.
    pub path: PathBuf,
    /// Its SHA-256.
    pub hash: Hash,
    /// When it was registered, RFC 3339.
    pub registered_at: String,
    /// The interpreter that runs it, where it is a script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<Program>,
    /// Services it may read.
    #[serde(default)]
    pub allowed_read_services: Vec<String>,
    /// Services it may write and delete in.
    #[serde(default)]
    pub allowed_write_services: Vec<String>,
    /// Whether it may list names.
    #[serde(default)]
    pub can_search: bool,
}

/// All registered programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// [`VERSION`].
    pub protocol_version: String,
    /// The registered programs.
    pub registered_binaries: Vec<Registered>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { protocol_version: VERSION.into(), registered_binaries: Vec::new() }
    }
}

impl Policy {
    /// Returns the entry of a client. Path and hash must match, and those of the interpreter.
    pub fn entry(&self, client: &Client) -> Option<&Registered> {
        self.registered_binaries.iter().find(|entry| {
            entry.path == client.program.path
                && entry.hash == client.program.hash
                && entry.interpreter == client.interpreter
        })
    }

    /// Reports whether a program is the interpreter of a registered script, by its path or by its content.
    pub fn runs_scripts(&self, program: &Program) -> bool {
        let interpreters = self.registered_binaries.iter().filter_map(|entry| entry.interpreter.as_ref());
        interpreters.into_iter().any(|known| known.path == program.path || known.hash == program.hash)
    }

    /// Reports whether any entry names a program at this path with an interpreter at the other.
    pub fn names(&self, program: &Path, interpreter: Option<&Path>) -> bool {
        let runs = |entry: &Registered| entry.interpreter.as_ref().map(|program| program.path.as_path()) == interpreter;
        self.registered_binaries.iter().any(|entry| entry.path == program && runs(entry))
    }

    /// Returns the entry for a path, whatever its hash.
    pub fn at(&mut self, path: &Path) -> Option<&mut Registered> {
        self.registered_binaries.iter_mut().find(|entry| entry.path == path)
    }
}

/// Decides whether a registered program may make a request, before anything is looked up. No program may name a service
/// in `reserved`, whatever the policy says.
pub(crate) fn decide(entry: &Registered, request: &Request, reserved: &[&str]) -> Result<(), Reason> {
    let services = match request.action {
        Action::Read | Action::Search => &entry.allowed_read_services,
        Action::Write | Action::Delete => &entry.allowed_write_services,
    };
    if reserved.contains(&request.service.as_str()) || !services.contains(&request.service) {
        return Err(Reason::ServiceNotAllowed);
    }
    if request.action == Action::Write && request.matching == Match::Prefix {
        return Err(Reason::MalformedRequest);
    }
    if request.enumerates() && !entry.can_search {
        return Err(Reason::ActionNotInPolicy);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn program(path: &str) -> Program {
        Program { path: path.into(), hash: Hash(Digest::of(path.as_bytes())) }
    }

    fn entry(path: &str) -> Registered {
        let Program { path, hash } = program(path);
        Registered {
            path,
            hash,
            registered_at: "2026-11-01T00:00:00Z".into(),
            interpreter: None,
            allowed_read_services: vec!["tool".into(), "ringlet-migrate".into()],
            allowed_write_services: vec![],
            can_search: false,
        }
    }

    fn request(action: &str, service: &str, matching: &str) -> Request {
        let values = if action == "write" { r#","values":["v"]"# } else { "" };
        let matching = if matching.is_empty() { String::new() } else { format!(r#","match":"{matching}""#) };
        let line = format!(
            r#"{{"type":"REQUEST","action":"{action}","service":"{service}","targets":["a"]{values}{matching}}}"#
        );
        Request::parse(line.as_bytes()).expect("well formed")
    }

    #[test]
    fn a_client_is_known_by_path_and_hash_and_interpreter() {
        let policy = Policy { registered_binaries: vec![entry("/bin/a")], ..Policy::default() };
        let client = |path: &str, of: &str| Client {
            program: Program { path: path.into(), hash: program(of).hash },
            interpreter: None,
        };
        assert!(policy.entry(&client("/bin/a", "/bin/a")).is_some());
        assert!(policy.entry(&client("/bin/a", "/bin/b")).is_none());
        assert!(policy.entry(&client("/bin/b", "/bin/a")).is_none());
        let script = Client { interpreter: Some(program("/bin/python3")), ..client("/bin/a", "/bin/a") };
        assert!(policy.entry(&script).is_none());
        let bound = Registered { interpreter: Some(program("/bin/python3")), ..entry("/bin/a") };
        let policy = Policy { registered_binaries: vec![bound], ..Policy::default() };
        assert!(policy.entry(&script).is_some());
        assert!(policy.entry(&Client { interpreter: Some(program("/bin/node")), ..script }).is_none());
        assert!(policy.entry(&client("/bin/a", "/bin/a")).is_none());
    }

    #[test]
    fn each_action_needs_its_own_permission() {
        use Reason::{ActionNotInPolicy, ServiceNotAllowed};
        let searching = |entry: Registered| Registered { can_search: true, ..entry };
        let writing = |entry: Registered| Registered { allowed_write_services: vec!["tool".into()], ..entry };
        let base = || entry("/bin/a");
        for (entry, action, matching, wanted) in [
            (base(), "read", "", Ok(())),
            (base(), "read", "prefix", Err(ActionNotInPolicy)),
            (searching(base()), "read", "prefix", Ok(())),
            (base(), "search", "", Err(ActionNotInPolicy)),
            (searching(base()), "search", "", Ok(())),
            (base(), "write", "", Err(ServiceNotAllowed)),
            (base(), "delete", "", Err(ServiceNotAllowed)),
            (writing(base()), "write", "", Ok(())),
            (writing(base()), "delete", "", Ok(())),
            (writing(base()), "delete", "prefix", Err(ActionNotInPolicy)),
            (searching(writing(base())), "delete", "prefix", Ok(())),
        ] {
            assert_eq!(decide(&entry, &request(action, "tool", matching), &[]), wanted, "{action} {matching}");
            assert_eq!(decide(&entry, &request(action, "other", matching), &[]), Err(ServiceNotAllowed));
        }
        let reserved = request("read", "ringlet-migrate", "");
        assert_eq!(decide(&base(), &reserved, &["ringlet-migrate"]), Err(ServiceNotAllowed));
    }

    proptest! {
        // Every request of a program without permissions is refused.
        #[test]
        fn no_permission_no_access(
            action in "read|search|delete",
            matching in "exact|prefix",
            service in "[a-z]{1,8}",
        ) {
            let none = Registered { allowed_read_services: vec![], ..entry("/bin/a") };
            prop_assert!(decide(&none, &request(&action, &service, &matching), &[]).is_err());
            let searching = Registered { can_search: true, ..none };
            prop_assert!(decide(&searching, &request(&action, &service, &matching), &[]).is_err());
        }

        #[test]
        fn a_policy_survives_its_file(
            path in "/[a-z/]{0,20}",
            services in prop::collection::vec("\\PC{1,10}", 0..4),
            search in any::<bool>(),
        ) {
            let it = Registered { allowed_write_services: services, can_search: search, ..entry(&path) };
            let policy = Policy { registered_binaries: vec![it], ..Policy::default() };
            let text = serde_json::to_string(&policy).expect("serialises");
            prop_assert_eq!(serde_json::from_str::<Policy>(&text).expect("reads"), policy);
        }
    }
}
