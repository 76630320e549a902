//! How long it takes to take in objects, and to change one among many.

use std::hint::black_box;

use api::{Snapshot, kinds};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};

fn route(index: usize, weight: i32) -> Value {
    json!({
        "metadata": {"name": format!("vs-{index}"), "namespace": format!("ns-{}", index % 100), "resourceVersion": "1"},
        "spec": {
            "hosts": [format!("host-{index}")],
            "http": [
                {"match": [{"uri": {"prefix": "/api"}, "headers": {"x-user": {"exact": "a"}}}],
                 "route": [{"destination": {"host": "a"}, "weight": weight}, {"destination": {"host": "b"}, "weight": 10}],
                 "timeout": "5s", "retries": {"attempts": 3, "perTryTimeout": "1s"}},
                {"route": [{"destination": {"host": "c"}}]},
            ],
        },
    })
}

fn pod(index: usize) -> Value {
    json!({
        "metadata": {"name": format!("pod-{index}"), "namespace": format!("ns-{}", index % 100), "labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}], "serviceAccountName": "a"},
        "status": {"phase": "Running", "podIP": format!("10.0.{}.{}", index / 250, index % 250)},
    })
}

fn benches(criterion: &mut Criterion) {
    let routes: Vec<Value> = (0..10_000).map(|index| route(index, 90)).collect();
    let pods: Vec<Value> = (0..10_000).map(pod).collect();
    let mut group = criterion.benchmark_group("snapshot");
    group.sample_size(10);
    group.bench_function("10k VirtualServices", |bencher| {
        bencher.iter(|| {
            let mut snapshot = Snapshot::default();
            for object in &routes {
                snapshot.apply(&kinds::VIRTUAL_SERVICE, object);
            }
            snapshot
        });
    });
    group.bench_function("10k Pods", |bencher| {
        bencher.iter(|| {
            let mut snapshot = Snapshot::default();
            for object in &pods {
                snapshot.apply(&kinds::POD, object);
            }
            snapshot
        });
    });
    let mut full = Snapshot::default();
    for object in &routes {
        full.apply(&kinds::VIRTUAL_SERVICE, object);
    }
    let changed = route(5_000, 80);
    group.bench_function("one change among 10k", |bencher| {
        bencher.iter(|| {
            let mut next = black_box(&full).clone();
            next.apply(&kinds::VIRTUAL_SERVICE, &changed);
            next
        });
    });
}

criterion_group!(all, benches);
criterion_main!(all);
