//! The dates of keys: which one has expired or soon will, and which one is so old that it should be replaced.

use crate::commands::Session;
use crate::commands::check::Checks;
use crate::dates::{Dates, expiry_day};
use crate::hint::Hint;
use crate::host::Host;
use crate::name::KeyName;
use crate::words;
use jiff::SignedDuration;

/// A key that expires within this time is named.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A key that was stored longer ago is named. A leaked key is of use to a stranger until it is revoked.
const OLD: SignedDuration = SignedDuration::from_hours(180 * 24);

/// So many old keys are named; of more only the number is said.
const MOST_NAMED: usize = 5;

/// Reports on the dates of these keys.
pub(super) fn check(host: &Host, session: &Session, names: &[KeyName], checks: &mut Checks) {
    let (dates, now) = (Dates::new(&session.paths), host.world.now);
    let rotate = |key: &KeyName| words!["ringlet", "keychain", "rotate", key.to_string()];
    let mut old = Vec::new();
    for key in names {
        let known = match dates.read(key) {
            Ok(known) => known,
            Err(error) => {
                let command = words!["ringlet", "keychain", "set", key.to_string(), "--expires", "never"];
                checks.note(error.to_string(), Hint::from("").command(command).and(" writes the record anew"));
                continue;
            }
        };
        match (known.expires, known.stored) {
            (Some(time), _) if time <= now => {
                checks.note(format!("{key} expired on {}", expiry_day(time)), Hint::run(rotate(key)));
            }
            (Some(time), _) if now.duration_until(time) <= SOON => {
                checks.note(format!("{key} expires on {}", expiry_day(time)), Hint::run(rotate(key)));
            }
            // A key with a day of its own is replaced by that day.
            (None, Some(time)) if now.duration_since(time) > OLD => old.push((time, key)),
            _ => {}
        }
    }
    old.sort();
    let Some((_, oldest)) = old.first() else { return };
    let named: Vec<String> = old.iter().take(MOST_NAMED).map(|(_, key)| key.to_string()).collect();
    let more = old.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let text = format!("stored more than {} days ago: {}{more}", OLD.as_hours() / 24, named.join(", "));
    checks.note(text, Hint::from("replace a key now and then: ").command(rotate(oldest)));
}

#[cfg(all(test, unix))]
mod tests {
    use crate::dates::Dates;
    use crate::env::Env;
    use crate::host::testing::Home;
    use crate::paths::Paths;
    use serde_json::Value;

    // The notes of `doctor` on dates, with their hints.
    fn notes(home: &Home) -> Vec<(String, String)> {
        let ran = home.run(&["--json", "doctor"]);
        let rows: Vec<Value> = serde_json::from_str(&ran.out).expect("JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let is_note = |row: &&Value| row["grade"] == "note" && text(&row["hint"]).contains("keychain ");
        let found = rows.iter().filter(is_note).map(|row| (text(&row["what"]), text(&row["hint"])));
        found.filter(|(what, _)| !what.starts_with("no profile uses") && !what.contains("the same key")).collect()
    }

    #[test]
    fn doctor_names_keys_that_expire_and_keys_that_are_old() {
        let mut home = Home::new();
        let dates = Dates::new(&Paths::new(&Env::from_pairs([("HOME", &home.path)])).expect("a home"));
        let at = |text: &str| text.parse().expect("a time");
        // It is noon of the second of January 2026.
        for (alias, stored, expires) in [
            ("fresh", "2025-12-01T00:00:00Z", None),
            ("old", "2025-06-01T00:00:00Z", None),
            ("older", "2024-06-01T00:00:00Z", None),
            ("kept", "2024-06-01T00:00:00Z", Some("2026-02-01T00:00:00Z")),
            ("soon", "2025-12-01T00:00:00Z", Some("2026-01-16T00:00:00Z")),
            ("over", "2025-12-01T00:00:00Z", Some("2026-01-02T00:00:00Z")),
        ] {
            home.input = format!("sk-ant-api03-{}", alias.repeat(20)).into_bytes();
            home.run(&["keychain", "set", "anthropic", alias, "--stdin"]).succeeds();
            let key = format!("anthropic/{alias}").parse().expect("a name");
            dates.stored(&key, at(stored), expires.map(at)).expect("written");
        }
        let of = |what: &str, command: &str| (what.to_owned(), format!("{command}`"));
        assert_eq!(
            notes(&home),
            [
                of("anthropic/over expired on 2026-01-02", "run `ringlet keychain rotate anthropic/over"),
                of("anthropic/soon expires on 2026-01-16", "run `ringlet keychain rotate anthropic/soon"),
                of(
                    "stored more than 180 days ago: anthropic/older, anthropic/old",
                    "replace a key now and then: `ringlet keychain rotate anthropic/older"
                ),
            ]
        );
    }
}
