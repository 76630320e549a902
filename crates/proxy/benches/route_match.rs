//! Route matching as a sidecar meets it: 200 virtual hosts of 12 routes each.
//!
//! Figures of one run on two shared and busy cores, this workspace at `opt-level = 3` and its dependencies at 1:
//!
//! | request | per request |
//! |---|---|
//! | exact host, last of 12 routes | 455 ns |
//! | wildcard host, last of 12 routes | 264 ns |
//! | exact host, three regexes among the routes | 308 ns |
//!
//! The differences between the rows are the machine's noise: the host is one hash look-up, a wildcard one for each length
//! of wildcard, and the rest is the walk over 12 routes. Nothing allocates.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use prost::Message;
use proxy::config::{Ids, RouteTable, compile};
use proxy::filters::testing::TestRequest;
use xds::envoy::config::route::v3 as pb;
use xds::envoy::r#type::matcher::v3 as matcher;

fn route(
    path: pb::route_match::PathSpecifier,
    headers: Vec<pb::HeaderMatcher>,
    cluster: &str,
) -> pb::Route {
    pb::Route {
        r#match: Some(pb::RouteMatch {
            path_specifier: Some(path),
            headers,
            ..Default::default()
        }),
        action: Some(pb::route::Action::Route(pb::RouteAction {
            cluster_specifier: Some(pb::route_action::ClusterSpecifier::Cluster(cluster.into())),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn header(name: &str, value: &str) -> pb::HeaderMatcher {
    let string = matcher::StringMatcher {
        match_pattern: Some(matcher::string_matcher::MatchPattern::Exact(value.into())),
        ..Default::default()
    };
    pb::HeaderMatcher {
        name: name.into(),
        header_match_specifier: Some(pb::header_matcher::HeaderMatchSpecifier::StringMatch(
            string,
        )),
        ..Default::default()
    }
}

fn table(regexes: bool) -> RouteTable {
    use pb::route_match::PathSpecifier::{Path, Prefix, SafeRegex};
    let vhosts = (0..200).map(|host| {
        let mut routes: Vec<pb::Route> = (0..11)
            .map(|i| match i % 4 {
                0 => route(Path(format!("/api/v1/item{i}")), vec![], "exact"),
                1 if regexes => {
                    let regex = matcher::RegexMatcher {
                        regex: format!("/r{i}/[a-z]+/.*"),
                        ..Default::default()
                    };
                    route(SafeRegex(regex), vec![], "regex")
                }
                2 => route(
                    Prefix("/api/".into()),
                    vec![header("x-user", &format!("user{i}"))],
                    "header",
                ),
                _ => route(Prefix(format!("/prefix{i}/")), vec![], "prefix"),
            })
            .collect();
        routes.push(route(Prefix("/".into()), vec![], "default"));
        pb::VirtualHost {
            name: format!("service{host}"),
            domains: vec![
                format!("service{host}.default.svc.cluster.local"),
                format!("service{host}.default.svc.cluster.local:8080"),
                format!("service{host}"),
                format!("*.wild{host}.example.com"),
            ],
            routes,
            ..Default::default()
        }
    });
    let message = pb::RouteConfiguration {
        name: "8080".into(),
        virtual_hosts: vhosts.collect(),
        ..Default::default()
    };
    compile::route_table(&Ids::default(), "8080", &message.encode_to_vec()).expect("a valid table")
}

fn request(authority: &str) -> TestRequest {
    let mut request = TestRequest::new("GET", "/api/v1/other?q=1").authority(authority);
    for (name, value) in [
        ("user-agent", "curl/8.5.0"),
        ("accept", "*/*"),
        ("x-request-id", "5a6d1c9e-0c1a-4b39-a8f3-1f0d7f7a9f11"),
        ("x-forwarded-for", "10.1.2.3"),
        ("x-forwarded-proto", "http"),
        ("x-user", "nobody"),
    ] {
        request = request.header(name, value);
    }
    request
}

fn bench(c: &mut Criterion) {
    let plain = table(false);
    let regexes = table(true);
    let exact = request("service150.default.svc.cluster.local:8080");
    let wild = request("a.b.wild150.example.com");
    let run = |table: &RouteTable, request: &TestRequest| {
        use proxy::config::RequestView;
        let vhost = table
            .virtual_host(RequestView::authority(request))
            .expect("a virtual host");
        table.route(vhost, request, 0).is_some()
    };
    c.bench_function("exact host, last of 12 routes", |b| {
        b.iter(|| run(black_box(&plain), black_box(&exact)))
    });
    c.bench_function("wildcard host, last of 12 routes", |b| {
        b.iter(|| run(black_box(&plain), black_box(&wild)))
    });
    c.bench_function("exact host, three regexes among them", |b| {
        b.iter(|| run(black_box(&regexes), black_box(&exact)))
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
