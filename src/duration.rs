//! Lengths of time in text: `90s`, `30m`, `8h`, `7d`, `2w`. Settings, leases and `--since` use this form.

use std::time::Duration;

/// The reason why a text is no length of time. The message does not repeat the text, which may be a pasted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    /// The text is not a number with one unit.
    #[error("a length of time is a number and a unit, such as 30m, 8h or 7d")]
    Form,
    /// The length has more seconds than a number can hold.
    #[error("the length of time is too large")]
    TooLong,
}

/// Parses a number with one of the units `s`, `m`, `h`, `d` and `w`, without any other character.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = match &text[digits..] {
        _ if digits == 0 => return Err(DurationError::Form),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(DurationError::Form),
    };
    let seconds = text[..digits].parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    seconds.map(Duration::from_secs).ok_or(DurationError::TooLong)
}

/// Writes a length of time in its two largest units, rounded down: `7h59m`, `8h`, `45s`.
pub(crate) fn shown(length: Duration) -> String {
    let seconds = length.as_secs();
    let parts = [(seconds / 86_400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(parts.len() - 1);
    let mut text = format!("{}{}", parts[first].0, parts[first].1);
    if let Some((count, unit)) = parts.get(first + 1).filter(|(count, _)| *count > 0) {
        text.push_str(&format!("{count}{unit}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_length_of_time_and_nothing_else_is() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("30m", 1800), ("8h", 28_800), ("7d", 604_800), ("1w", 604_800)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "8", "h", "8 h", "-8h", "+8h", "8H", "1.5h", "8hours", "8h30m", "8h ", "\u{e9}8h", "8\u{e9}"] {
            assert_eq!(parse(text), Err(DurationError::Form), "{text:?}");
        }
        for text in ["99999999999999999999s", "9999999999999999999w"] {
            assert_eq!(parse(text), Err(DurationError::TooLong), "{text}");
        }
    }

    #[test]
    fn the_two_largest_units_are_shown() {
        for (seconds, text) in [(0, "0s"), (45, "45s"), (60, "1m"), (28_799, "7h59m"), (28_800, "8h"), (90_061, "1d1h")]
        {
            assert_eq!(shown(Duration::from_secs(seconds)), text);
        }
        assert_eq!(shown(Duration::from_secs(86_400 + 60)), "1d");
    }
}
