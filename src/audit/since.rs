//! The points in time that `--since` and `--until` take. Called by `ringlet audit` alone.

use crate::duration::{self, DurationError};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Why a point in time was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinceError {
    /// Neither a duration nor a date nor a time.
    #[error(
        "{0:?} is not a point in time; write 30m, 24h, 7d or 2w, a date such as 2026-11-01, or a time such as \
        2026-11-01T09:30:00Z"
    )]
    Form(String),
    /// A day that no calendar has.
    #[error("{0:?} is not a day of the calendar")]
    Day(String),
    /// A time without its zone could be any of twenty-six hours.
    #[error("{0:?} has no time zone; end it in Z or in an offset such as +02:00")]
    Zone(String),
    /// Before the year -9999.
    #[error("{0:?} is too long ago")]
    TooFar(String),
}

/// Reads a duration before `now` (`45s`, `30m`, `24h`, `7d`, `2w`), an RFC 3339 timestamp, or a date, whose first
/// moment in UTC is meant, as the log's times are in UTC.
pub(crate) fn parse_since(text: &str, now: Timestamp) -> Result<Timestamp, SinceError> {
    // The text comes from a command line; `{:?}` escapes it, this bounds it. What does not even begin like a time may
    // be a key that was pasted.
    let shown = || text.chars().take(40).collect::<String>();
    match duration::parse(text) {
        Ok(ago) => {
            let ago = SignedDuration::try_from(ago).ok().and_then(|ago| now.checked_sub(ago).ok());
            ago.ok_or_else(|| SinceError::TooFar(shown()))
        }
        Err(DurationError::TooLong) => Err(SinceError::TooFar(shown())),
        Err(DurationError::Form) if text.starts_with(|c: char| c.is_ascii_digit()) => {
            parse_moment(text).map_err(|refuse| refuse(shown()))
        }
        Err(DurationError::Form) => Err(SinceError::Form(crate::name::shorten(text))),
    }
}

fn parse_moment(text: &str) -> Result<Timestamp, fn(String) -> SinceError> {
    // jiff reads more forms than RFC 3339 has; the shape is checked here, the calendar there.
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let Some(time) = shape.strip_prefix("0000-00-00") else { return Err(SinceError::Form) };
    if time.is_empty() {
        let day: Date = text.parse().map_err(|_| SinceError::Day as fn(_) -> _)?;
        return Ok(day.to_zoned(TimeZone::UTC).map_err(|_| SinceError::TooFar as fn(_) -> _)?.timestamp());
    }
    let Some(clock) = time.strip_prefix(['T', 't', ' ']).and_then(|time| time.strip_prefix("00:00")) else {
        return Err(SinceError::Form);
    };
    let clock = clock.strip_prefix(":00").unwrap_or(clock);
    let zone = clock.strip_prefix('.').map_or(clock, |fraction| fraction.trim_start_matches('0'));
    match zone {
        "Z" | "z" | "+00:00" | "-00:00" => text.parse().map_err(|_| SinceError::Day as fn(_) -> _),
        "" => Err(SinceError::Zone),
        _ => Err(SinceError::Form),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    #[test]
    fn durations_count_back_from_now() {
        let now = at("2026-11-22T12:00:00Z");
        for (text, want) in [
            ("0s", "2026-11-22T12:00:00Z"),
            ("45s", "2026-11-22T11:59:15Z"),
            ("30m", "2026-11-22T11:30:00Z"),
            ("24h", "2026-11-21T12:00:00Z"),
            ("7d", "2026-11-15T12:00:00Z"),
            ("2w", "2026-11-08T12:00:00Z"),
        ] {
            assert_eq!(parse_since(text, now), Ok(at(want)), "{text}");
        }
    }

    #[test]
    fn dates_begin_in_utc_and_times_carry_their_zone() {
        let now = at("2026-11-22T12:00:00Z");
        for (text, want) in [
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z"),
            ("2026-11-01T10:30:00Z", "2026-11-01T10:30:00Z"),
            ("2026-11-01T10:30:00.250Z", "2026-11-01T10:30:00.25Z"),
            ("2026-11-01T10:30:00+02:00", "2026-11-01T08:30:00Z"),
            ("2026-11-01 10:30:00-05:30", "2026-11-01T16:00:00Z"),
            ("2026-11-01T10:30Z", "2026-11-01T10:30:00Z"),
        ] {
            assert_eq!(parse_since(text, now), Ok(at(want)), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let now = at("2026-11-22T12:00:00Z");
        let error = |text: &str| parse_since(text, now).expect_err(text);
        for text in [
            "",
            "d",
            "7",
            "7 d",
            "-7d",
            "7D",
            "1.5h",
            "7days",
            "yesterday",
            "20261101",
            "2026-1-1",
            "2026-11-01T",
            "2026-11-01T10",
            "7d ",
            "\u{e9}7d",
            "7\u{e9}",
            "2026-11-01[UTC]",
        ] {
            assert!(matches!(error(text), SinceError::Form(_)), "{text:?}: {}", error(text));
        }
        for text in ["2026-13-01", "2026-02-29", "2026-02-31T00:00:00Z", "2026-11-01T25:00:00Z"] {
            assert!(matches!(error(text), SinceError::Day(_)), "{text:?}: {}", error(text));
        }
        assert!(matches!(error("2026-11-01T10:00:00"), SinceError::Zone(_)));
        assert!(matches!(error("99999999w"), SinceError::TooFar(_)));
        assert!(matches!(error("99999999999999999999999w"), SinceError::TooFar(_)));
        assert!(!error("\u{1b}[31m").to_string().contains('\u{1b}'));
    }
}
