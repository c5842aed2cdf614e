//! Which URLs credentials may be sent to: over TLS, or to where nobody else listens.

/// The hosts to which requests may go without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http {
    /// The machines of a private network: the settings have `allow-http = true`.
    Private,
    /// This machine alone.
    Loopback,
}

/// Checks that a key may be sent to a URL: over TLS, to this machine, or, if that is allowed, to a machine of a private
/// network. `{name}` in the URL is a part that the user must fill in. The error does not repeat the URL, since a key
/// may be in it; the error's place in the file identifies it.
pub(crate) fn check_url(url: &str, http: Http) -> Result<(), String> {
    if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\' || byte == b'"') {
        return Err("the URL has a character that no URL may have".into());
    }
    let (scheme, rest) = url.split_once("://").ok_or("this is not a URL such as https://host/v1")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("the URL holds a user name; a key belongs in the keychain".into());
    }
    let host = host_of(authority)?;
    match (scheme, Distance::of(host), http) {
        ("https", _, _) | ("http", Distance::Here, _) | ("http", Distance::Private, Http::Private) => Ok(()),
        ("http", Distance::Private, Http::Loopback) => Err(
            "the URL would send everything unencrypted through your network; use https, or say `allow-http = true` \
            beside it"
                .into(),
        ),
        ("http", Distance::Far, _) => Err("the URL would send everything unencrypted; use https".into()),
        _ => Err("the URL is neither https nor http".into()),
    }
}

// Returns the host of `host`, `host:port` or `[IPv6]:port`. Clients disagree about any other form.
fn host_of(authority: &str) -> Result<&str, &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("the URL has a `[` without its `]`")?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err("what stands between `[` and `]` is no IPv6 address");
            }
            (host, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err("the URL names no host");
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(host),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok() => Ok(host),
        _ => Err("the URL has no port number where one belongs"),
    }
}

/// The distance that a request to a host travels, as far as the host's name shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distance {
    /// It stays on this machine.
    Here,
    /// Within a private network: RFC 1918, RFC 4193, a name without a dot, or below `.internal` or `.local`.
    Private,
    /// Anywhere. A name that two clients may read as different hosts counts as well.
    Far,
}

impl Distance {
    fn of(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        if let Ok(address) = host.parse::<std::net::IpAddr>() {
            // `::ffff:10.0.0.1` is an IPv4 address to every client.
            return match address.to_canonical() {
                address if address.is_loopback() => Self::Here,
                std::net::IpAddr::V4(address) if address.is_private() => Self::Private,
                std::net::IpAddr::V6(address) if address.is_unique_local() => Self::Private,
                _ => Self::Far,
            };
        }
        let plain = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let labels: Vec<&str> = host.split('.').collect();
        // The URL standard reads a name whose last part is a number, such as `0x7f.1` or `2130706433`, as an IPv4
        // address.
        let last = labels.last().copied().unwrap_or_default();
        let number = last.bytes().all(|byte| byte.is_ascii_digit())
            || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if !labels.iter().all(|label| plain(label)) || number {
            return Self::Far;
        }
        match labels.as_slice() {
            ["localhost"] => Self::Here,
            [_] | [.., "internal" | "local"] => Self::Private,
            _ => Self::Far,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_only_sent_over_tls_or_to_this_machine() {
        for good in [
            "https://api.x.ai/v1",
            "http://127.0.0.1:80",
            "http://[::1]:9/v1",
            "http://localhost",
            "http://LocalHost:1",
            "http://[::ffff:127.0.0.1]",
            "https://{r}.a.com",
        ] {
            assert_eq!(check_url(good, Http::Loopback), Ok(()), "{good}");
        }
        for bad in [
            "http://api.x.ai",
            "ftp://x",
            "ftp://localhost",
            "x",
            "https://",
            "https://u:p@h/",
            "http://127.0.0.1.evil.com",
            "https://a b",
            "https://a\n",
            "http://[::1].evil.com/",
            "http://[::1]evil.com/",
            "http://[localhost]/",
            "http://[::1",
            "https://[evil",
            "http://localhost:80:evil.com/",
            "http://localhost:evil.com/",
            "http://127.0.0.1:99999",
            "http://127.0.0.1:",
            "http://localhost:+80",
        ] {
            assert!(check_url(bad, Http::Loopback).is_err(), "{bad}");
            assert!(check_url(bad, Http::Private).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_tls_a_private_network_is_reached_only_where_that_was_allowed() {
        for private in [
            "http://192.168.1.5:11434",
            "http://10.0.0.1",
            "http://172.16.0.1/v1",
            "http://172.31.255.255",
            "http://[fd00::1]:4000",
            "http://[::ffff:10.0.0.1]",
            "http://gateway:4000/v1",
            "http://llm.corp.internal",
            "http://nas.local:1234",
            "http://NAS.Local",
        ] {
            let refused = check_url(private, Http::Loopback).expect_err(private);
            assert!(refused.contains("`allow-http = true`"), "{private}: {refused}");
            assert_eq!(check_url(private, Http::Private), Ok(()), "{private}");
        }
        // Public, or not what it seems: another reader takes the host for something else.
        for far in [
            "http://8.8.8.8",
            "http://172.32.0.1",
            "http://169.254.169.254",
            "http://100.64.0.1",
            "http://0.0.0.0",
            "http://[2001:db8::1]",
            "http://[::ffff:8.8.8.8]",
            "http://134744072",
            "http://0x08080808",
            "http://010.0.0.1",
            "http://10.1",
            "http://0x7f.1",
            "http://example.com",
            "http://internal.example.com",
            "http://evil.com.",
            "http://com.",
            "http://gateway%2eexample%2ecom",
            "http://gateway\u{3002}com",
            "http://\u{ff4c}ocalhost",
            "http://.local",
            "http://a..internal",
            "http://xinternal.com",
        ] {
            for http in [Http::Loopback, Http::Private] {
                let refused = check_url(far, http).expect_err(far);
                assert!(!refused.contains("allow-http"), "{far}: {refused}");
            }
        }
    }
}
