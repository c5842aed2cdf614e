//! The certificate authorities that a server's certificate may come from.

use crate::platform;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

// Where Linux and the BSDs keep their authorities in one file: Debian and Arch, Fedora, openSUSE, Alpine. Other systems
// have a store of their own.
#[cfg(all(unix, not(target_os = "macos")))]
const SYSTEM: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
#[cfg(not(all(unix, not(target_os = "macos"))))]
const SYSTEM: &[&str] = &[];

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

    /// The authorities of one file alone.
    pub(crate) fn only(file: &Path) -> Result<Self, String> {
        const MOST: u64 = 4 << 20;
        let failed = |why: String| format!("{}: {why}", file.display());
        let read = platform::read_file(file, MOST).map_err(|error| failed(error.to_string()))?;
        let certificates = CertificateDer::pem_slice_iter(&read.bytes).collect::<Result<Vec<_>, _>>();
        let mut store = RootCertStore::empty();
        let unread = |_| failed("holds a certificate that cannot be read, or a part of one".into());
        let (added, _) = store.add_parsable_certificates(certificates.map_err(unread)?);
        if added == 0 { Err(failed("holds no certificate authority".into())) } else { Ok(Self::of(store)) }
    }

    /// The system's authorities, whatever the environment names.
    pub(crate) fn of_system() -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        let found = SYSTEM.iter().map(Path::new).find(|file| file.is_file());
        let read = match found {
            Some(file) => rustls_native_certs::load_certs_from_paths(Some(file), None),
            // These variables would be taken before the system's own.
            None => match ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().find(|name| std::env::var_os(name).is_some()) {
                Some(name) => return Err(format!("{name} is set, which does not count here: name a `ca-file`")),
                None => rustls_native_certs::load_native_certs(),
            },
        };
        store.add_parsable_certificates(read.certs);
        if store.is_empty() { Err("this system has no certificate authorities".into()) } else { Ok(Self::of(store)) }
    }

    fn of(store: RootCertStore) -> Self {
        Self { config: config(store), unread: "".into() }
    }

    /// No authorities, for a server that is reached without TLS.
    pub(crate) fn none() -> Self {
        Self::of(RootCertStore::empty())
    }
}

fn config(store: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(config.expect("the provider has them").with_root_certificates(store).with_no_client_auth())
}
