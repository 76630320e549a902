//! The server's own certificate authority and key for service account tokens, under `<data>/pki`. Keys are
//! created once, readable by their owner alone, and never leave the directory except inside the
//! administrator's kubeconfig.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use time::{Duration, OffsetDateTime};

use crate::options::{Kubeconfig, Options};

const CA_DAYS: i64 = 3650;
const LEAF_DAYS: i64 = 365;

/// Why the keys could not be read or made. Never quotes key material.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{path}: {reason}")]
    Key { path: PathBuf, reason: String },
    #[error("cannot issue the certificate of {subject}: {reason}")]
    Issue { subject: String, reason: String },
}

pub(crate) struct Pki {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) ca_pem: String,
    /// PKCS#8 PEM of the token signing key.
    pub(crate) token_key: KeyPair,
}

/// A certificate with its key, both PEM.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

fn file_error(path: &Path, error: io::Error) -> PkiError {
    PkiError::File {
        path: path.into(),
        error,
    }
}

/// Writes a file that only its owner can read, so that it is whole or absent after a crash.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    let temporary = path.with_extension("new");
    let written = (|| {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => fs::File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    })();
    written.map_err(|error| file_error(path, error))
}

fn load_or_create_key(path: &Path) -> Result<KeyPair, PkiError> {
    let bad = |reason: String| PkiError::Key {
        path: path.into(),
        reason,
    };
    match fs::read_to_string(path) {
        Ok(pem) => KeyPair::from_pem(&pem).map_err(|e| bad(e.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key =
                KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| bad(e.to_string()))?;
            write_private(path, key.serialize_pem().as_bytes())?;
            Ok(key)
        }
        Err(error) => Err(file_error(path, error)),
    }
}

impl Pki {
    pub(crate) fn load_or_create(directory: &Path) -> Result<Self, PkiError> {
        fs::create_dir_all(directory).map_err(|e| file_error(directory, e))?;
        let key = load_or_create_key(&directory.join("ca.key"))?;
        let certificate = directory.join("ca.crt");
        let ca_pem = match fs::read_to_string(&certificate) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = self_signed(&key)?;
                write_private(&certificate, pem.as_bytes())?;
                pem
            }
            Err(error) => return Err(file_error(&certificate, error)),
        };
        let token_key = load_or_create_key(&directory.join("sa.key"))?;
        let issuer = Issuer::from_ca_cert_pem(&ca_pem, key).map_err(|e| PkiError::Key {
            path: certificate,
            reason: e.to_string(),
        })?;
        Ok(Self {
            issuer,
            ca_pem,
            token_key,
        })
    }

    /// The certificate that the API server shows to its clients.
    pub(crate) fn serving(&self, options: &Options) -> Result<Issued, PkiError> {
        let mut names: Vec<String> = [
            "localhost",
            "127.0.0.1",
            "::1",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ]
        .map(str::to_owned)
        .into();
        names.push(options.advertise.ip().to_string());
        names.extend(options.service_cidr.hosts().next().map(|ip| ip.to_string()));
        names.extend(options.extra_sans.iter().cloned());
        self.issue(
            "kube-apiserver",
            &[],
            &names,
            ExtendedKeyUsagePurpose::ServerAuth,
        )
    }

    /// Writes `pki/kubelet.crt` and `pki/kubelet.key` for the node's kubelet API; the server trusts nodes
    /// with certificates of its own authority only.
    pub(crate) fn write_kubelet_serving(&self, options: &Options) -> Result<(), PkiError> {
        let mut names: Vec<String> = ["localhost", "127.0.0.1"].map(str::to_owned).into();
        names.push(options.advertise.ip().to_string());
        names.extend(options.extra_sans.iter().cloned());
        let issued = self.issue(
            "system:node",
            &["system:nodes"],
            &names,
            ExtendedKeyUsagePurpose::ServerAuth,
        )?;
        let directory = options.data_dir.join("pki");
        write_private(&directory.join("kubelet.key"), issued.key.as_bytes())?;
        write_private(
            &directory.join("kubelet.crt"),
            issued.certificate.as_bytes(),
        )
    }

    /// A client certificate: the user is its common name, the groups its organisations.
    pub(crate) fn client(&self, user: &str, groups: &[&str]) -> Result<Issued, PkiError> {
        self.issue(user, groups, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        subject: &str,
        groups: &[&str],
        names: &[String],
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Issued, PkiError> {
        let failed = |e: rcgen::Error| PkiError::Issue {
            subject: subject.into(),
            reason: e.to_string(),
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject);
        for group in groups {
            params
                .distinguished_name
                .push(DnType::OrganizationName, *group);
        }
        for name in names {
            let san = match name.parse::<IpAddr>() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName(name.as_str().try_into().map_err(failed)?),
            };
            params.subject_alt_names.push(san);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let now = OffsetDateTime::now_utc();
        params.not_before = now - Duration::hours(1);
        params.not_after = now + Duration::days(LEAF_DAYS);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    /// Writes the administrator's kubeconfig; the client certificate is embedded.
    pub(crate) fn write_kubeconfig(&self, to: &Kubeconfig) -> Result<(), PkiError> {
        let client = self.client("ferromesh-admin", &["system:masters"])?;
        if let Some(parent) = to.path.parent() {
            fs::create_dir_all(parent).map_err(|e| file_error(parent, e))?;
        }
        write_private(
            &to.path,
            render_kubeconfig(to, &self.ca_pem, &client).as_bytes(),
        )
    }
}

fn render_kubeconfig(to: &Kubeconfig, ca_pem: &str, client: &Issued) -> String {
    let Kubeconfig { server, name, .. } = to;
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {
            "server": server,
            "certificate-authority-data": STANDARD.encode(ca_pem),
        }}],
        "users": [{"name": name, "user": {
            "client-certificate-data": STANDARD.encode(&client.certificate),
            "client-key-data": STANDARD.encode(&client.key),
        }}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    });
    // JSON is YAML; every reader of kubeconfigs takes it.
    format!("{config:#}\n")
}

fn self_signed(key: &KeyPair) -> Result<String, PkiError> {
    let subject = "ferromesh-kubernetes-ca";
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(CA_DAYS);
    let certificate = params.self_signed(key).map_err(|e| PkiError::Issue {
        subject: subject.into(),
        reason: e.to_string(),
    })?;
    Ok(certificate.pem())
}
