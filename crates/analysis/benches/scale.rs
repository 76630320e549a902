//! How analysis grows with the number of objects: reading and indexing, then the rules.
//!
//! `cargo bench -p analysis`. The figures are in docs/analyze.md.

use std::fmt::Write;
use std::hint::black_box;

use analysis::{Input, Mesh, Options, analyze};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Objects of a mesh: for each service a Service, a Deployment, a VirtualService, a DestinationRule and an
/// AuthorizationPolicy, fifty services a namespace.
fn mesh(objects: usize) -> String {
    let mut text = String::new();
    for index in 0..objects / 5 {
        let (name, namespace) = (format!("s{index}"), format!("n{}", index / 50));
        let meta = format!("metadata: {{name: {name}, namespace: {namespace}}}");
        let callee = format!("s{}.n{}.svc.cluster.local", index / 2, index / 100);
        write!(
            text,
            "apiVersion: v1\nkind: Service\n{meta}\nspec:\n  selector: {{app: {name}}}\n  ports: [{{name: http, port: 80}}]\n---\n\
             apiVersion: apps/v1\nkind: Deployment\n{meta}\nspec:\n  template:\n    metadata: {{labels: {{app: {name}, version: v1}}}}\n    spec: {{containers: [{{name: app, image: app}}]}}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: VirtualService\n{meta}\nspec:\n  hosts: [{name}]\n  http:\n    - match: [{{uri: {{prefix: /a}}}}]\n      route: [{{destination: {{host: {name}, subset: v1}}}}]\n    - route: [{{destination: {{host: {callee}}}}}]\n---\n\
             apiVersion: networking.istio.io/v1\nkind: DestinationRule\n{meta}\nspec:\n  host: {name}\n  subsets: [{{name: v1, labels: {{version: v1}}}}]\n---\n\
             apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n{meta}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  rules: [{{to: [{{operation: {{methods: [GET]}}}}]}}]\n---\n"
        )
        .expect("strings take text");
    }
    text
}

fn input(text: &str) -> Input {
    let mut input = Input::new("default");
    // Files are smaller than what one text may hold.
    let documents: Vec<&str> = text.split_inclusive("---\n").collect();
    for (index, file) in documents.chunks(500).enumerate() {
        input.add_text(&format!("{index}.yaml"), &file.concat());
    }
    input
}

fn scale(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("analyze");
    group.sample_size(10);
    for objects in [1_000, 10_000, 100_000] {
        let text = mesh(objects);
        group.throughput(Throughput::Elements(objects as u64));
        group.bench_with_input(
            BenchmarkId::new("whole", objects),
            &text,
            |bencher, text| {
                bencher.iter(|| {
                    let facts = input(text).into_facts(Mesh::default());
                    black_box(analyze(&facts, &Options::default()).len())
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, scale);
criterion_main!(benches);
