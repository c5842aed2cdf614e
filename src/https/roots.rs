//! The certificate authorities that a server's certificate may come from.

use super::error::HttpsError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;

/// The TLS settings with the system's authorities, and those of further files.
#[derive(Clone)]
pub(crate) struct Roots(pub(super) Arc<ClientConfig>);

impl Roots {
    /// The variables that name further authorities, in a file each.
    pub(crate) const FILES: [&str; 2] = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"];

    /// Reads the system's authorities and adds those in files. A file that cannot be read is an error. A certificate
    /// of the system that cannot be parsed is left out.
    pub(crate) fn load(files: &[PathBuf]) -> Result<Self, HttpsError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for file in files {
            let failed = |why: String| HttpsError::Roots { file: file.clone(), why };
            let read = CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?;
            for certificate in read {
                let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                store.add(certificate).map_err(|error| failed(error.to_string()))?;
            }
        }
        if store.is_empty() {
            return Err(HttpsError::NoRoots);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("the provider has them").with_root_certificates(store).with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}
