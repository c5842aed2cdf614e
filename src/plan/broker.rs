//! Decides whether an agent gets its key itself, or the address of a broker that holds it.

use super::{Context, PlanError, stored};
use crate::env::Env;
#[cfg(target_os = "linux")]
use crate::https::{Origin, ProxyUrl};
use crate::name::Variable;
use crate::platform;
use crate::profile::{Account, Delivery, Reach, Resolved};
use crate::registry::{Brokered, Helper, Owner, Protocol, Settings, Unless, Version};
use std::ffi::OsString;

/// The text that stands for the broker's address in a plan. The port is known once the broker listens.
pub(crate) const ADDRESS: &str = "{broker}";

/// The argument that stands for the file of the broker's settings.
pub(crate) const SETTINGS: &str = "{broker-settings}";

/// A launch whose key is held by a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broker {
    /// The base URL that the broker sends requests to.
    pub endpoint: String,
    /// The protocol that is spoken there.
    pub protocol: Protocol,
    /// Whether the key is sent as a bearer token over a protocol that has another header as well.
    pub bearer: bool,
    /// The variable for a Unix socket; `None` if the broker listens on loopback.
    pub socket: Option<Variable>,
    /// The child of the agent that may use the key as well.
    pub helper: Option<Helper>,
    /// What the agent loses.
    pub loses: Option<String>,
    /// The option for a file of settings, and their text with [`ADDRESS`].
    pub settings: Option<(String, String)>,
    /// The number of arguments, from the first on, that may hold [`ADDRESS`].
    pub own_arguments: usize,
}

// Variables that change how agents check a certificate, or prove who they are. The broker does not obey them.
const TLS: [&str; 6] = [
    "CLAUDE_CODE_CLIENT_CERT",
    "CURL_CA_BUNDLE",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_VERIFY",
];

/// Decides about the account of a profile. `None` means that the agent gets the key itself. A broker that is asked for
/// and cannot be had is an error. Where nobody asks, the agent gets one if it was tried with it and loses nothing.
pub(super) fn decide(
    context: &Context<'_>,
    resolved: &Resolved,
    version: Option<&Version>,
    words: &[OsString],
) -> Result<Option<Broker>, PlanError> {
    let Account::Key { key, reach, .. } = &resolved.account else { return Ok(None) };
    let scope = context.settings.scopes.get(&key.value).filter(|scope| scope.broker);
    match (resolved.delivery, scope) {
        (Delivery::Direct, Some(scope)) => Err(PlanError::BrokerOnly {
            key: key.value.clone(),
            what: format!("profile \"{}\" says `delivery = \"direct\"`", resolved.profile),
            rule: (context.paths.config(), scope.line),
        }),
        (Delivery::Direct, None) => Ok(None),
        (Delivery::Auto, None) => Ok(unasked(context, resolved, reach, version, words)),
        (Delivery::Broker, _) | (Delivery::Auto, Some(_)) => match possible(context, resolved, reach, version, words) {
            Ok(broker) => Ok(Some(broker)),
            Err(why) => Err(PlanError::NoBroker {
                key: key.value.clone(),
                agent: resolved.agent.title.clone(),
                why,
                rule: scope.map(|scope| (context.paths.config(), scope.line)),
                profile: resolved.profile.clone(),
            }),
        },
    }
}

// Returns the broker where the agent was tried with it and has all that it has with the key itself.
fn unasked(
    context: &Context<'_>,
    resolved: &Resolved,
    reach: &Reach,
    version: Option<&Version>,
    words: &[OsString],
) -> Option<Broker> {
    let known = resolved.agent.broker.as_ref()?;
    let has = |since: &String| version.is_some_and(|version| version.is_at_least(since));
    let is_tried = known.since.as_ref().is_some_and(has);
    // No tool sees what goes through a pipe.
    let is_said =
        |name: &String| words.iter().any(|word| word == name.as_str()) || context.env.non_empty(name).is_some();
    let by_pipe = reach.api.key_fd.as_ref().is_some_and(|(_, since)| has(since));
    let by_pipe = by_pipe && !reach.bearer && !reach.api.key_fd_unless.iter().any(is_said);
    let has_tls = TLS.iter().any(|name| context.env.non_empty(name).is_some());
    let is_own = resolved.agent.owner == Owner::Ringlet;
    if !is_own || !is_tried || known.hidden || by_pipe || has_tls {
        return None;
    }
    let broker = possible(context, resolved, reach, version, words).ok()?;
    (broker.loses.is_none() && stored::is_chosen(context, resolved)).then_some(broker)
}

// Why the broker cannot reach an endpoint, in words that go on after the agent's title.
#[cfg(target_os = "linux")]
fn cannot_reach(endpoint: &str, env: &Env) -> Option<String> {
    let Some(origin) = Origin::of(endpoint) else {
        // The URL is not repeated, since a key may be in it.
        return Some(
            "has an endpoint that the broker cannot go to: it needs a URL with a host in ASCII letters, a path that \
             cannot be read in two ways, and no query"
                .into(),
        );
    };
    ProxyUrl::toward(&origin, env).err().map(|error| format!("would go through a proxy, and {error}"))
}

#[cfg(not(target_os = "linux"))]
fn cannot_reach(_: &str, _: &Env) -> Option<String> {
    None
}

// Returns the broker for an account, or why there can be none, in words that go on after the agent's title.
fn possible(
    context: &Context<'_>,
    resolved: &Resolved,
    reach: &Reach,
    version: Option<&Version>,
    words: &[OsString],
) -> Result<Broker, String> {
    let agent = &resolved.agent;
    if !cfg!(target_os = "linux") {
        return Err("was not tried with the broker on this system".into());
    }
    if context.ringlet.is_none_or(|ringlet| ringlet.to_str().is_none()) {
        return Err("cannot be given one, because the path of ringlet itself is not known".into());
    }
    let known = agent.broker.as_ref();
    if let Some(why) = known.and_then(|known| known.refused.clone()) {
        return Err(why);
    }
    if known.is_none() && agent.owner == Owner::Ringlet {
        return Err("was not tried with the broker".into());
    }
    let api = &reach.api;
    // The form of some commands has its arguments beside those of the key.
    let settings = known.and_then(|known| known.settings.as_ref()).filter(|_| !api.follows_endpoint());
    let is_led = api.follows_endpoint()
        || api.key_args.iter().any(|word| word.contains("{base-url}"))
        || known.is_some_and(|known| known.is_led(api.protocol));
    let url = reach.base_url.as_ref().filter(|_| is_led);
    let url = url.ok_or("goes to its own service, and follows no other address")?;
    if known.is_some_and(|known| known.hidden) && !platform::sees_closed_processes() {
        return Err("closes itself to other processes of its user, so only root can tell its requests from those of \
                    its tools"
            .into());
    }
    for unless in known.iter().flat_map(|known| &known.unless) {
        if is_set(context, resolved, unless, words)? {
            return Err(unless.why.clone());
        }
    }
    // The suffix is a part of the API's own paths.
    let endpoint = url.value.strip_suffix(api.base_url_suffix.as_str()).unwrap_or(&url.value).to_owned();
    if let Some(why) = cannot_reach(&endpoint, context.env) {
        return Err(why);
    }
    let settings = match settings.and_then(|settings| Some((settings, settings.providers.get(&api.protocol)?))) {
        Some((settings, provider)) => Some(settings_for(resolved, settings, provider, &url.value, words)?),
        None => None,
    };
    let loses = known.and_then(|known| known.loses.clone());
    let is_lost = |at: &String| url.value.trim_end_matches('/') == at;
    let loses_here = known.and_then(|known| known.loses_at.as_ref()).is_none_or(is_lost);
    let follows = |since: &String| version.is_some_and(|version| version.is_at_least(since));
    // An address on loopback serves as well where the socket's path would be too long for the system.
    let socket = known.filter(|known| known.socket_since.as_ref().is_some_and(follows) && context.paths.fit_sockets());
    Ok(Broker {
        socket: socket.and_then(|known| known.socket.as_ref()?.parse().ok()),
        endpoint,
        protocol: reach.api.protocol,
        bearer: reach.bearer,
        helper: known.and_then(Brokered::helper),
        loses: loses.filter(|_| loses_here),
        settings,
        own_arguments: 0,
    })
}

// Fills settings in, which take the place of the user's own.
fn settings_for(
    resolved: &Resolved,
    settings: &Settings,
    provider: &str,
    base_url: &str,
    words: &[OsString],
) -> Result<(String, String), String> {
    let option = &settings.option;
    let is_said = |word: &str| word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
    let mut said = words.iter().filter_map(|word| word.to_str()).chain(resolved.args.iter().map(String::as_str));
    if resolved.config_dir.is_some() || said.any(is_said) {
        return Err(format!("is given settings of its own by `{option}` or `config-dir`, which say where it goes"));
    }
    let Some(model) = &resolved.model else {
        return Err("is told its model in the broker's settings, so the profile must have a `model`".into());
    };
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let text = settings.text.replace("{provider}", provider).replace("{base-url}", &quoted(&url(base_url, false)));
    Ok((option.clone(), text.replace("{model}", &quoted(&model.value))))
}

// Whether the variable, the arguments or the settings have the agent do this. A value that cannot be read is why there
// can be no broker.
fn is_set(context: &Context<'_>, resolved: &Resolved, unless: &Unless, words: &[OsString]) -> Result<bool, String> {
    let is_off = |value: &str| matches!(value.trim().to_ascii_lowercase().as_str(), "" | "0" | "false");
    if let Some(value) = unless.variable.as_ref().and_then(|name| context.env.non_empty(name)) {
        return Ok(!is_off(&value.to_string_lossy()));
    }
    let is_option = |word: &str| {
        unless.options.iter().any(|option| match option.strip_prefix("--") {
            Some(_) => word.strip_prefix(option.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')),
            // Short options may stand together.
            None => word.starts_with('-') && !word.starts_with("--") && word.contains(option.trim_start_matches('-')),
        })
    };
    let mut own = words.iter().take_while(|word| *word != "--").filter_map(|word| word.to_str());
    if own.any(is_option) {
        return Ok(true);
    }
    let files = resolved.agent.broker.iter().flat_map(|known| &known.files);
    for file in files.filter_map(|file| stored::path_of(context, resolved, file)) {
        let found = stored::entries(&file, std::slice::from_ref(&unless.key))
            .map_err(|error| format!("has settings that tell whether it can reach a broker: {error}"))?;
        if found.iter().any(|(_, value)| value.as_ref().is_none_or(|value| !is_off(value))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the base URL that the agent is given: the endpoint's path at the broker's address. Behind a socket the host
/// is a name alone.
pub(super) fn url(endpoint: &str, has_socket: bool) -> String {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    format!("http://{}{path}", if has_socket { "localhost" } else { ADDRESS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_endpoint_stays() {
        assert_eq!(url("https://api.anthropic.com", false), "http://{broker}");
        assert_eq!(url("https://api.openai.com/v1", false), "http://{broker}/v1");
        assert_eq!(url("http://127.0.0.1:8080/a/b", true), "http://localhost/a/b");
    }
}
