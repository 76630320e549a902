//! Certificates for gateways, from Secrets in the gateway's own namespace, for a gateway that proved who it is
//! (`pilot/pkg/xds/sds.go`). Key material goes into the resource and nowhere else: not into errors, logs or `Debug`.

use base::ObjectRef;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as core;
use x509_parser::pem::Pem;

use crate::mesh_view::MeshView;
use crate::mesh_view::gateway::ServerTls;
use crate::node::NodeInfo;
use crate::pb::{core_v3, tls_v3};
use crate::tls;

/// A secret as a resource.
pub(crate) struct Served {
    pub(crate) secret: tls_v3::Secret,
    pub(crate) provenance: Vec<ObjectRef>,
}

/// The secrets that a server needs, or why they cannot be served.
pub(crate) fn of_server(
    view: &MeshView,
    namespace: &str,
    server: &ServerTls,
) -> Result<Vec<Served>, String> {
    let name = &server.credential;
    plain(namespace, name)?;
    let mut served = vec![certificate(view, namespace, name)?];
    if server.mutual {
        served.push(peer_ca(view, namespace, name)?);
    }
    Ok(served)
}

/// The secrets that a cluster of a gateway needs to speak to its servers, or why they cannot be served. `mutual`: the
/// gateway presents a certificate.
pub(crate) fn of_client(
    view: &MeshView,
    namespace: &str,
    name: &str,
    mutual: bool,
) -> Result<Vec<Served>, String> {
    plain(namespace, name)?;
    let mut served = Vec::new();
    if mutual {
        served.push(certificate(view, namespace, name)?);
    }
    served.push(peer_ca(view, namespace, name)?);
    Ok(served)
}

/// Why a gateway gets no credentials at all.
pub(crate) fn unproved(node: &NodeInfo) -> String {
    format!(
        "the gateway proxy {} has not proved to be of namespace {}, so it gets no credentials",
        node.name, node.namespace
    )
}

fn plain(namespace: &str, name: &str) -> Result<(), String> {
    if name.contains("://") || name.contains('/') {
        return Err(format!(
            "tls.credentialName {name:?} must be the plain name of a Secret in the gateway's namespace {namespace:?}"
        ));
    }
    Ok(())
}

fn certificate(view: &MeshView, namespace: &str, name: &str) -> Result<Served, String> {
    let secret = view.secret(namespace, name).ok_or_else(|| {
        format!("Secret {namespace}/{name} does not exist; create it with keys tls.crt and tls.key")
    })?;
    let pair =
        key_pair(&secret.spec).map_err(|reason| format!("Secret {namespace}/{name}: {reason}"))?;
    Ok(Served {
        secret: tls_v3::Secret {
            name: tls::credential(name),
            r#type: Some(tls_v3::secret::Type::TlsCertificate(pair)),
        },
        provenance: Vec::new(),
    })
}

/// The CA to verify the peer by: in the same Secret, or in one whose name ends in `-cacert`.
fn peer_ca(view: &MeshView, namespace: &str, name: &str) -> Result<Served, String> {
    let beside = format!("{name}-cacert");
    let found = [name, &beside].into_iter().find_map(|name| {
        let secret = view.secret(namespace, name)?;
        value(&secret.spec, &["ca.crt", "cacert"])
            .map(|ca| (name.to_owned(), ca, value(&secret.spec, &["ca.crl", "crl"])))
    });
    let Some((holder, ca, crl)) = found else {
        return Err(format!(
            "neither Secret {namespace}/{name} nor {namespace}/{beside} holds ca.crt or cacert, to verify the peer by"
        ));
    };
    if certificates(ca) == 0 {
        return Err(format!(
            "Secret {namespace}/{holder}: the CA is not a PEM certificate"
        ));
    }
    let context = tls_v3::CertificateValidationContext {
        trusted_ca: Some(inline(ca)),
        crl: crl.map(inline),
        ..Default::default()
    };
    Ok(Served {
        secret: tls_v3::Secret {
            name: tls::credential_ca(name),
            r#type: Some(tls_v3::secret::Type::ValidationContext(context)),
        },
        provenance: Vec::new(),
    })
}

/// `tls.crt` and `tls.key` of a TLS Secret, or `cert` and `key` of a generic one.
fn key_pair(secret: &core::Secret) -> Result<tls_v3::TlsCertificate, &'static str> {
    let pair = value(secret, &["tls.crt"])
        .zip(value(secret, &["tls.key"]))
        .or_else(|| value(secret, &["cert"]).zip(value(secret, &["key"])));
    let (certificate, key) = pair.ok_or("keys tls.crt and tls.key (or cert and key) are needed")?;
    if certificates(certificate) == 0 {
        return Err("tls.crt is not a PEM certificate");
    }
    if !Pem::iter_from_buffer(key)
        .flatten()
        .any(|block| block.label.ends_with("PRIVATE KEY"))
    {
        return Err("tls.key is not a PEM private key");
    }
    Ok(tls_v3::TlsCertificate {
        certificate_chain: Some(inline(certificate)),
        private_key: Some(inline(key)),
        ..Default::default()
    })
}

/// How many parseable certificates a bundle has; zero when one of them is broken.
fn certificates(bundle: &[u8]) -> usize {
    let mut count = 0;
    for block in Pem::iter_from_buffer(bundle) {
        match block {
            Ok(block) if block.label == "CERTIFICATE" && block.parse_x509().is_ok() => count += 1,
            _ => return 0,
        }
    }
    count
}

fn value<'a>(secret: &'a core::Secret, keys: &[&str]) -> Option<&'a [u8]> {
    let data = secret.data.as_ref();
    keys.iter().find_map(|key| {
        data.and_then(|data| data.get(*key))
            .map(|ByteString(bytes)| bytes.as_slice())
            .or_else(|| secret.string_data.as_ref()?.get(*key).map(String::as_bytes))
            .filter(|bytes| !bytes.is_empty())
    })
}

fn inline(bytes: &[u8]) -> core_v3::DataSource {
    core_v3::DataSource {
        specifier: Some(core_v3::data_source::Specifier::InlineBytes(bytes.to_vec())),
        ..Default::default()
    }
}
