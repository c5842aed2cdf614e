//! A server of Vault that the shell names: proposed as a store of the settings, since no launch asks the shell for it.

use crate::commands::Session;
use crate::config::{Settings, Source, StoreKind};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::shorten;
use crate::profile::edit;
use crate::words;
use std::ffi::OsString;
use toml_edit::DocumentMut;

// What `vault login` and `bao login` write.
const TOKEN_FILE: &str = "~/.vault-token";

// OpenBao's tools read their own names first.
const ADDRESS: [&str; 2] = ["BAO_ADDR", "VAULT_ADDR"];
const NAMESPACE: [&str; 2] = ["BAO_NAMESPACE", "VAULT_NAMESPACE"];
const CA_FILE: [&str; 2] = ["BAO_CACERT", "VAULT_CACERT"];

/// The table of a store, which the variables of the shell describe.
pub(super) struct Vault {
    variable: &'static str,
    keys: Vec<(&'static str, String)>,
}

impl Vault {
    /// Reads the variables. Nothing is proposed where the settings have a server already, or would not take this one.
    pub(super) fn of_shell(host: &mut Host, session: &Session) -> Option<Self> {
        let has_one = session.settings.stores.specs.values().any(|spec| matches!(spec.kind, StoreKind::Vault(_)));
        let is_taken = session.settings.stores.specs.keys().any(|name| name.as_str() == "vault");
        if has_one || is_taken {
            return None;
        }
        let env = &host.world.env;
        let value = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| Some((name, env.non_empty(name)?.to_str()?.to_owned())))
        };
        let (variable, address) = value(ADDRESS)?;
        let mut keys = vec![("address", address)];
        keys.extend(value(NAMESPACE).map(|(_, name)| ("namespace", name)));
        keys.extend(value(CA_FILE).map(|(_, file)| ("ca-file", file)));
        keys.push(("token-file", TOKEN_FILE.to_owned()));
        let made = Self { variable, keys };
        match made.added_to(session, "") {
            Ok(_) => Some(made),
            Err(why) => {
                host.output.note(format!("{variable} is not taken for a store: {}", why.message));
                None
            }
        }
    }

    /// What is done, in words, and the command that does it.
    pub(super) fn step(&self) -> (String, Vec<OsString>) {
        let table: Vec<String> =
            self.keys.iter().map(|(key, value)| format!("{key} = {}", toml::Value::from(value.as_str()))).collect();
        let command = words!["ringlet", "config", "set", "store.vault", format!("{{ {} }}", table.join(", "))];
        (
            format!(
                "describe the server in {} as the store \"vault\", for keys that are told to be there",
                self.variable
            ),
            command.into(),
        )
    }

    /// What the user does next.
    pub(super) fn next(&self) -> Hint {
        let rule = "{ store = \"vault\" }";
        Hint::from("no key is kept there yet; ")
            .command(words!["ringlet", "config", "set", "store-for.\"anthropic/work\"", rule])
            .and(" has one asked for there")
    }

    /// Adds the table to the text of the settings.
    pub(super) fn added_to(&self, session: &Session, text: &str) -> Result<String, Failure> {
        let parsed = text.parse::<DocumentMut>();
        let mut document = parsed.map_err(|_| Failure::new("config.toml was changed meanwhile, and is no TOML now"))?;
        for (key, value) in &self.keys {
            let quoted = toml::Value::from(value.as_str()).to_string();
            edit::assign_at(&mut document, &["store", "vault", key], &shorten(key), &quoted, true)?;
        }
        let text = document.to_string();
        let source = Source { file: session.paths.config(), text: text.clone(), access: None };
        Settings::parse(&source, &session.paths).map_err(|error| Failure::new(error.message))?;
        Ok(text)
    }
}
