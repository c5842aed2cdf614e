//! The scope of a key: the rule that `exec` and the daemon both apply.
//!
//! The check is a pure function. The caller passes the facts, the time included. An unknown fact refuses the key if the
//! scope needs the fact.

use crate::config::{Scope, Settings};
use crate::digest::Digest;
use crate::duration::shown;
use crate::lease::{BootTime, Grant, LeaseState};
use crate::name::{Agent, KeyName};
use crate::pins::Pin;
use crate::platform;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The facts about a request for a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// The agents that the requesting program may be: one for a launch, any number for a client of the daemon. One
    /// agent must satisfy the whole rule.
    pub agents: &'a [Agent],
    /// The canonical working directory.
    pub directory: Option<&'a Path>,
    /// The digest of the program that would receive the key.
    pub program: Option<Digest>,
    /// The pins. Pins of other agents are ignored.
    pub pins: &'a [Pin],
    /// The granted leases. Leases of other keys and ended leases are ignored.
    pub grants: &'a [Grant],
    /// The present time of the clock that leases use.
    pub now: Option<&'a BootTime>,
    /// Whether a command asks that is no agent.
    pub is_command: bool,
    /// Whether a broker holds the key, so that whoever asks does not get it.
    pub is_brokered: bool,
}

/// The scope of one key, ready to be checked.
#[derive(Debug, Clone)]
pub(crate) struct ScopeRule<'a> {
    key: KeyName,
    scope: &'a Scope,
    // The canonical directories of the scope that exist. Creating the rule resolves them; the check itself reads no
    // file.
    directories: Vec<PathBuf>,
}

/// A key that may be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) struct Pass {
    /// The key.
    pub key: KeyName,
    /// The conditions that hold, as short texts.
    pub because: Vec<String>,
    /// The time that the lease is still valid, if the scope needs a lease.
    pub lease: Option<Duration>,
}

/// The reason why a key may not be looked up. Its text continues a sentence: `the key anthropic/work is kept for
/// claude, and this is codex`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeRefusal {
    /// The key is kept for other agents.
    Agent {
        /// The agents that may use it.
        kept: Vec<Agent>,
        /// The requesting agents, if known.
        asking: Vec<Agent>,
    },
    /// The key is kept for other directories.
    Directory {
        /// The directories, as the settings name them.
        kept: Vec<PathBuf>,
        /// The requesting directory, if known.
        asking: Option<PathBuf>,
    },
    /// The key is kept for agents or a pinned program, and this is neither.
    Command,
    /// No program is pinned for the agent.
    NotPinned(Option<Agent>),
    /// The program cannot be read or is not known.
    Unmeasured(Option<Agent>),
    /// The program differs from the pinned one.
    Changed(Pin),
    /// There is no lease.
    NoLease,
    /// A lease exists for another agent or directory.
    NarrowLease,
    /// The lease ended this long ago.
    Ended(Duration),
    /// The lease ended when the system was restarted.
    OtherBoot,
    /// The clock that leases use cannot be read.
    NoClock,
    /// The key may leave through a broker alone.
    BrokerOnly,
}

impl ScopeRefusal {
    /// Reports whether a new lease would help.
    pub fn wants_lease(&self) -> bool {
        matches!(self, Self::NoLease | Self::NarrowLease | Self::Ended(_) | Self::OtherBoot)
    }

    // Returns how far the check got. Of several agents, the refusal of the one that got farthest is reported.
    fn stage(&self) -> u8 {
        match self {
            Self::BrokerOnly | Self::Command | Self::Agent { .. } | Self::Directory { .. } => 0,
            Self::NotPinned(_) | Self::Unmeasured(_) => 1,
            Self::Changed(_) => 2,
            Self::NoClock | Self::NoLease | Self::OtherBoot => 3,
            Self::Ended(_) | Self::NarrowLease => 4,
        }
    }
}

fn list<T: ToString>(names: &[T]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for ScopeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = |agent: &Option<Agent>| agent.as_ref().map_or_else(|| "the program".to_owned(), Agent::to_string);
        match self {
            Self::Agent { kept, asking } if asking.is_empty() => {
                write!(f, "is kept for {}, and which agent asks is not known", list(kept))
            }
            Self::Agent { kept, asking } => write!(f, "is kept for {}, and this is {}", list(kept), list(asking)),
            Self::Directory { kept, asking } => {
                let kept: Vec<_> = kept.iter().map(|path| path.display()).collect();
                write!(f, "is kept for what lies in {}, and the working directory is ", list(&kept))?;
                match asking {
                    Some(path) => write!(f, "{}", path.display()),
                    None => f.write_str("not known"),
                }
            }
            Self::NotPinned(agent) => write!(f, "is kept for a pinned program, and {} is not pinned", program(agent)),
            Self::Unmeasured(agent) => {
                write!(f, "is kept for a pinned program, and {} cannot be read", program(agent))
            }
            Self::Changed(pin) => {
                write!(f, "is kept for a pinned program, and {} has changed since it was pinned", pin.agent)
            }
            Self::NoLease => f.write_str("needs a lease, and there is none"),
            Self::NarrowLease => f.write_str("needs a lease, and the one there is is for another agent or directory"),
            Self::Ended(ago) => write!(f, "needs a lease, and the last one ended {} ago", shown(*ago)),
            Self::OtherBoot => f.write_str("needs a lease, and the last one ended when the system was started anew"),
            Self::Command => f.write_str("is kept for agents, and this is a command"),
            Self::BrokerOnly => f.write_str("is for brokered launches alone, and this one would be given it"),
            Self::NoClock => f.write_str("needs a lease, and the time since the system's start cannot be read"),
        }
    }
}

impl<'a> ScopeRule<'a> {
    /// Returns the rule for a key, or none if the settings have no scope for it. Resolves the symbolic links of the
    /// scope's directories. A directory that does not exist covers nothing.
    pub(crate) fn of(settings: &'a Settings, key: &KeyName) -> Option<Self> {
        let scope = settings.scopes.get(key)?;
        let directories =
            scope.directories.iter().flatten().filter_map(|path| platform::canonical(path).ok()).collect();
        Some(Self { key: key.clone(), scope, directories })
    }

    /// Reports whether the check needs the program's digest and the pins.
    pub(crate) fn wants_pin(&self) -> bool {
        self.scope.pin
    }

    /// Reports whether the check needs the leases and the clock.
    pub(crate) fn wants_lease(&self) -> bool {
        self.scope.lease.is_some()
    }

    /// Returns the line of the scope in the settings.
    pub(crate) fn line(&self) -> usize {
        self.scope.line
    }

    /// Checks the scope. The same facts always give the same result.
    pub(crate) fn check(&self, facts: &Facts<'_>) -> Result<Pass, ScopeRefusal> {
        let mut because = Vec::new();
        if self.scope.broker {
            if !facts.is_brokered {
                return Err(ScopeRefusal::BrokerOnly);
            }
            because.push("held by the broker".to_owned());
            let a_day = |most: Option<u64>, what| most.map(|most| format!("at most {most} {what} a day"));
            because.extend(a_day(self.scope.requests_per_day, "requests"));
            because.extend(a_day(self.scope.tokens_per_day, "tokens"));
            because.extend(self.scope.models.as_ref().map(|models| format!("for the models {}", models.join(", "))));
        }
        if facts.is_command && (self.scope.agents.is_some() || self.scope.pin) {
            return Err(ScopeRefusal::Command);
        }
        let agents: Vec<&Agent> = match &self.scope.agents {
            None => facts.agents.iter().collect(),
            Some(kept) => {
                let meant: Vec<_> = facts.agents.iter().filter(|agent| kept.contains(agent)).collect();
                if meant.is_empty() {
                    return Err(ScopeRefusal::Agent { kept: kept.clone(), asking: facts.agents.to_vec() });
                }
                because.push(format!("kept for {}", list(kept)));
                meant
            }
        };
        if let Some(kept) = &self.scope.directories {
            // Paths are compared component by component: `~/work2` is not below `~/work`.
            let holding = facts.directory.and_then(|here| self.directories.iter().find(|path| here.starts_with(path)));
            let Some(holding) = holding else {
                let asking = facts.directory.map(Path::to_owned);
                return Err(ScopeRefusal::Directory { kept: kept.clone(), asking });
            };
            because.push(format!("in {}", holding.display()));
        }
        // If no agent is known, only a lease without an agent can hold.
        let candidates: Vec<Option<&Agent>> =
            if agents.is_empty() { vec![None] } else { agents.into_iter().map(Some).collect() };
        let mut refused: Option<ScopeRefusal> = None;
        for agent in candidates {
            match self.check_pin(agent, facts).and_then(|()| self.check_lease(agent, facts)) {
                Ok(lease) => {
                    because.extend(self.scope.pin.then(|| "pinned".to_owned()));
                    because.extend(lease.map(|left| format!("leased for another {}", shown(left))));
                    return Ok(Pass { key: self.key.clone(), because, lease });
                }
                Err(reason) if refused.as_ref().is_none_or(|other| other.stage() < reason.stage()) => {
                    refused = Some(reason)
                }
                Err(_) => {}
            }
        }
        Err(refused.expect("there is at least one candidate, and each that fails leaves its reason"))
    }

    fn check_pin(&self, agent: Option<&Agent>, facts: &Facts<'_>) -> Result<(), ScopeRefusal> {
        if !self.scope.pin {
            return Ok(());
        }
        let Some(pin) = facts.pins.iter().find(|pin| agent == Some(&pin.agent)) else {
            return Err(ScopeRefusal::NotPinned(agent.cloned()));
        };
        match facts.program {
            None => Err(ScopeRefusal::Unmeasured(agent.cloned())),
            Some(digest) if digest != pin.digest => Err(ScopeRefusal::Changed(pin.clone())),
            Some(_) => Ok(()),
        }
    }

    // Returns the remaining time of the longest lease, or none if the scope needs no lease.
    fn check_lease(&self, agent: Option<&Agent>, facts: &Facts<'_>) -> Result<Option<Duration>, ScopeRefusal> {
        let Some(most) = self.scope.lease else { return Ok(None) };
        let now = facts.now.ok_or(ScopeRefusal::NoClock)?;
        let mut best = ScopeRefusal::NoLease;
        let mut left = Duration::ZERO;
        for grant in facts.grants.iter().filter(|grant| grant.key == self.key) {
            let covers = grant.covers(agent, facts.directory);
            match grant.state(now, most) {
                LeaseState::Valid(remaining) if covers => left = left.max(remaining),
                LeaseState::Valid(_) => best = ScopeRefusal::NarrowLease,
                LeaseState::Expired(ago) if covers => match best {
                    ScopeRefusal::Ended(shorter) if shorter <= ago => {}
                    ScopeRefusal::NarrowLease => {}
                    _ => best = ScopeRefusal::Ended(ago),
                },
                LeaseState::OtherBoot if covers && best == ScopeRefusal::NoLease => best = ScopeRefusal::OtherBoot,
                LeaseState::Expired(_) | LeaseState::OtherBoot => {}
            }
        }
        if left.is_zero() { Err(best) } else { Ok(Some(left)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agent(name: &str) -> Agent {
        name.parse().expect("valid")
    }

    fn scope() -> Scope {
        Scope {
            agents: None,
            directories: None,
            pin: false,
            broker: false,
            requests_per_day: None,
            tokens_per_day: None,
            models: None,
            lease: None,
            line: 1,
        }
    }

    fn rule<'a>(scope: &'a Scope, directories: &[&str]) -> ScopeRule<'a> {
        let directories = directories.iter().map(PathBuf::from).collect();
        ScopeRule { key: "anthropic/work".parse().expect("valid"), scope, directories }
    }

    const NOTHING: Facts<'static> = Facts {
        agents: &[],
        directory: None,
        program: None,
        pins: &[],
        grants: &[],
        now: None,
        is_command: false,
        is_brokered: false,
    };

    fn pin(name: &str, content: &str) -> Pin {
        let pinned = "2026-11-01T09:00:00Z".parse().expect("a time");
        Pin { agent: agent(name), program: "/bin/x".into(), digest: Digest::of(content.as_bytes()), pinned }
    }

    fn grant(key: &str, begins: u64, ends: u64) -> Grant {
        Grant {
            id: "0".into(),
            key: key.parse().expect("valid"),
            agent: None,
            directory: None,
            boot: "this".into(),
            begins: Duration::from_secs(begins),
            ends: Duration::from_secs(ends),
            granted: String::new(),
        }
    }

    fn at(seconds: u64) -> BootTime {
        BootTime { boot: "this".into(), clock: Duration::from_secs(seconds) }
    }

    #[test]
    fn an_empty_scope_asks_for_nothing() {
        let scope = scope();
        assert!(rule(&scope, &[]).check(&NOTHING).is_ok());
    }

    #[test]
    fn an_unknown_fact_refuses_where_the_scope_asks_for_it() {
        let agents = Scope { agents: Some(vec![agent("claude")]), ..scope() };
        assert!(matches!(rule(&agents, &[]).check(&NOTHING), Err(ScopeRefusal::Agent { .. })));
        let directories = Scope { directories: Some(vec!["/w".into()]), ..scope() };
        assert!(matches!(
            rule(&directories, &["/w"]).check(&NOTHING),
            Err(ScopeRefusal::Directory { asking: None, .. })
        ));
        let pinned = Scope { pin: true, ..scope() };
        assert_eq!(rule(&pinned, &[]).check(&NOTHING), Err(ScopeRefusal::NotPinned(None)));
        let (pins, agents) = ([pin("claude", "x")], [agent("claude")]);
        let facts = Facts { agents: &agents, pins: &pins, ..NOTHING };
        assert_eq!(rule(&pinned, &[]).check(&facts), Err(ScopeRefusal::Unmeasured(Some(agent("claude")))));
        let leased = Scope { lease: Some(Duration::from_secs(60)), ..scope() };
        let grants = [grant("anthropic/work", 0, 60)];
        assert_eq!(rule(&leased, &[]).check(&Facts { grants: &grants, ..NOTHING }), Err(ScopeRefusal::NoClock));
    }

    #[test]
    fn directories_are_compared_part_by_part_and_a_missing_one_holds_nothing() {
        let scope = Scope { directories: Some(vec!["/h/work".into(), "/gone".into()]), ..scope() };
        let rule = rule(&scope, &["/h/work"]);
        let check = |path: &str| rule.check(&Facts { directory: Some(Path::new(path)), ..NOTHING }).is_ok();
        assert!(check("/h/work") && check("/h/work/a/b"));
        assert!(!check("/h/work2") && !check("/h") && !check("/") && !check("/gone"));
    }

    #[test]
    fn one_agent_must_satisfy_the_whole_rule() {
        let scope = Scope {
            agents: Some(vec![agent("claude"), agent("codex")]),
            pin: true,
            lease: Some(Duration::from_secs(60)),
            ..scope()
        };
        let rule = rule(&scope, &[]);
        let both = [agent("claude"), agent("codex")];
        let pins = [pin("claude", "x"), pin("codex", "y")];
        let moment = at(10);
        let for_codex = [Grant { agent: Some(agent("codex")), ..grant("anthropic/work", 0, 60) }];
        let facts = Facts { agents: &both, pins: &pins, grants: &for_codex, now: Some(&moment), ..NOTHING };
        // Claude is the pinned program and codex has the lease. No agent has both.
        let claude = Facts { program: Some(Digest::of(b"x")), ..facts };
        assert_eq!(rule.check(&claude), Err(ScopeRefusal::NarrowLease));
        assert!(rule.check(&Facts { program: Some(Digest::of(b"y")), ..facts }).is_ok());
        assert!(matches!(
            rule.check(&Facts { program: Some(Digest::of(b"z")), ..facts }),
            Err(ScopeRefusal::Changed(_))
        ));
        let third = [agent("gemini")];
        assert!(matches!(rule.check(&Facts { agents: &third, ..claude }), Err(ScopeRefusal::Agent { .. })));
    }

    #[test]
    fn the_lease_that_holds_longest_counts_and_the_reason_is_the_closest_one() {
        let scope = Scope { lease: Some(Duration::from_secs(50)), ..scope() };
        let rule = rule(&scope, &[]);
        let moment = at(100);
        let check = |grants: &[Grant]| rule.check(&Facts { grants, now: Some(&moment), ..NOTHING });
        let key = "anthropic/work";
        assert_eq!(check(&[]), Err(ScopeRefusal::NoLease));
        assert_eq!(check(&[grant("anthropic/other", 90, 140)]), Err(ScopeRefusal::NoLease));
        let live = check(&[grant(key, 90, 110), grant(key, 80, 130), grant(key, 0, 50)]).expect("live");
        assert_eq!(live.lease, Some(Duration::from_secs(30)));
        let ended = [grant(key, 10, 40), grant(key, 50, 95), grant(key, 0, 10)];
        assert_eq!(check(&ended), Err(ScopeRefusal::Ended(Duration::from_secs(5))));
        assert_eq!(check(&[Grant { boot: "other".into(), ..grant(key, 90, 140) }]), Err(ScopeRefusal::OtherBoot));
        // The lease's file was edited to hold for ever. The limit in the settings still counts.
        assert_eq!(check(&[grant(key, 40, u64::MAX / 1000)]), Err(ScopeRefusal::Ended(Duration::from_secs(10))));
        let narrow = Grant { directory: Some("/w".into()), ..grant(key, 90, 140) };
        assert_eq!(check(&[narrow]), Err(ScopeRefusal::NarrowLease));
    }

    #[test]
    fn what_the_wall_clock_says_does_not_matter() {
        let scope = Scope { lease: Some(Duration::from_secs(50)), ..scope() };
        let rule = rule(&scope, &[]);
        for granted in ["", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "nonsense"] {
            let grants = [Grant { granted: granted.into(), ..grant("anthropic/work", 90, 140) }];
            for (now, holds) in [(120, true), (140, false)] {
                let moment = at(now);
                assert_eq!(rule.check(&Facts { grants: &grants, now: Some(&moment), ..NOTHING }).is_ok(), holds);
            }
        }
    }

    prop_compose! {
        fn any_grant()(
            key in prop::sample::select(vec!["a/b", "anthropic/work"]),
            agent in prop::sample::select(vec![None, Some("claude"), Some("codex")]),
            directory in prop::sample::select(vec![None, Some("/h/work"), Some("/h")]),
            boot in prop::sample::select(vec!["this", "other"]),
            begins in 0u64..200, ends in 0u64..200,
        ) -> Grant {
            Grant {
                agent: agent.map(|name| name.parse().expect("valid")), directory: directory.map(PathBuf::from),
                boot: boot.into(), ..grant(key, begins, ends)
            }
        }
    }

    prop_compose! {
        fn any_scope()(
            agents in prop::sample::select(vec![None, Some(vec!["claude"]), Some(vec!["claude", "codex"])]),
            in_work: bool, pin: bool, lease in prop::option::of(1u64..200),
        ) -> Scope {
            Scope {
                agents: agents.map(|names| names.into_iter().map(agent).collect()),
                directories: in_work.then(|| vec!["/h/work".into()]),
                pin, lease: lease.map(Duration::from_secs), line: 1,
                broker: false,
                requests_per_day: None,
                tokens_per_day: None,
                models: None,
            }
        }
    }

    proptest! {
        // The rule in the words of the documentation: there is one agent for which every condition holds.
        #[test]
        fn a_key_is_given_exactly_when_everything_that_is_asked_for_holds(
            scope in any_scope(),
            grants in prop::collection::vec(any_grant(), 0..4),
            names in prop::sample::subsequence(vec!["claude", "codex", "gemini"], 0..=3),
            directory in prop::sample::select(vec![None, Some("/h/work/a"), Some("/h/work2"), Some("/h")]),
            program in prop::sample::select(vec![None, Some("x"), Some("y")]),
            pinned in prop::sample::subsequence(vec![("claude", "x"), ("codex", "y"), ("gemini", "y")], 0..=3),
            clock in prop::option::of(0u64..200),
        ) {
            let agents: Vec<Agent> = names.iter().map(|name| agent(name)).collect();
            let pins: Vec<Pin> = pinned.iter().map(|(name, content)| pin(name, content)).collect();
            let moment = clock.map(at);
            let directory = directory.map(Path::new);
            let program = program.map(|text| Digest::of(text.as_bytes()));
            let now = moment.as_ref();
            let facts = Facts { agents: &agents, directory, program, pins: &pins, grants: &grants, now, ..NOTHING };
            let asked = rule(&scope, &["/h/work"]).check(&facts);
            let may = |who: Option<&Agent>| {
                let right_agent = scope.agents.as_ref().is_none_or(|kept| who.is_some_and(|who| kept.contains(who)));
                let right_place = scope.directories.is_none() || directory == Some(Path::new("/h/work/a"));
                let right_program = !scope.pin
                    || pins.iter().any(|pin| Some(&pin.agent) == who && Some(pin.digest) == program);
                let leased = scope.lease.is_none_or(|most| clock.is_some_and(|now| grants.iter().any(|grant| {
                    let (begins, ends) = (grant.begins.as_secs(), grant.ends.as_secs());
                    grant.key.to_string() == "anthropic/work" && grant.boot == "this"
                        && begins <= now && now < ends && now < begins + most.as_secs()
                        && grant.agent.as_ref().is_none_or(|mine| who == Some(mine))
                        && grant.directory.as_ref().is_none_or(|at| directory.is_some_and(|dir| dir.starts_with(at)))
                })));
                right_agent && right_place && right_program && leased
            };
            let wanted = agents.iter().any(|who| may(Some(who))) || (agents.is_empty() && may(None));
            prop_assert_eq!(asked.is_ok(), wanted, "{:?}", asked);
        }
    }
}
