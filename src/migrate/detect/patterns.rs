//! The forms of keys: the vendors' own, or those that the open secret scanners (gitleaks, trufflehog) agree on.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// An agent's provider, whatever the variable.
    Agents,
    /// An agent's provider under a known name, another product's key otherwise.
    Named,
    /// Not an agent's.
    Other,
}

pub(super) struct Pattern {
    pub(super) provider: &'static str,
    pub(super) whose: Whose,
    pub(super) prefix: &'static str,
    body: Body,
}

impl Pattern {
    pub(super) const fn agents(
        provider: &'static str,
        prefix: &'static str,
        class: Class,
        least: usize,
        most: usize,
    ) -> Self {
        Self { provider, whose: Whose::Agents, prefix, body: Body::Run { class, least, most, tail: "" } }
    }

    pub(super) const fn other(provider: &'static str, prefix: &'static str, class: Class, least: usize) -> Self {
        Self { provider, whose: Whose::Other, prefix, body: Body::Run { class, least, most: usize::MAX, tail: "" } }
    }

    pub(super) fn matches(&self, value: &[u8]) -> bool {
        let Some(rest) = value.strip_prefix(self.prefix.as_bytes()) else { return false };
        match &self.body {
            Body::Run { class, least, most, tail } => {
                (*least..=*most).contains(&rest.len())
                    && rest.ends_with(tail.as_bytes())
                    && rest.iter().all(|byte| class.has(*byte))
            }
            Body::Marked { class, exactly } => {
                let fits = |at: usize| {
                    let after = rest.len() - at - MARKER.len();
                    exactly.map_or(at >= 20 && after >= 20, |size| at == size && after == size)
                };
                rest.iter().all(|byte| class.has(*byte))
                    && rest.windows(MARKER.len()).enumerate().any(|(at, window)| window == MARKER && fits(at))
            }
            Body::Padded { least, most } => {
                let size = rest.iter().position(|byte| *byte == b'=').unwrap_or(rest.len());
                (*least..=*most).contains(&size)
                    && rest.len() - size <= 2
                    && rest[..size].iter().all(|byte| BASE64.has(*byte))
                    && rest[size..].iter().all(|byte| *byte == b'=')
            }
        }
    }

    // How far a value that begins here may go.
    pub(super) fn reach(&self, bytes: &[u8], start: usize) -> usize {
        let from = start + self.prefix.len();
        match &self.body {
            // One more than there may be, so that a longer word is seen to go on.
            Body::Run { class, most, .. } => forth(bytes, from, *class, most.saturating_add(1).min(LONGEST_KEY)),
            Body::Marked { class, .. } => forth(bytes, from, *class, LONGEST_KEY),
            Body::Padded { .. } => {
                let end = forth(bytes, from, BASE64, LONGEST_KEY);
                end + bytes[end..].iter().take(2).take_while(|byte| **byte == b'=').count()
            }
        }
    }
}

enum Body {
    /// So many characters of a class, the last ones fixed.
    Run { class: Class, least: usize, most: usize, tail: &'static str },
    /// OpenAI's: the marker inside, with at least (or, in the old form, exactly) so many characters on either side.
    Marked { class: Class, exactly: Option<usize> },
    /// Base 64 with its padding.
    Padded { least: usize, most: usize },
}

pub(super) const MARKER: &[u8] = b"T3BlbkFJ";

pub(super) const PATTERNS: &[Pattern] = &[
    anthropic("sk-ant-api03-"),
    anthropic("sk-ant-admin01-"),
    Pattern::agents("claude-subscription", "sk-ant-oat", WORD_DASH, 20, usize::MAX),
    openai("sk-proj-"),
    openai("sk-svcacct-"),
    openai("sk-admin-"),
    openai("sk-None-"),
    Pattern {
        provider: "openai",
        whose: Whose::Agents,
        prefix: "sk-",
        body: Body::Marked { class: WORD, exactly: Some(20) },
    },
    // The same form serves maps, mail and databases.
    Pattern {
        provider: "google",
        whose: Whose::Named,
        prefix: "AIza",
        body: Body::Run { class: WORD_DASH, least: 35, most: 35, tail: "" },
    },
    Pattern::agents("google", "AQ.Ab8", WORD_DASH, 20, usize::MAX),
    Pattern::agents("kimi", "sk-kimi-", WORD_DASH, 20, usize::MAX),
    Pattern::agents("minimax", "sk-cp-", WORD_DASH, 20, usize::MAX),
    Pattern::agents("openrouter", "sk-or-v1-", HEX, 64, 64),
    Pattern::agents("xai", "xai-", WORD, 80, 80),
    Pattern::agents("groq", "gsk_", LETTER_DIGIT, 52, 52),
    Pattern::agents("perplexity", "pplx-", WORD, 48, 48),
    Pattern::agents("replicate", "r8_", WORD_DASH, 37, 37),
    Pattern::agents("nvidia", "nvapi-", WORD_DASH, 64, 64),
    Pattern { provider: "bedrock", whose: Whose::Agents, prefix: "ABSK", body: Body::Padded { least: 109, most: 269 } },
    Pattern::agents("cerebras", "csk-", LOWER_DIGIT, 48, 48),
    Pattern::agents("together", "tgp_v1_", WORD_DASH, 43, 43),
    Pattern::agents("cursor", "crsr_", HEX, 64, 64),
    Pattern::other("github", "ghp_", WORD, 20),
    Pattern::other("github", "gho_", WORD, 20),
    Pattern::other("github", "ghu_", WORD, 20),
    Pattern::other("github", "ghs_", WORD, 20),
    Pattern::other("github", "ghr_", WORD, 20),
    Pattern::other("github", "github_pat_", WORD, 20),
    Pattern::other("huggingface", "hf_", LETTER_DIGIT, 20),
    Pattern {
        provider: "aws",
        whose: Whose::Other,
        prefix: "AKIA",
        body: Body::Run { class: UPPER_DIGIT, least: 16, most: 16, tail: "" },
    },
    Pattern::other("npm", "npm_", LETTER_DIGIT, 20),
    Pattern::other("stripe", "sk_live_", LETTER_DIGIT, 20),
];

const fn anthropic(prefix: &'static str) -> Pattern {
    let body = Body::Run { class: WORD_DASH, least: 95, most: 95, tail: "AA" };
    Pattern { provider: "anthropic", whose: Whose::Agents, prefix, body }
}

const fn openai(prefix: &'static str) -> Pattern {
    let body = Body::Marked { class: WORD_DASH, exactly: None };
    Pattern { provider: "openai", whose: Whose::Agents, prefix, body }
}

// Beginnings that tell the provider of a value whose variable is known, even when the length is unusual.
pub(super) const PREFIXES: &[(&str, &str)] = &[
    ("sk-ant-oat", "claude-subscription"),
    ("sk-ant-", "anthropic"),
    ("sk-or-", "openrouter"),
    ("sk-proj-", "openai"),
    ("sk-svcacct-", "openai"),
    ("sk-admin-", "openai"),
    ("sk-None-", "openai"),
    ("xai-", "xai"),
    ("gsk_", "groq"),
    ("AIza", "google"),
    ("AQ.", "google"),
    ("pplx-", "perplexity"),
    ("sk-kimi-", "kimi"),
    ("sk-cp-", "minimax"),
    ("sk-api-", "minimax"),
    // Those that other tools use, too: under an agent's variable they are the agent's.
    ("ghp_", "github"),
    ("gho_", "github"),
    ("ghu_", "github"),
    ("ghs_", "github"),
    ("ghr_", "github"),
    ("github_pat_", "github"),
    ("hf_", "huggingface"),
];

/// The provider that a value under a known variable names by its beginning or its form.
pub(super) fn owner(value: &[u8]) -> Option<&'static str> {
    let begins = PREFIXES.iter().find(|(prefix, _)| value.starts_with(prefix.as_bytes()));
    let marked = || value.starts_with(b"sk-") && value.windows(MARKER.len()).any(|window| window == MARKER);
    match begins {
        Some((_, provider)) => Some(provider),
        None if marked() => Some("openai"),
        None => is_two_part(value).then_some("zai"),
    }
}

// 32 hexadecimal digits, a dot, 16 letters or digits.
fn is_two_part(value: &[u8]) -> bool {
    let [id @ .., b'.', _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = value else { return false };
    id.len() == 32
        && id.iter().all(u8::is_ascii_hexdigit)
        && value[id.len() + 1..].iter().all(u8::is_ascii_alphanumeric)
}

// A set of ASCII characters, one bit each.
#[derive(Clone, Copy)]
pub(super) struct Class(u128);

impl Class {
    const fn of(ranges: &[(u8, u8)]) -> Self {
        let (mut bits, mut index) = (0u128, 0);
        while index < ranges.len() {
            let mut byte = ranges[index].0;
            while byte <= ranges[index].1 {
                bits |= 1 << byte;
                byte += 1;
            }
            index += 1;
        }
        Self(bits)
    }

    pub(super) const fn has(self, byte: u8) -> bool {
        byte < 128 && self.0 >> byte & 1 == 1
    }
}

const HEX: Class = Class::of(&[(b'0', b'9'), (b'a', b'f')]);

const LOWER_DIGIT: Class = Class::of(&[(b'0', b'9'), (b'a', b'z')]);

const UPPER_DIGIT: Class = Class::of(&[(b'0', b'9'), (b'A', b'Z')]);

pub(super) const LETTER_DIGIT: Class = Class::of(&[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')]);

pub(super) const WORD: Class = Class::of(&[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z'), (b'_', b'_')]);

pub(super) const WORD_DASH: Class = Class::of(&[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z'), (b'_', b'_'), (b'-', b'-')]);

const BASE64: Class = Class::of(&[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z'), (b'+', b'+'), (b'/', b'/')]);

pub(super) const PLAUSIBLE: Class =
    Class::of(&[(b'+', b'+'), (b'-', b':'), (b'=', b'='), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z'), (b'~', b'~')]);

/// No key that a store takes is longer, and no name by far. Without bounds, a file of nothing but `_KEY_KEY_KEY` would
/// be walked to its end once for each.
pub(super) const LONGEST_KEY: usize = 2560;
pub(super) const LONGEST_NAME: usize = 64;

/// The end of the characters of a class from here on, at most so many.
pub(super) fn forth(bytes: &[u8], from: usize, class: Class, most: usize) -> usize {
    let end = bytes.len().min(from + most);
    bytes[from..end].iter().position(|byte| !class.has(*byte)).map_or(end, |size| from + size)
}

/// The start of the characters of a class up to here, at most so many.
pub(super) fn back(bytes: &[u8], from: usize, class: Class, most: usize) -> usize {
    let start = from.saturating_sub(most);
    bytes[start..from].iter().rposition(|byte| !class.has(*byte)).map_or(start, |at| start + at + 1)
}
