//! Why a request did not reach its server, in words for a person.

use rustls::CertificateError;
use std::io;

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpsError {
    /// The name has no address.
    #[error("the address of {host} is not found: {error}")]
    Name {
        /// The server or proxy.
        host: String,
        /// The system's error.
        error: io::Error,
    },
    /// No connection was made.
    #[error("{host} cannot be reached: {error}")]
    Unreached {
        /// The server or proxy, with its port.
        host: String,
        /// The system's error.
        error: io::Error,
    },
    /// The server's certificate was refused, or TLS failed.
    #[error("the connection to {host} is not safe: {why}")]
    Tls {
        /// The server or proxy.
        host: String,
        /// The reason.
        why: String,
    },
    /// The proxy made no tunnel.
    #[error("the proxy {proxy} does not let the connection through: it answers {status}")]
    Proxy {
        /// The proxy.
        proxy: String,
        /// Its answer.
        status: String,
    },
    /// The connection ended, or the answer is not HTTP.
    #[error("the connection broke: {0}")]
    Broken(hyper::Error),
    /// The same on a connection that was kept since an earlier request, which servers close at any time.
    #[error("the connection broke: {0}")]
    Stale(hyper::Error),
}

impl HttpsError {
    /// Reports whether the server may have received a part of the request.
    #[cfg(target_os = "linux")]
    pub(crate) fn may_have_left(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Stale(_))
    }

    /// Describes a failed handshake. `unread` is of [`Roots`](super::Roots).
    pub(super) fn tls(host: &str, error: &io::Error, unread: &str) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let why = match inner {
            Some(rustls::Error::InvalidCertificate(wrong)) => certificate(wrong) + unread,
            Some(other) => other.to_string(),
            None => error.to_string(),
        };
        Self::Tls { host: host.to_owned(), why }
    }
}

fn certificate(wrong: &CertificateError) -> String {
    match wrong {
        CertificateError::UnknownIssuer => "its certificate is by an authority that this system does not know".into(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; is the clock right?".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name".into()
        }
        CertificateError::Revoked => "its certificate was revoked".into(),
        // The text of webpki, which has no variant of rustls.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is that of an authority, which may be no server's own".into()
        }
        CertificateError::BadSignature => "its certificate is not by the authority that it names".into(),
        other => format!("its certificate is refused: {}", rustls::Error::InvalidCertificate(other.clone())),
    }
}
