//! The ways in which shells write one character of a literal.
//!
//! Called by `keyset` to recognize an escaped character, and by `tokens` to write it again.

use serde::{Deserialize, Serialize};

/// How one character of a literal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Style {
    /// `\-`
    Backslash,
    /// `` `- ``
    Backtick,
    /// A quote written twice.
    Doubled,
    /// `\x2d`
    LowerHex,
    /// `\x2D`
    UpperHex,
    /// `\X2d`, fish's for bytes.
    LowerHexBig,
    /// `\X2D`
    UpperHexBig,
    /// `\055`
    Octal3,
    /// `\55`
    Octal2,
    /// `\0055`
    Octal4,
    /// `\u002d`
    LowerShort,
    /// `\u002D`
    UpperShort,
    /// `\U0000002d`
    LowerLong,
    /// `\U0000002D`
    UpperLong,
    /// `\u2d`
    LowerBare,
    /// `\u2D`
    UpperBare,
    /// `` `u{2d} ``
    LowerBraced,
    /// `` `u{2D} ``
    UpperBraced,
}

// The longer forms first: `\0055` must not be taken for `\005` and a 5.
const STYLES: &[Style] = &[
    Style::LowerLong,
    Style::UpperLong,
    Style::LowerShort,
    Style::UpperShort,
    Style::LowerBraced,
    Style::UpperBraced,
    Style::LowerHex,
    Style::UpperHex,
    Style::LowerHexBig,
    Style::UpperHexBig,
    Style::Octal4,
    Style::Octal3,
    Style::LowerBare,
    Style::UpperBare,
    Style::Octal2,
    Style::Doubled,
    Style::Backslash,
    Style::Backtick,
];

impl Style {
    /// Finds the style in which the text's start writes this byte, and how many bytes that takes.
    pub(super) fn at(text: &[u8], byte: u8) -> Option<(Self, usize)> {
        STYLES.iter().find_map(|style| {
            let written = style.write(byte);
            text.starts_with(&written).then_some((*style, written.len()))
        })
    }

    /// Writes the byte in this style.
    pub(super) fn write(self, byte: u8) -> Vec<u8> {
        match self {
            Self::Backslash => vec![b'\\', byte],
            Self::Backtick => vec![b'`', byte],
            Self::Doubled => vec![byte, byte],
            Self::LowerHex => format!("\\x{byte:02x}").into_bytes(),
            Self::UpperHex => format!("\\x{byte:02X}").into_bytes(),
            Self::LowerHexBig => format!("\\X{byte:02x}").into_bytes(),
            Self::UpperHexBig => format!("\\X{byte:02X}").into_bytes(),
            Self::Octal2 => format!("\\{byte:o}").into_bytes(),
            Self::Octal3 => format!("\\{byte:03o}").into_bytes(),
            Self::Octal4 => format!("\\0{byte:03o}").into_bytes(),
            Self::LowerShort => format!("\\u{byte:04x}").into_bytes(),
            Self::UpperShort => format!("\\u{byte:04X}").into_bytes(),
            Self::LowerLong => format!("\\U{byte:08x}").into_bytes(),
            Self::UpperLong => format!("\\U{byte:08X}").into_bytes(),
            Self::LowerBare => format!("\\u{byte:x}").into_bytes(),
            Self::UpperBare => format!("\\u{byte:X}").into_bytes(),
            Self::LowerBraced => format!("`u{{{byte:x}}}").into_bytes(),
            Self::UpperBraced => format!("`u{{{byte:X}}}").into_bytes(),
        }
    }
}
