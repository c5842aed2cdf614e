//! Leaves the account's key to the broker, and leads the agent there.

use super::fetch::Given;
use super::{LaunchError, Process, sockets};
use crate::audit::LogPlace;
use crate::broker::{self, Credential, Order};
use crate::env::{Change, Env};
use crate::https::{Origin, ProxyUrl, Roots};
use crate::lease::BootTime;
use crate::name::KeyName;
use crate::plan::{ADDRESS, Broker, Context, LaunchPlan, ProfilePart, SETTINGS};
use crate::platform;
use crate::registry::Protocol;
use crate::secret::{Key, Shape};
use crate::usage::Limits;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

pub(crate) use broker::serve;

/// Starts the broker with a key and writes its address into the process. Returns the token that takes the key's place.
pub(super) fn start(
    process: &mut Process,
    plan: &LaunchPlan,
    part: &ProfilePart,
    broker: &Broker,
    Given { key, loan }: Given,
    context: &Context<'_>,
    recorded: Option<LogPlace>,
) -> Result<Key, LaunchError> {
    let name = part.resolved.account.key().expect("the broker holds an account's key");
    let unknown = || LaunchError::Broker(io::Error::other("ringlet's own path cannot be told"));
    let scope = context.settings.scopes.get(&name.value);
    let origin = Origin::of(&broker.endpoint).ok_or_else(|| LaunchError::Broker(io::Error::other("no endpoint")))?;
    let proxy = ProxyUrl::toward(&origin, context.env).map_err(|error| LaunchError::Broker(io::Error::other(error)))?;
    let made =
        broker.socket.as_ref().map(|_| sockets::fresh(context.paths)).transpose().map_err(LaunchError::Broker)?;
    let (listener, socket) = made.map_or((None, None), |(listener, file)| (Some(listener), Some(file)));
    let order = Order {
        endpoint: broker.endpoint.clone(),
        protocol: broker.protocol,
        socket,
        credential: credential(broker),
        helper: broker.helper.clone(),
        key: name.value.clone(),
        store: context.settings.stores.named_for(&name.value),
        profile: part.resolved.profile.clone(),
        agent: part.resolved.agent.name.clone(),
        command: plan.start().command.clone(),
        cwd: context.cwd.to_owned(),
        proxy,
        roots: Roots::FILES.iter().filter_map(|name| context.env.absolute(name)).collect(),
        usage: context.paths.usage(),
        limits: scope.map_or_else(Limits::default, |scope| Limits {
            requests: scope.requests_per_day,
            tokens: scope.tokens_per_day,
        }),
        models: scope.and_then(|scope| scope.models.clone()),
        rule: scope.map(|scope| format!("{}:{}", context.paths.config().display(), scope.line)),
        lease_ends: lease_ends(plan, &name.value)?,
        audit: recorded,
        keeper: loan.keeper(),
    };
    let ringlet = context.ringlet.ok_or_else(unknown)?;
    let started = broker::start(ringlet, context.env.non_empty("TZ"), &order, listener, key.expose());
    if let (Err(_), Some(file)) = (&started, &order.socket) {
        let _ = std::fs::remove_file(file);
    }
    let sidecar = started.map_err(LaunchError::Broker)?;
    loan.leave();
    let address = sidecar.address;
    let own = part.changes.iter().filter_map(|change| match change {
        Change::Set(name, value) if !part.resolved.env.contains_key(name) => Some((name, value.to_str()?)),
        Change::Set(..) | Change::Unset(_) => None,
    });
    for (name, value) in own.filter(|(_, value)| value.contains(ADDRESS)) {
        process.env.set(name.as_str(), value.replace(ADDRESS, &address).into());
    }
    // The first argument is the command.
    for word in process.arguments.iter_mut().skip(1).take(broker.own_arguments) {
        if let Some(text) = word.to_str().filter(|text| text.contains(ADDRESS)) {
            *word = text.replace(ADDRESS, &address).into();
        }
    }
    if let Some((_, text)) = &broker.settings {
        let file =
            platform::inheritable_file(text.replace(ADDRESS, &address).as_bytes()).map_err(LaunchError::Broker)?;
        for word in process.arguments.iter_mut().skip(1).take(broker.own_arguments).filter(|word| *word == SETTINGS) {
            *word = format!("/dev/fd/{file}").into();
        }
    }
    go_direct(&mut process.env);
    Ok(Key::new(sidecar.token, Shape::Header).expect("digits fit a header"))
}

// The clock that leases use goes on while the machine sleeps.
fn lease_ends(plan: &LaunchPlan, key: &KeyName) -> Result<Option<Duration>, LaunchError> {
    let passes = plan.scopes().map_or(&[][..], |passed| &passed.keys);
    let left = passes.iter().find(|pass| pass.key == *key).and_then(|pass| pass.lease);
    let end = |left| BootTime::now().map(|now| now.clock + left).map_err(LaunchError::Broker);
    left.map(end).transpose()
}

fn credential(broker: &Broker) -> Credential {
    match broker.protocol {
        Protocol::Anthropic if !broker.bearer => Credential::XApiKey,
        Protocol::Gemini => Credential::XGoogApiKey,
        Protocol::Anthropic | Protocol::Chat | Protocol::Responses | Protocol::Own => Credential::Bearer,
    }
}

// Some runtimes send requests to this machine through a proxy as well. Of the two spellings some programs read only
// one, and others prefer either.
fn go_direct(env: &mut Env) {
    let values = ["NO_PROXY", "no_proxy"].map(|name| (name, env.non_empty(name).map(ToOwned::to_owned)));
    let any = values.iter().find_map(|(_, value)| value.clone());
    for (name, value) in values {
        let mut value: OsString = value.or_else(|| any.clone()).unwrap_or_default();
        // It stands for every server, but only alone.
        if value.to_str().is_some_and(|value| value.trim() == "*") {
            env.set(name, value);
            continue;
        }
        if !value.is_empty() {
            value.push(",");
        }
        value.push("127.0.0.1,localhost");
        env.set(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_excludes_from_the_proxy_stays_excluded() {
        let own = "127.0.0.1,localhost";
        let (a, b) = (format!("a.org,{own}"), format!("b.org,{own}"));
        for (upper, lower, wanted) in [
            ("a.org", "", [&a[..], &a]),
            ("", "b.org", [&b, &b]),
            ("a.org", "b.org", [&a, &b]),
            ("*", "", ["*", "*"]),
            ("a.org", " * ", [&a, " * "]),
            ("", "", [own, own]),
        ] {
            let mut env = Env::from_pairs([("NO_PROXY", upper), ("no_proxy", lower)]);
            go_direct(&mut env);
            let text = |name: &str| env.get(name).and_then(|value| value.to_str()).map(str::to_owned);
            let set = ["NO_PROXY", "no_proxy"].map(|name| text(name).expect("set"));
            assert_eq!(set, wanted, "{upper:?} {lower:?}");
        }
    }
}
