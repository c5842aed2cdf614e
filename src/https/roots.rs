//! The certificate authorities that a server's certificate may come from.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;

/// The TLS settings with the system's authorities, and those of further files.
#[derive(Clone)]
pub(crate) struct Roots {
    pub(super) config: Arc<ClientConfig>,
    /// What could not be read, in words that follow the refusal of a certificate; else empty.
    pub(super) unread: Arc<str>,
}

impl Roots {
    /// The variables that name further authorities, in a file each.
    pub(crate) const FILES: [&str; 2] = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"];

    /// Reads the system's authorities and adds those in files. What cannot be read is left out, as the agents do, and
    /// is said when a certificate is refused.
    pub(crate) fn load(files: &[PathBuf]) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let mut unread = String::new();
        if store.is_empty() {
            unread.push_str("; this system has no certificate authorities");
        }
        for file in files {
            let mut failed = |why: String| unread.push_str(&format!("; {} was left out: {why}", file.display()));
            match CertificateDer::pem_file_iter(file) {
                Ok(read) => {
                    let (certificates, errors): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
                    if let Some(Err(error)) = errors.into_iter().next() {
                        failed(error.to_string());
                    }
                    store.add_parsable_certificates(certificates.into_iter().flatten());
                }
                Err(error) => failed(error.to_string()),
            }
        }
        Self { config: config(store), unread: unread.into() }
    }

    /// No authorities, for a server that is reached without TLS.
    #[cfg(target_os = "linux")]
    pub(crate) fn none() -> Self {
        Self { config: config(RootCertStore::empty()), unread: "".into() }
    }
}

fn config(store: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(config.expect("the provider has them").with_root_certificates(store).with_no_client_auth())
}
