//! Decides whether an agent gets its key itself, or the address of a broker that holds it.

use super::{Context, PlanError};
use crate::platform;
use crate::profile::{Account, Delivery, Reach, Resolved};
use crate::registry::{Brokered, Helper, Owner, Protocol};

/// The text that stands for the broker's address in a plan. The port is known once the broker listens.
pub(crate) const ADDRESS: &str = "{broker}";

/// A launch whose key is held by a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broker {
    /// The base URL that the broker sends requests to.
    pub endpoint: String,
    /// The protocol that is spoken there.
    pub protocol: Protocol,
    /// Whether the key is sent as a bearer token over a protocol that has another header as well.
    pub bearer: bool,
    /// The child of the agent that may use the key as well.
    pub helper: Option<Helper>,
    /// What the agent loses.
    pub loses: Option<String>,
    /// The number of arguments, from the first on, that may hold [`ADDRESS`].
    pub own_arguments: usize,
}

/// Decides about the account of a profile. `None` means that the agent gets the key itself. A broker that is asked for
/// and cannot be had is an error.
pub(super) fn decide(context: &Context<'_>, resolved: &Resolved) -> Result<Option<Broker>, PlanError> {
    let Account::Key { key, reach, .. } = &resolved.account else { return Ok(None) };
    let scope = context.settings.scopes.get(&key.value).filter(|scope| scope.broker);
    match (resolved.delivery, scope) {
        (Delivery::Direct, Some(scope)) => Err(PlanError::BrokerOnly {
            key: key.value.clone(),
            what: format!("profile \"{}\" says `delivery = \"direct\"`", resolved.profile),
            rule: (context.paths.config(), scope.line),
        }),
        (Delivery::Auto | Delivery::Direct, None) => Ok(None),
        (Delivery::Broker, _) | (Delivery::Auto, Some(_)) => match possible(context, resolved, reach) {
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

// Returns the broker for an account, or why there can be none, in words that go on after the agent's title.
fn possible(context: &Context<'_>, resolved: &Resolved, reach: &Reach) -> Result<Broker, String> {
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
    let is_led = api.follows_endpoint() || api.key_args.iter().any(|word| word.contains("{base-url}"));
    let url = reach.base_url.as_ref().filter(|_| is_led);
    let url = url.ok_or("goes to its own service, and follows no other address")?;
    if known.is_some_and(|known| known.hidden) && !platform::sees_closed_processes() {
        return Err("closes itself to other processes of its user, so only root can tell its requests from those of \
                    its tools"
            .into());
    }
    Ok(Broker {
        // The suffix is a part of the API's own paths.
        endpoint: url.value.strip_suffix(api.base_url_suffix.as_str()).unwrap_or(&url.value).to_owned(),
        protocol: reach.api.protocol,
        bearer: reach.bearer,
        helper: known.and_then(Brokered::helper),
        loses: known.and_then(|known| known.loses.clone()),
        own_arguments: 0,
    })
}

/// Returns the base URL that the agent is given: the endpoint's path at the broker's address.
pub(super) fn url(endpoint: &str) -> String {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    format!("http://{ADDRESS}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_endpoint_stays() {
        assert_eq!(url("https://api.anthropic.com"), "http://{broker}");
        assert_eq!(url("https://api.openai.com/v1"), "http://{broker}/v1");
        assert_eq!(url("http://127.0.0.1:8080/a/b"), "http://{broker}/a/b");
    }
}
