//! The proxy that the environment names for a server.

use super::origin::Origin;
use crate::env::Env;
use hyper::Uri;
use hyper::header::HeaderValue;
use hyper_util::client::proxy::matcher::Matcher;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The URL of the proxy for one server, which may hold a password; empty if there is none.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct ProxyUrl(Zeroizing<String>);

/// Why a proxy cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{variable} names no proxy that ringlet can go through: it is to be a URL such as http://proxy.example:3128")]
pub(crate) struct ProxyError {
    /// The variable.
    pub(crate) variable: &'static str,
}

/// A proxy that is asked for a tunnel.
pub(super) struct Proxy {
    pub(super) origin: Origin,
    pub(super) authorization: Option<HeaderValue>,
}

// The lower spelling first, as curl does.
const HTTPS: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];
const ALL: [&str; 2] = ["all_proxy", "ALL_PROXY"];
const NO: [&str; 2] = ["no_proxy", "NO_PROXY"];

impl ProxyUrl {
    /// Reads the variables for a server. Only requests over TLS go through a proxy, and what `NO_PROXY` names does not.
    /// A value that names no HTTP proxy is an error, since a request would else go another way than the user has said.
    pub(crate) fn toward(origin: &Origin, env: &Env) -> Result<Self, ProxyError> {
        let value = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, env.non_empty(name)?)));
        let Some((variable, text)) = value(HTTPS).or_else(|| value(ALL)) else { return Ok(Self::default()) };
        let excluded = value(NO).map(|(_, text)| text.to_string_lossy().into_owned()).unwrap_or_default();
        let any = Matcher::builder().all("http://proxy").no(excluded).build();
        if !origin.tls || origin.url().parse().is_ok_and(|server: Uri| any.intercept(&server).is_none()) {
            return Ok(Self::default());
        }
        let url = Self(Zeroizing::new(text.to_str().ok_or(ProxyError { variable })?.to_owned()));
        url.proxy().ok_or(ProxyError { variable })?;
        Ok(url)
    }

    /// Returns the proxy.
    pub(super) fn proxy(&self) -> Option<Proxy> {
        let matcher = Matcher::builder().all(self.0.as_str()).build();
        let found = matcher.intercept(&Uri::from_static("https://a.b"))?;
        let tls = match found.uri().scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let mut authorization = found.basic_auth().cloned();
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        // The port of a proxy that names none is curl's.
        let port = found.uri().port_u16().unwrap_or(if tls { 443 } else { 1080 });
        let host = found.uri().host()?;
        let origin = Origin::of(&format!("{}://{host}:{port}", if tls { "https" } else { "http" }))?;
        Some(Proxy { origin, authorization })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(pairs: &[(&str, &str)], endpoint: &str) -> Option<String> {
        let origin = Origin::of(endpoint).expect("an endpoint");
        let url = ProxyUrl::toward(&origin, &Env::from_pairs(pairs.iter().copied())).expect("a usable proxy");
        let proxy = url.proxy()?;
        let authorization = proxy.authorization.map(|value| format!(" {}", value.to_str().expect("text")));
        Some(proxy.origin.url() + &authorization.unwrap_or_default())
    }

    #[test]
    fn requests_over_tls_go_through_the_proxy_and_all_others_go_direct() {
        let api = "https://api.x.org/v1";
        let goes = |url: &str| Some(url.to_owned());
        assert_eq!(way(&[], api), None);
        assert_eq!(way(&[("HTTPS_PROXY", "http://p:3128")], api), goes("http://p:3128"));
        assert_eq!(way(&[("https_proxy", "p:3128"), ("HTTPS_PROXY", "http://q:1")], api), goes("http://p:3128"));
        assert_eq!(way(&[("ALL_PROXY", "https://p")], api), goes("https://p:443"));
        assert_eq!(way(&[("ALL_PROXY", "http://p")], api), goes("http://p:1080"));
        assert_eq!(way(&[("ALL_PROXY", "http://p:1"), ("https_proxy", "http://q:2")], api), goes("http://q:2"));
        assert_eq!(way(&[("HTTPS_PROXY", "http://u:w@p:1")], api), goes("http://p:1 Basic dTp3"));
        for none in [("HTTP_PROXY", "http://p:1"), ("HTTPS_PROXY", "")] {
            assert_eq!(way(&[none], api), None, "{none:?}");
        }
        assert_eq!(way(&[("ALL_PROXY", "http://p:1"), ("HTTPS_PROXY", "http://p:1")], "http://api.x.org"), None);
    }

    #[test]
    fn what_no_proxy_names_goes_direct() {
        for no in ["api.x.org", "x.org", ".x.org", "*", "y.org, x.org"] {
            let pairs = [("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", no)];
            assert_eq!(way(&pairs, "https://api.x.org"), None, "{no}");
            let pairs = [("HTTPS_PROXY", "http://p:1"), ("no_proxy", no), ("NO_PROXY", "other")];
            assert_eq!(way(&pairs, "https://api.x.org"), None, "{no}");
        }
        let pairs = [("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", "10.0.0.0/8,other.org")];
        assert_eq!(way(&pairs, "https://10.1.2.3"), None);
        assert!(way(&pairs, "https://api.x.org").is_some());
    }

    #[test]
    fn a_value_that_is_no_proxy_is_an_error_and_not_passed_over() {
        for (variable, value) in [
            ("HTTPS_PROXY", "socks5://p:1"),
            ("all_proxy", "socks5h://p:1"),
            ("https_proxy", "a b"),
            ("HTTPS_PROXY", "http://"),
        ] {
            let toward = |endpoint, pairs: &[(&str, &str)]| {
                let origin = Origin::of(endpoint).expect("an endpoint");
                ProxyUrl::toward(&origin, &Env::from_pairs(pairs.iter().copied()))
            };
            let error = toward("https://api.x.org", &[(variable, value)]).err().expect("refused");
            assert_eq!(error.variable, variable, "{value}");
            // It is of no account where no proxy is asked.
            assert!(toward("http://api.x.org", &[(variable, value)]).is_ok());
            assert!(toward("https://api.x.org", &[(variable, value), ("NO_PROXY", "x.org")]).is_ok());
        }
    }
}
