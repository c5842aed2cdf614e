//! The server of an endpoint.

use hyper::Uri;

/// A server, and the path below which its API lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Whether it is reached over TLS.
    pub(crate) tls: bool,
    /// Its name or address, without brackets.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// The value of the `Host` header.
    pub(crate) authority: String,
    /// The path without a slash at its end, such as `/v1`, or an empty text.
    pub(crate) path: String,
}

impl Origin {
    /// Reads an endpoint. `None` if it is no `http` or `https` URL with a host, or if it has a user, a query, or a path
    /// that could be read in two ways.
    pub(crate) fn of(endpoint: &str) -> Option<Self> {
        let uri: Uri = endpoint.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let path = uri.path().trim_end_matches('/');
        if authority.as_str().contains('@') || uri.query().is_some() || !(path.is_empty() || is_plain(path)) {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return None;
        }
        Some(Self {
            tls,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: path.to_owned(),
        })
    }

    /// Returns the URL of the server, without a path.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

/// Reports whether every server reads a path in the same way: no empty or dotted part, and no encoded character that
/// could become one or end one.
pub(crate) fn is_plain(path: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:@!$&'()*+,=".contains(c);
    let part = |part: &str| {
        let mut rest = part;
        let mut is_dots = true;
        while let Some(c) = rest.chars().next() {
            let (c, length) = match c {
                '%' => match rest.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    Some(byte) if byte > b' ' && byte != 0x7f && !b"./\\%;?#".contains(&byte) => (None, 3),
                    _ => return false,
                },
                c if is_plain(c) => (Some(c), c.len_utf8()),
                _ => return false,
            };
            is_dots &= c == Some('.');
            rest = &rest[length..];
        }
        !is_dots
    };
    path.strip_prefix('/').is_some_and(|path| path.split('/').all(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_names_a_server_and_a_path() {
        let of = |text| {
            let origin = Origin::of(text)?;
            let url = origin.url();
            Some((url, origin.host, origin.port, origin.path))
        };
        let is =
            |url: &str, host: &str, port, path: &str| Some((url.to_owned(), host.to_owned(), port, path.to_owned()));
        assert_eq!(of("https://api.x.org"), is("https://api.x.org", "api.x.org", 443, ""));
        assert_eq!(of("https://api.x.org/v1/"), is("https://api.x.org", "api.x.org", 443, "/v1"));
        assert_eq!(of("http://127.0.0.1:8080/a/b"), is("http://127.0.0.1:8080", "127.0.0.1", 8080, "/a/b"));
        assert_eq!(of("http://[::1]:80"), is("http://[::1]:80", "::1", 80, ""));
        for none in [
            "",
            "api.x.org",
            "ftp://x.org",
            "https://u:p@x.org",
            "https://x.org/?a=b",
            "https://",
            "https:///v1",
            "https://x.org/a//b",
            "https://x.org/a/..",
            "https://x.org/a%2fb",
            "https://b\u{fc}cher.org",
        ] {
            assert_eq!(Origin::of(none), None, "{none}");
        }
    }
}
