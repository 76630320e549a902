//! TLS contexts, secrets and raw buffers.

use super::{Message, e, h, m, ms};

pub(super) const MESSAGES: &[Message] = &[
    Message {
        name: "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
        fields: &[],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
        fields: &[
            m(1, "trusted_ca", "envoy.config.core.v3.DataSource"),
            e(2, "verify_certificate_hash"),
            e(3, "verify_certificate_spki"),
            m(7, "crl", "envoy.config.core.v3.DataSource"),
            e(8, "allow_expired_certificate"),
            ms(
                9,
                "match_subject_alt_names",
                "envoy.type.matcher.v3.StringMatcher",
            ),
            e(10, "trust_chain_verification"),
            h(
                14,
                "only_verify_leaf_cert_crl",
                "the whole chain is checked where issuers publish a list",
            ),
            ms(
                15,
                "match_typed_subject_alt_names",
                "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher",
            ),
            h(
                18,
                "suppress_client_ca_list",
                "a hint to clients that does not change what is accepted",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
        fields: &[
            m(
                1,
                "tls_params",
                "envoy.extensions.transport_sockets.tls.v3.TlsParameters",
            ),
            ms(
                2,
                "tls_certificates",
                "envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
            ),
            m(
                3,
                "validation_context",
                "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
            ),
            e(4, "alpn_protocols"),
            ms(
                6,
                "tls_certificate_sds_secret_configs",
                "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig",
            ),
            m(
                7,
                "validation_context_sds_secret_config",
                "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig",
            ),
            m(
                8,
                "combined_validation_context",
                "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext",
        fields: &[
            m(
                1,
                "default_validation_context",
                "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
            ),
            m(
                2,
                "validation_context_sds_secret_config",
                "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        fields: &[
            m(
                1,
                "common_tls_context",
                "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
            ),
            e(2, "require_client_certificate"),
            e(3, "require_sni"),
            h(
                6,
                "session_timeout",
                "tickets expire with the key that made them",
            ),
            e(7, "disable_stateless_session_resumption"),
            h(
                8,
                "ocsp_staple_policy",
                "certificates carry no staple: ocsp_staple is refused",
            ),
            h(
                9,
                "full_scan_certs_on_sni_mismatch",
                "all certificates of a chain are looked at",
            ),
            e(10, "disable_stateful_session_resumption"),
            h(
                11,
                "prefer_client_ciphers",
                "TLS 1.3 suites are equally strong; of TLS 1.2 the server chooses",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig",
        fields: &[
            e(1, "name"),
            m(2, "sds_config", "envoy.config.core.v3.ConfigSource"),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.Secret",
        fields: &[
            e(1, "name"),
            m(
                2,
                "tls_certificate",
                "envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
            ),
            m(
                4,
                "validation_context",
                "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher",
        fields: &[
            e(1, "san_type"),
            m(2, "matcher", "envoy.type.matcher.v3.StringMatcher"),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
        fields: &[
            m(1, "certificate_chain", "envoy.config.core.v3.DataSource"),
            m(2, "private_key", "envoy.config.core.v3.DataSource"),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.TlsParameters",
        fields: &[
            e(1, "tls_minimum_protocol_version"),
            e(2, "tls_maximum_protocol_version"),
            e(3, "cipher_suites"),
            e(4, "ecdh_curves"),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        fields: &[
            m(
                1,
                "common_tls_context",
                "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
            ),
            e(2, "sni"),
            e(4, "max_session_keys"),
            h(5, "enforce_rsa_key_usage", "key usage is always checked"),
            e(6, "auto_host_sni"),
            e(7, "auto_sni_san_validation"),
        ],
    },
];
