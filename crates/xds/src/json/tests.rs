use serde_json::json;

use super::*;
use crate::any;
use crate::envoy::admin::v3::SecretsConfigDump;
use crate::envoy::config::cluster::v3::{Cluster, cluster};
use crate::envoy::config::core::v3::{DataSource, Metadata, data_source};
use crate::envoy::extensions::transport_sockets::tls::v3::{Secret, TlsCertificate, secret};
use crate::google::protobuf::{Duration, Struct};
use crate::type_url::CLUSTER;

fn cluster() -> Cluster {
    Cluster {
        name: "outbound|80||a.default.svc.cluster.local".into(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Eds as i32,
        )),
        connect_timeout: Some(Duration {
            seconds: 1,
            nanos: 500_000_000,
        }),
        metadata: Some(Metadata {
            filter_metadata: [("istio".to_owned(), Struct::default())].into(),
            typed_filter_metadata: [(
                "typed".to_owned(),
                any::pack(&Duration {
                    seconds: 3,
                    nanos: 0,
                }),
            )]
            .into(),
        }),
        ..Default::default()
    }
}

#[test]
fn prints_as_envoy_prints() {
    let printed = Pool::pruned().print(&cluster(), Print::default()).unwrap();
    assert_eq!(
        printed,
        json!({
            "name": "outbound|80||a.default.svc.cluster.local",
            "type": "EDS",
            "connect_timeout": "1.500s",
            "metadata": {
                "filter_metadata": {"istio": {}},
                "typed_filter_metadata": {
                    "typed": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "3s"}
                }
            }
        })
    );
    let camel = Print {
        names: FieldNames::LowerCamel,
        ..Print::default()
    };
    assert_eq!(
        Pool::pruned().print(&cluster(), camel).unwrap()["connectTimeout"],
        "1.500s"
    );
}

#[test]
fn reads_both_spellings_and_what_it_printed() {
    let pool = Pool::pruned();
    for names in [FieldNames::Proto, FieldNames::LowerCamel] {
        let printed = pool
            .print(
                &cluster(),
                Print {
                    names,
                    ..Print::default()
                },
            )
            .unwrap();
        assert_eq!(pool.parse::<Cluster>(printed).unwrap(), cluster());
    }
}

#[test]
fn an_unknown_field_is_refused_with_its_path() {
    let json = json!({"static_resources": {"clusters": [{"name": "a", "connect_timout": "1s"}]}});
    let error = Pool::pruned()
        .from_json("envoy.config.bootstrap.v3.Bootstrap", json)
        .unwrap_err();
    let JsonError::Refused { path, reason, .. } = &error else {
        panic!("{error}");
    };
    assert!(path.starts_with("static_resources.clusters[0]"), "{path}");
    assert!(reason.contains("connect_timout"), "{reason}");
}

#[test]
fn secrets_are_left_out_unless_asked_for() {
    let source = |text: &str| DataSource {
        specifier: Some(data_source::Specifier::InlineBytes(
            text.as_bytes().to_vec(),
        )),
        ..Default::default()
    };
    let secret = Secret {
        name: "default".into(),
        r#type: Some(secret::Type::TlsCertificate(TlsCertificate {
            certificate_chain: Some(source("chain")),
            private_key: Some(source("very private")),
            ..Default::default()
        })),
    };
    let dump = SecretsConfigDump {
        dynamic_active_secrets: vec![
            crate::envoy::admin::v3::secrets_config_dump::DynamicSecret {
                name: "default".into(),
                secret: Some(any::pack(&secret)),
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    let pool = Pool::pruned();
    let printed = pool.print(&dump, Print::default()).unwrap();
    let certificate = &printed["dynamic_active_secrets"][0]["secret"]["tls_certificate"];
    assert_eq!(certificate["certificate_chain"]["inline_bytes"], "Y2hhaW4=");
    assert_eq!(
        certificate["private_key"]["inline_bytes"],
        "W3JlZGFjdGVkXQ=="
    );
    let shown = pool
        .print(
            &dump,
            Print {
                secrets: Secrets::Show,
                ..Print::default()
            },
        )
        .unwrap();
    let certificate = &shown["dynamic_active_secrets"][0]["secret"]["tls_certificate"];
    assert_eq!(
        certificate["private_key"]["inline_bytes"],
        "dmVyeSBwcml2YXRl"
    );
}

#[test]
fn an_any_of_unknown_type_keeps_its_bytes() {
    let any = Any {
        type_url: "type.googleapis.com/x.Y".into(),
        value: vec![1, 2],
    };
    let printed = Pool::pruned().any_to_json(&any, Print::default());
    assert_eq!(
        printed,
        json!({"@type": "type.googleapis.com/x.Y", "value": "AQI="})
    );
}

#[test]
fn every_type_that_is_spoken_is_in_the_pruned_pool() {
    let pool = Pool::pruned();
    for url in crate::type_url::ALL.iter().map(|(url, _)| *url) {
        assert!(pool.fields(url).is_ok(), "{url} is missing in roots.txt");
    }
}

#[test]
fn each_field_can_be_set_alone() {
    let pool = Pool::pruned();
    let fields = pool.fields(CLUSTER).unwrap();
    let timeout = fields
        .iter()
        .find(|field| field.name == "connect_timeout")
        .unwrap();
    assert_eq!(
        timeout.kind,
        FieldKind::Message("google.protobuf.Duration".into())
    );
    for message in pool.messages() {
        for field in pool.fields(&message).unwrap() {
            let encoded = pool.with_field(&message, field.number).unwrap();
            assert!(!encoded.is_empty(), "{message}.{}", field.name);
            let printed = pool.to_json(&message, &encoded, Print::default()).unwrap();
            if let Some(object) = printed
                .as_object()
                .filter(|_| !message.starts_with("google.protobuf."))
            {
                assert_eq!(
                    object.keys().collect::<Vec<_>>(),
                    [&field.name],
                    "{message}"
                );
            }
        }
    }
}

#[cfg(feature = "full-descriptors")]
#[test]
fn the_full_pool_holds_the_pruned_one() {
    let full = Pool::full();
    for message in Pool::pruned().messages() {
        assert!(full.fields(&message).is_ok(), "{message}");
    }
    assert!(
        full.fields("envoy.extensions.filters.http.lua.v3.Lua")
            .is_ok()
    );
}
