//! TLS contexts, transport sockets and secrets.

use std::sync::Arc;

use base::ContentHash;
use prost::Message;
use xds::envoy::config::core::v3 as core;
use xds::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
use xds::envoy::extensions::transport_sockets::tls::v3 as pb;

use super::common::{bool_or, data_source, fetch_timeout, type_name, u32_or, unpack};
use super::{At, Result, matcher};
use crate::config::tls::{
    CommonTls, DownstreamTls, SanKind, SanMatcher, SdsRef, SdsSource, Secret, SecretKind,
    SecretRef, TlsCertificate, TlsVersion, UpstreamTls, ValidationContext, ValidationSource,
};

/// A filter chain's transport socket; `None` is plaintext.
pub(super) fn downstream(
    at: &At<'_>,
    socket: Option<&core::TransportSocket>,
) -> Result<Option<Arc<DownstreamTls>>> {
    let Some(any) = typed_config(at, socket)? else {
        return Ok(None);
    };
    let at = at.field("typed_config");
    if unpack::<RawBuffer>(&at, any)?.is_some() {
        return Ok(None);
    }
    let Some(context) = unpack::<pb::DownstreamTlsContext>(&at, any)? else {
        return Err(at.error(format_args!(
            "transport socket {} is not supported by ferromesh-proxy",
            type_name(any)
        )));
    };
    let common = context
        .common_tls_context
        .as_ref()
        .ok_or_else(|| at.field("common_tls_context").missing())?;
    let common = common_tls(&at.field("common_tls_context"), common)?;
    if common.certificates.is_empty() {
        return Err(at
            .field("common_tls_context")
            .error("a server needs a certificate"));
    }
    Ok(Some(Arc::new(DownstreamTls {
        common,
        require_client_certificate: bool_or(context.require_client_certificate, false),
        require_sni: bool_or(context.require_sni, false),
        disable_stateless_resumption: matches!(
            context.session_ticket_keys_type,
            Some(pb::downstream_tls_context::SessionTicketKeysType::DisableStatelessSessionResumption(true))
        ),
        disable_stateful_resumption: context.disable_stateful_session_resumption,
        hash: ContentHash::of(&any.value),
    })))
}

/// A cluster's transport socket; `None` is plaintext.
pub(super) fn upstream(
    at: &At<'_>,
    socket: Option<&core::TransportSocket>,
) -> Result<Option<Arc<UpstreamTls>>> {
    let Some(any) = typed_config(at, socket)? else {
        return Ok(None);
    };
    let at = at.field("typed_config");
    if unpack::<RawBuffer>(&at, any)?.is_some() {
        return Ok(None);
    }
    let Some(context) = unpack::<pb::UpstreamTlsContext>(&at, any)? else {
        return Err(at.error(format_args!(
            "transport socket {} is not supported by ferromesh-proxy",
            type_name(any)
        )));
    };
    let default = pb::CommonTlsContext::default();
    let common = context.common_tls_context.as_ref().unwrap_or(&default);
    if common.tls_certificates.len() + common.tls_certificate_sds_secret_configs.len() > 1 {
        return Err(at
            .field("common_tls_context")
            .error("a client has one certificate at most"));
    }
    if context.sni.len() > 255 {
        return Err(at.field("sni").error("longer than 255 bytes"));
    }
    Ok(Some(Arc::new(UpstreamTls {
        common: common_tls(&at.field("common_tls_context"), common)?,
        sni: context.sni.as_str().into(),
        auto_host_sni: context.auto_host_sni,
        auto_sni_san_validation: context.auto_sni_san_validation,
        max_session_keys: u32_or(context.max_session_keys, 1),
        hash: ContentHash::of(&any.value),
    })))
}

fn typed_config<'a>(
    at: &At<'_>,
    socket: Option<&'a core::TransportSocket>,
) -> Result<Option<&'a xds::google::protobuf::Any>> {
    use core::transport_socket::ConfigType;
    match socket {
        None => Ok(None),
        Some(socket) => match &socket.config_type {
            Some(ConfigType::TypedConfig(any)) => Ok(Some(any)),
            None if socket.name == "envoy.transport_sockets.raw_buffer" => Ok(None),
            None => Err(at.field("typed_config").missing()),
        },
    }
}

fn common_tls(at: &At<'_>, context: &pb::CommonTlsContext) -> Result<CommonTls> {
    let mut certificates = Vec::new();
    for (i, certificate) in context.tls_certificates.iter().enumerate() {
        let at = at.item("tls_certificates", i);
        certificates.push(SecretRef::Inline(inline(SecretKind::Certificate(
            tls_certificate(&at, certificate)?,
        ))));
    }
    for (i, config) in context
        .tls_certificate_sds_secret_configs
        .iter()
        .enumerate()
    {
        certificates.push(SecretRef::Sds(sds_ref(
            &at.item("tls_certificate_sds_secret_configs", i),
            config,
        )?));
    }
    let params = context.tls_params.clone().unwrap_or_default();
    let params_at = at.field("tls_params");
    let min_version = version(
        &params_at,
        "tls_minimum_protocol_version",
        params.tls_minimum_protocol_version,
    )?;
    let max_version = version(
        &params_at,
        "tls_maximum_protocol_version",
        params.tls_maximum_protocol_version,
    )?;
    if let (Some(min), Some(max)) = (min_version, max_version)
        && min > max
    {
        return Err(params_at
            .field("tls_maximum_protocol_version")
            .error("below the minimum"));
    }
    let alpn = context
        .alpn_protocols
        .iter()
        .enumerate()
        .map(|(i, protocol)| match protocol.len() {
            1..=255 => Ok(protocol.as_bytes().into()),
            _ => Err(at.item("alpn_protocols", i).error("must be 1 to 255 bytes")),
        });
    Ok(CommonTls {
        certificates,
        validation: validation_source(at, context)?,
        alpn: alpn.collect::<Result<_>>()?,
        min_version,
        max_version,
        cipher_suites: params
            .cipher_suites
            .iter()
            .map(|name| name.as_str().into())
            .collect(),
        curves: params
            .ecdh_curves
            .iter()
            .map(|name| name.as_str().into())
            .collect(),
    })
}

fn version(at: &At<'_>, name: &str, value: i32) -> Result<Option<TlsVersion>> {
    use pb::tls_parameters::TlsProtocol;
    Ok(match TlsProtocol::try_from(value) {
        Ok(TlsProtocol::TlsAuto) => None,
        Ok(TlsProtocol::TlSv12) => Some(TlsVersion::V1_2),
        Ok(TlsProtocol::TlSv13) => Some(TlsVersion::V1_3),
        // A minimum of 1.0 or 1.1 would promise more than rustls speaks; a maximum of them could never connect.
        Ok(TlsProtocol::TlSv10 | TlsProtocol::TlSv11) => {
            return Err(at
                .field(name)
                .error("TLS 1.0 and 1.1 are not supported by ferromesh-proxy"));
        }
        Err(_) => return Err(at.field(name).error("unknown value")),
    })
}

#[expect(deprecated, reason = "the older forms are refused by name")]
fn validation_source(at: &At<'_>, context: &pb::CommonTlsContext) -> Result<ValidationSource> {
    use pb::common_tls_context::ValidationContextType as Kind;
    Ok(match &context.validation_context_type {
        None => ValidationSource::None,
        Some(Kind::ValidationContext(value)) => {
            let compiled = validation(&at.field("validation_context"), value)?;
            ValidationSource::Context(SecretRef::Inline(inline(SecretKind::Validation(compiled))))
        }
        Some(Kind::ValidationContextSdsSecretConfig(config)) => {
            let at = at.field("validation_context_sds_secret_config");
            ValidationSource::Context(SecretRef::Sds(sds_ref(&at, config)?))
        }
        Some(Kind::CombinedValidationContext(value)) => {
            let at = at.field("combined_validation_context");
            let default = value.default_validation_context.clone().unwrap_or_default();
            let default = Arc::new(validation(
                &at.field("default_validation_context"),
                &default,
            )?);
            let sds = value.validation_context_sds_secret_config.as_ref();
            let sds_at = at.field("validation_context_sds_secret_config");
            let sds = sds.ok_or_else(|| sds_at.missing())?;
            ValidationSource::Combined {
                default,
                sds: sds_ref(&sds_at, sds)?,
            }
        }
        Some(
            Kind::ValidationContextCertificateProvider(_)
            | Kind::ValidationContextCertificateProviderInstance(_),
        ) => {
            return Err(at
                .field("validation_context_certificate_provider")
                .unsupported());
        }
    })
}

/// A secret by SDS: from ADS, or from this process when any other server is named (Istio: the agent's socket).
fn sds_ref(at: &At<'_>, config: &pb::SdsSecretConfig) -> Result<SdsRef> {
    use core::config_source::ConfigSourceSpecifier as Source;
    if config.name.is_empty() {
        return Err(at.field("name").missing());
    }
    let at = at.field("sds_config");
    let Some(source) = &config.sds_config else {
        return Err(at.error("static secrets are not supported by ferromesh-proxy"));
    };
    let kind = match &source.config_source_specifier {
        Some(Source::Ads(_)) => SdsSource::Ads,
        Some(Source::ApiConfigSource(_)) => SdsSource::Local,
        _ => return Err(at.error("must be ads or api_config_source")),
    };
    Ok(SdsRef {
        name: config.name.as_str().into(),
        source: kind,
        fetch_timeout: fetch_timeout(&at, Some(source))?,
    })
}

fn inline(kind: SecretKind) -> Arc<Secret> {
    let version = match &kind {
        SecretKind::Certificate(certificate) => {
            let mut hasher = base::ContentHasher::default();
            hasher.write(&certificate.chain_pem);
            hasher.write(&certificate.key_pem);
            hasher.finish()
        }
        SecretKind::Validation(context) => ContentHash::of(format!("{context:?}").as_bytes()),
    };
    Arc::new(Secret {
        name: "".into(),
        version,
        kind,
    })
}

/// An SDS secret.
pub(super) fn secret(at: &At<'_>, name: &str, message: &pb::Secret) -> Result<Secret> {
    use pb::secret::Type;
    let kind = match &message.r#type {
        Some(Type::TlsCertificate(certificate)) => {
            SecretKind::Certificate(tls_certificate(&at.field("tls_certificate"), certificate)?)
        }
        Some(Type::ValidationContext(context)) => {
            SecretKind::Validation(validation(&at.field("validation_context"), context)?)
        }
        Some(Type::SessionTicketKeys(_)) => {
            return Err(at.field("session_ticket_keys").unsupported());
        }
        Some(Type::GenericSecret(_)) => return Err(at.field("generic_secret").unsupported()),
        None => return Err(at.error("empty secret")),
    };
    Ok(Secret {
        name: name.into(),
        version: ContentHash::of(&message.encode_to_vec()),
        kind,
    })
}

fn tls_certificate(at: &At<'_>, certificate: &pb::TlsCertificate) -> Result<TlsCertificate> {
    let read = |name: &str, source: Option<&core::DataSource>| {
        let at = at.field(name);
        data_source(&at, source.ok_or_else(|| at.missing())?)
    };
    Ok(TlsCertificate {
        chain_pem: read("certificate_chain", certificate.certificate_chain.as_ref())?,
        key_pem: read("private_key", certificate.private_key.as_ref())?,
    })
}

#[expect(deprecated, reason = "match_subject_alt_names is what Istio sends")]
fn validation(
    at: &At<'_>,
    context: &pb::CertificateValidationContext,
) -> Result<ValidationContext> {
    use pb::certificate_validation_context::TrustChainVerification;
    let bytes = |name: &str, source: Option<&core::DataSource>| match source {
        Some(source) => data_source(&at.field(name), source),
        None => Ok(Vec::new()),
    };
    let mut san = Vec::new();
    for (i, typed) in context.match_typed_subject_alt_names.iter().enumerate() {
        san.push(san_matcher(
            &at.item("match_typed_subject_alt_names", i),
            typed,
        )?);
    }
    for (i, plain) in context.match_subject_alt_names.iter().enumerate() {
        let matcher = matcher::string(&at.item("match_subject_alt_names", i), plain)?;
        san.push(SanMatcher {
            kind: SanKind::Any,
            matcher,
        });
    }
    Ok(ValidationContext {
        trusted_ca_pem: bytes("trusted_ca", context.trusted_ca.as_ref())?,
        san,
        certificate_hashes: hashes(
            at,
            "verify_certificate_hash",
            &context.verify_certificate_hash,
            hex32,
        )?,
        spki_hashes: hashes(
            at,
            "verify_certificate_spki",
            &context.verify_certificate_spki,
            base64_32,
        )?,
        crl_pem: bytes("crl", context.crl.as_ref())?,
        allow_expired: context.allow_expired_certificate,
        accept_untrusted: context.trust_chain_verification
            == TrustChainVerification::AcceptUntrusted as i32,
    })
}

fn san_matcher(at: &At<'_>, typed: &pb::SubjectAltNameMatcher) -> Result<SanMatcher> {
    use pb::subject_alt_name_matcher::SanType;
    let kind = match SanType::try_from(typed.san_type) {
        Ok(SanType::Dns) => SanKind::Dns,
        Ok(SanType::Uri) => SanKind::Uri,
        Ok(SanType::Email) => SanKind::Email,
        Ok(SanType::IpAddress) => SanKind::Ip,
        _ => return Err(at.field("san_type").unsupported()),
    };
    let matcher = typed
        .matcher
        .as_ref()
        .ok_or_else(|| at.field("matcher").missing())?;
    Ok(SanMatcher {
        kind,
        matcher: matcher::string(&at.field("matcher"), matcher)?,
    })
}

fn hashes(
    at: &At<'_>,
    name: &str,
    list: &[String],
    parse: fn(&str) -> Option<[u8; 32]>,
) -> Result<Vec<[u8; 32]>> {
    let parsed = list.iter().enumerate();
    parsed
        .map(|(i, text)| parse(text).ok_or_else(|| at.item(name, i).error("not a SHA-256 hash")))
        .collect()
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    if digits.len() != 64 {
        return None;
    }
    let mut hash = [0; 32];
    for (slot, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        *slot = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

fn base64_32(text: &str) -> Option<[u8; 32]> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()?
        .try_into()
        .ok()
}
