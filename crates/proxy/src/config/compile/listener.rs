//! Listeners, filter chains and the TCP proxy.

use std::sync::Arc;
use std::time::Duration;

use base::ContentHash;
use xds::envoy::config::core::v3 as core;
use xds::envoy::config::listener::v3 as pb;
use xds::envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;
use xds::envoy::extensions::filters::listener::original_dst::v3::OriginalDst;
use xds::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use xds::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use xds::envoy::extensions::filters::network::tcp_proxy::v3 as tcp;

use super::cluster::tcp_keepalive;
use super::common::{
    bool_or, cidrs, limit, metadata, optional_duration, socket_address, type_name, u32_or, unpack,
};
use super::{At, Result, access_log, hcm, tls};
use crate::config::chain_match::{ChainIndex, ChainMatch, SourceType};
use crate::config::ids::Ids;
use crate::config::listener::{
    Direction, FilterChain, Inspection, Inspector, ListenAddress, Listener, NetworkFilter,
    PortPredicate, TcpClusters, TcpProxy,
};

pub(super) fn compile(
    ids: &Ids,
    at: &At<'_>,
    listener: &pb::Listener,
    version: ContentHash,
) -> Result<Listener> {
    let mut addresses = vec![address(&at.field("address"), listener.address.as_ref())?];
    for (i, extra) in listener.additional_addresses.iter().enumerate() {
        addresses.push(address(
            &at.item("additional_addresses", i).field("address"),
            extra.address.as_ref(),
        )?);
    }
    let chains = listener.filter_chains.iter().enumerate();
    let chains: Vec<Arc<FilterChain>> = chains
        .map(|(i, chain)| filter_chain(ids, &at.item("filter_chains", i), chain).map(Arc::new))
        .collect::<Result<_>>()?;
    let default_chain = listener.default_filter_chain.as_ref();
    let default_chain = default_chain
        .map(|chain| filter_chain(ids, &at.field("default_filter_chain"), chain).map(Arc::new))
        .transpose()?;
    if chains.is_empty() && default_chain.is_none() {
        return Err(at
            .field("filter_chains")
            .error("a listener needs at least one"));
    }
    let chains_at = at.field("filter_chains");
    let index = ChainIndex::build(chains.iter().map(|chain| &chain.matcher))
        .map_err(|e| chains_at.error(e))?;
    if let Some((first, second)) = index.duplicate() {
        return Err(at
            .item("filter_chains", second)
            .error(format_args!("has the same match as filter_chains[{first}]")));
    }
    Ok(Listener {
        name: listener.name.as_str().into(),
        version,
        addresses,
        bind_to_port: bind_to_port(listener),
        use_original_dst: bool_or(listener.use_original_dst, false),
        backlog: u32_or(listener.tcp_backlog_size, 1024).max(1),
        keepalive: listener.tcp_keepalive.as_ref().map(tcp_keepalive),
        direction: match core::TrafficDirection::try_from(listener.traffic_direction) {
            Ok(core::TrafficDirection::Inbound) => Direction::Inbound,
            Ok(core::TrafficDirection::Outbound) => Direction::Outbound,
            _ => Direction::Unspecified,
        },
        stat_prefix: Some(listener.stat_prefix.as_str())
            .filter(|prefix| !prefix.is_empty())
            .map(Into::into),
        inspection: inspection(at, listener)?,
        chains,
        default_chain,
        index,
        access_logs: access_log::compile_all(at, "access_log", &listener.access_log)?,
        buffer_limit: u32_or(listener.per_connection_buffer_limit_bytes, 1 << 20),
        metadata: metadata(listener.metadata.as_ref()),
    })
}

#[expect(deprecated, reason = "Istio still sends deprecated_v1")]
fn bind_to_port(listener: &pb::Listener) -> bool {
    let old = listener
        .deprecated_v1
        .as_ref()
        .and_then(|old| old.bind_to_port);
    bool_or(listener.bind_to_port, true) && bool_or(old, true)
}

pub(super) fn address(at: &At<'_>, address: Option<&core::Address>) -> Result<ListenAddress> {
    use core::address::Address;
    match address.and_then(|address| address.address.as_ref()) {
        Some(Address::SocketAddress(socket)) => Ok(ListenAddress::Tcp(socket_address(
            &at.field("socket_address"),
            socket,
        )?)),
        Some(Address::Pipe(_)) => Err(at.field("pipe").unsupported()),
        Some(Address::EnvoyInternalAddress(_)) => {
            Err(at.field("envoy_internal_address").unsupported())
        }
        None => Err(at.missing()),
    }
}

fn inspection(at: &At<'_>, listener: &pb::Listener) -> Result<Inspection> {
    use pb::listener_filter::ConfigType;
    let timeout = limit(
        &at.field("listener_filters_timeout"),
        listener.listener_filters_timeout.as_ref(),
        Some(Duration::from_secs(15)),
    )?;
    let mut inspection = Inspection {
        timeout,
        continue_on_timeout: listener.continue_on_listener_filters_timeout,
        ..Inspection::default()
    };
    for (i, filter) in listener.listener_filters.iter().enumerate() {
        let at = at.item("listener_filters", i);
        let disabled = filter.filter_disabled.as_ref();
        let disabled = disabled
            .map(|value| predicate(&at.field("filter_disabled"), value, 0))
            .transpose()?;
        let any = match &filter.config_type {
            Some(ConfigType::TypedConfig(any)) => any,
            Some(ConfigType::ConfigDiscovery(_)) => {
                return Err(at.field("config_discovery").unsupported());
            }
            None => return Err(at.field("typed_config").missing()),
        };
        let at = at.field("typed_config");
        if unpack::<OriginalDst>(&at, any)?.is_some() {
            inspection.original_dst = true;
        } else if unpack::<TlsInspector>(&at, any)?.is_some() {
            inspection.tls = Some(Inspector { disabled });
        } else if unpack::<HttpInspector>(&at, any)?.is_some() {
            inspection.http = Some(Inspector { disabled });
        } else {
            return Err(at.error(format_args!(
                "listener filter {} is not supported by ferromesh-proxy",
                type_name(any)
            )));
        }
    }
    Ok(inspection)
}

fn predicate(
    at: &At<'_>,
    value: &pb::ListenerFilterChainMatchPredicate,
    depth: usize,
) -> Result<PortPredicate> {
    use pb::listener_filter_chain_match_predicate::{MatchSet, Rule};
    if depth > 16 {
        return Err(at.error("nested more than 16 deep"));
    }
    let set = |set: &MatchSet| -> Result<Vec<PortPredicate>> {
        set.rules
            .iter()
            .enumerate()
            .map(|(i, rule)| predicate(&at.item("rules", i), rule, depth + 1))
            .collect()
    };
    Ok(match &value.rule {
        None => return Err(at.error("no rule set")),
        Some(Rule::OrMatch(rules)) => PortPredicate::Or(set(rules)?),
        Some(Rule::AndMatch(rules)) => PortPredicate::And(set(rules)?),
        Some(Rule::NotMatch(rule)) => PortPredicate::Not(Box::new(predicate(at, rule, depth + 1)?)),
        Some(Rule::AnyMatch(any)) => match any {
            true => PortPredicate::Any,
            false => return Err(at.field("any_match").error("must be true")),
        },
        Some(Rule::DestinationPortRange(range)) => {
            let bound = |name: &str, value: i32| {
                u32::try_from(value)
                    .ok()
                    .filter(|v| *v <= 65_536)
                    .ok_or_else(|| at.field(name).error("not a port"))
            };
            let start = bound("start", range.start)?;
            PortPredicate::Ports {
                start: u16::try_from(start).unwrap_or(u16::MAX),
                end: bound("end", range.end)?,
            }
        }
    })
}

fn filter_chain(ids: &Ids, at: &At<'_>, chain: &pb::FilterChain) -> Result<FilterChain> {
    let matcher = chain.filter_chain_match.as_ref();
    let matcher = matcher
        .map(|value| chain_match(&at.field("filter_chain_match"), value))
        .transpose()?;
    let timeout_at = at.field("transport_socket_connect_timeout");
    Ok(FilterChain {
        name: chain.name.as_str().into(),
        version: ContentHash::of(&prost::Message::encode_to_vec(chain)),
        matcher: matcher.unwrap_or_default(),
        tls: tls::downstream(
            &at.field("transport_socket"),
            chain.transport_socket.as_ref(),
        )?,
        handshake_timeout: limit(
            &timeout_at,
            chain.transport_socket_connect_timeout.as_ref(),
            None,
        )?,
        filter: network_filter(ids, at, &chain.filters)?,
        metadata: metadata(chain.metadata.as_ref()),
    })
}

fn chain_match(at: &At<'_>, value: &pb::FilterChainMatch) -> Result<ChainMatch> {
    use pb::filter_chain_match::ConnectionSourceType;
    let port =
        |at: &At<'_>, port: u32| u16::try_from(port).map_err(|_| at.error("greater than 65535"));
    let names = value.server_names.iter().enumerate().map(|(i, name)| {
        // Envoy: a star stands at the start alone, for whole labels.
        if name.strip_prefix("*.").unwrap_or(name).contains('*') && name != "*" {
            return Err(at
                .item("server_names", i)
                .error("a wildcard is possible at the start only: \"*.example.com\""));
        }
        Ok(name.to_ascii_lowercase().into())
    });
    let source_ports = value.source_ports.iter().enumerate();
    let boxed = |list: &[String]| list.iter().map(|text| text.as_str().into()).collect();
    Ok(ChainMatch {
        destination_port: value
            .destination_port
            .map(|p| port(&at.field("destination_port"), p.value))
            .transpose()?,
        prefix_ranges: cidrs(at, "prefix_ranges", &value.prefix_ranges)?,
        server_names: names.collect::<Result<_>>()?,
        transport_protocol: value.transport_protocol.as_str().into(),
        application_protocols: boxed(&value.application_protocols),
        direct_source_prefix_ranges: cidrs(
            at,
            "direct_source_prefix_ranges",
            &value.direct_source_prefix_ranges,
        )?,
        source_type: match ConnectionSourceType::try_from(value.source_type) {
            Ok(ConnectionSourceType::Any) => SourceType::Any,
            Ok(ConnectionSourceType::SameIpOrLoopback) => SourceType::SameIpOrLoopback,
            Ok(ConnectionSourceType::External) => SourceType::External,
            Err(_) => return Err(at.field("source_type").error("unknown value")),
        },
        source_prefix_ranges: cidrs(at, "source_prefix_ranges", &value.source_prefix_ranges)?,
        source_ports: source_ports
            .map(|(i, p)| port(&at.item("source_ports", i), *p))
            .collect::<Result<_>>()?,
    })
}

/// The one terminal filter of a chain.
fn network_filter(ids: &Ids, at: &At<'_>, filters: &[pb::Filter]) -> Result<NetworkFilter> {
    use pb::filter::ConfigType;
    let mut terminal = NetworkFilter::Close;
    for (i, filter) in filters.iter().enumerate() {
        let at = at.item("filters", i);
        let any = match &filter.config_type {
            Some(ConfigType::TypedConfig(any)) => any,
            Some(ConfigType::ConfigDiscovery(_)) => {
                return Err(at.field("config_discovery").unsupported());
            }
            None => return Err(at.field("typed_config").missing()),
        };
        let config_at = at.field("typed_config");
        let compiled = if let Some(config) = unpack::<HttpConnectionManager>(&config_at, any)? {
            NetworkFilter::Hcm(Arc::new(hcm::compile(ids, &config_at, &config)?))
        } else if let Some(config) = unpack::<tcp::TcpProxy>(&config_at, any)? {
            NetworkFilter::TcpProxy(Arc::new(tcp_proxy(ids, &config_at, &config)?))
        } else {
            let kind = type_name(any);
            return Err(config_at.error(format_args!(
                "network filter {kind} is not supported by ferromesh-proxy"
            )));
        };
        if i + 1 != filters.len() {
            return Err(at.error("a terminal filter must be the last one"));
        }
        terminal = compiled;
    }
    Ok(terminal)
}

fn tcp_proxy(ids: &Ids, at: &At<'_>, config: &tcp::TcpProxy) -> Result<TcpProxy> {
    let back_off = config.backoff_options.as_ref();
    let attempts = u32_or(config.max_connect_attempts, 1);
    if attempts == 0 {
        return Err(at.field("max_connect_attempts").error("must be at least 1"));
    }
    let back_off_at = at.field("backoff_options");
    Ok(TcpProxy {
        stat_prefix: config.stat_prefix.as_str().into(),
        clusters: tcp_clusters(ids, at, config)?,
        idle_timeout: limit(
            &at.field("idle_timeout"),
            config.idle_timeout.as_ref(),
            Some(Duration::from_secs(3600)),
        )?,
        max_duration: limit(
            &at.field("max_downstream_connection_duration"),
            config.max_downstream_connection_duration.as_ref(),
            None,
        )?,
        max_connect_attempts: attempts,
        back_off_base: optional_duration(
            &back_off_at,
            back_off.and_then(|b| b.base_interval.as_ref()),
        )?,
        back_off_max: optional_duration(
            &back_off_at,
            back_off.and_then(|b| b.max_interval.as_ref()),
        )?,
        access_logs: access_log::compile_all(at, "access_log", &config.access_log)?,
    })
}

fn tcp_clusters(ids: &Ids, at: &At<'_>, config: &tcp::TcpProxy) -> Result<TcpClusters> {
    use tcp::tcp_proxy::ClusterSpecifier;
    match &config.cluster_specifier {
        None => Err(at.field("cluster").missing()),
        Some(ClusterSpecifier::Cluster(name)) => Ok(TcpClusters::One(ids.cluster(name))),
        Some(ClusterSpecifier::WeightedClusters(value)) => {
            let mut total = 0;
            let clusters: Vec<_> = value
                .clusters
                .iter()
                .map(|cluster| {
                    total += u64::from(cluster.weight);
                    (ids.cluster(&cluster.name), total)
                })
                .collect();
            if total == 0 {
                return Err(at
                    .field("weighted_clusters")
                    .error("the sum of weights must be positive"));
            }
            Ok(TcpClusters::Weighted { clusters, total })
        }
    }
}
