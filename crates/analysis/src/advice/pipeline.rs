//! Pipes: can this pattern ever match that output?

use super::command::{self, kubectl};
use super::fields::{camel, snake};
use super::items::{Kind, Sink, tool_of};
use super::output::{self, Format, Output};
use super::shell::{Pipeline, Word};
use super::verdict::{Judgement, Verdict};
use super::{path, printed};
use crate::knowledge::{ENVOY_FIELDS, RESPONSE_FLAGS, settings};

/// Programs that pass lines on as they are.
const PASSES: &[&str] = &[
    "sort", "uniq", "head", "tail", "tee", "less", "more", "cat", "column", "nl",
];

/// Judges what the commands behind the first make of its output.
pub(crate) fn judge(sink: &mut Sink, pipeline: &Pipeline) {
    let Some((first, rest)) = pipeline.commands.split_first() else {
        return;
    };
    let Some(output) = output::of(sink, first) else {
        return;
    };
    let mut searched = false;
    for command in rest {
        let words = command::proper(&command.words);
        let Some(program) = words.first() else { return };
        let name = program.text.rsplit('/').next().unwrap_or_default();
        let judgement = match tool_of(&program.text) {
            Some("grep") => grep(sink, &output, name, words),
            Some("jq") => jq(sink, &output, words),
            _ if name == "yq" => jq(sink, &output, words),
            _ if PASSES.contains(&name) => continue,
            _ => break,
        };
        searched = true;
        if let Some(judgement) = judgement {
            sink.put(
                pipeline.line,
                pipeline.column,
                Kind::Pipeline,
                &pipeline.text,
                judgement,
            );
            return;
        }
    }
    if searched {
        sink.put(
            pipeline.line,
            pipeline.column,
            Kind::Pipeline,
            &pipeline.text,
            Judgement::fine(""),
        );
    }
}

/// The alternatives of a pattern as literals; an empty list if it is no use to judge it.
fn alternatives(pattern: &str, extended: bool, fixed: bool) -> Vec<String> {
    if fixed {
        return vec![pattern.to_owned()];
    }
    let pattern = if extended {
        pattern.replace("\\|", "|")
    } else {
        pattern
            .replace("\\|", "\u{1}")
            .replace('|', "\u{2}")
            .replace('\u{1}', "|")
    };
    pattern
        .split('|')
        .map(|part| literal(&part.replace('\u{2}', "|")))
        .collect()
}

/// The longest run of an expression that stands for itself.
fn literal(pattern: &str) -> String {
    let mut runs = vec![String::new()];
    let mut escaped = false;
    let mut class = false;
    for c in pattern.chars() {
        if std::mem::take(&mut escaped) {
            match c {
                'b' | 'w' | 's' | 'd' | '<' | '>' | 'S' | 'W' | 'B' => runs.push(String::new()),
                c => {
                    if let Some(run) = runs.last_mut() {
                        run.push(c);
                    }
                }
            }
            continue;
        }
        match c {
            '\\' => escaped = true,
            '[' => class = true,
            ']' => {
                class = false;
                runs.push(String::new());
            }
            _ if class => {}
            '*' | '?' | '{' => {
                if let Some(run) = runs.last_mut() {
                    run.pop();
                }
                runs.push(String::new());
            }
            '.' | '^' | '$' | '(' | ')' | '+' | '}' => runs.push(String::new()),
            c => {
                if let Some(run) = runs.last_mut() {
                    run.push(c);
                }
            }
        }
    }
    runs.into_iter().max_by_key(String::len).unwrap_or_default()
}

fn grep(sink: &Sink, output: &Output, name: &str, words: &[Word]) -> Option<Judgement> {
    let parsed = command::parse(sink, "grep", words);
    if parsed.has("--invert-match") || parsed.has("--quiet") && parsed.positional.is_empty() {
        return None;
    }
    let pattern = parsed
        .flag("--regexp")
        .map(str::to_owned)
        .or_else(|| parsed.positional.first().map(|word| word.text.clone()))?;
    if super::values::is_placeholder(&pattern) || pattern.contains('%') {
        return None;
    }
    let extended =
        name == "egrep" || parsed.has("--extended-regexp") || parsed.has("--perl-regexp");
    let fixed = name == "fgrep" || parsed.has("--fixed-strings");
    let fold = parsed.has("--ignore-case");
    let parts = alternatives(&pattern, extended, fixed);
    let mut reason = None;
    for part in &parts {
        match never(sink, output, part.trim(), fold) {
            Some(judgement) => reason = reason.or(Some(judgement)),
            None => return None,
        }
    }
    reason
}

/// Why a literal can never be in the output.
fn never(sink: &Sink, output: &Output, literal: &str, fold: bool) -> Option<Judgement> {
    let word = literal.trim_matches([':', '"', '\'', ' ', '=']);
    if word.len() < 2 || word.contains(' ') {
        return None;
    }
    match output {
        Output::Table { kind, wide } => in_table(sink, kind, *wide, word, fold),
        Output::Objects { kind, json, .. } => in_objects(sink, kind, *json, literal, word, fold),
        Output::ProxyConfig {
            sub,
            format: Format::Table,
        } => in_proxy_table(sink, sub, word, fold)
            .or_else(|| printed::letter_case(sink, "proxy-config", sub, word).filter(|_| !fold)),
        Output::ProxyConfig {
            format: Format::Data,
            ..
        } if !fold => {
            let right = path::other_spelling(word, true)?;
            let why = sink.say(
                format!("istioctl prints camelCase: {right}, never {word}"),
                format!("istioctl 输出驼峰命名：{right}，不会有 {word}"),
            );
            Some(
                Judgement::new(Verdict::CannotMatch, why, "istioctl proxy-config")
                    .fix(format!("grep {right}")),
            )
        }
        Output::Admin { path } => in_admin(sink, path, word, fold)
            .or_else(|| printed::letter_case(sink, "admin", path, word).filter(|_| !fold)),
        Output::Aws { sub } if !fold => printed::letter_case(sink, "aws", sub, word),
        Output::Logs { container } if container == "istio-proxy" => in_logs(sink, word),
        _ => None,
    }
}

/// Words that stand in the columns of tables, beside names.
const TABLE_WORDS: &[&str] = &[
    "Running",
    "Pending",
    "Completed",
    "CrashLoopBackOff",
    "Error",
    "OOMKilled",
    "Evicted",
    "Terminating",
    "ImagePullBackOff",
    "ErrImagePull",
    "Init",
    "ContainerCreating",
    "PodInitializing",
    "Unknown",
    "NotReady",
    "Ready",
    "True",
    "False",
    "LoadBalancer",
    "ClusterIP",
    "NodePort",
    "ExternalName",
    "Active",
    "Inactive",
    "Succeeded",
    "Failed",
    "Warning",
    "Normal",
    "BackOff",
    "Unhealthy",
    "FailedScheduling",
    "FailedMount",
    "Opaque",
    "STRICT",
    "PERMISSIVE",
    "DISABLE",
    "MESH_EXTERNAL",
    "MESH_INTERNAL",
    "DNS",
    "STATIC",
    "NONE",
    "DNS_ROUND_ROBIN",
    "ALLOW",
    "DENY",
    "CUSTOM",
    "AUDIT",
    "RevisionMissing",
    "RevisionFailed",
    "IngressNotConfigured",
    "Proxy",
    "Serve",
    "NoTraffic",
    "Queued",
    "ReconcileIngressFailed",
    "ContainerMissing",
    "ProgressDeadlineExceeded",
    "SchedulingDisabled",
    "Deployment",
    "SuccessfulRescale",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "InvalidImageName",
    "RunContainerError",
    "StartError",
    "ContainerStatusUnknown",
    "SIGTERM",
    "Name",
    "Age",
];

fn in_table(sink: &Sink, kind: &str, wide: bool, word: &str, fold: bool) -> Option<Judgement> {
    let shapes = kubectl::shapes_of(kind);
    let (known, _) = shapes.first()?;
    if known.kind == "Event" {
        return None;
    }
    let headings: Vec<String> = known
        .columns
        .iter()
        .filter(|(_, only_wide)| wide || !only_wide)
        .map(|(name, _)| name.to_uppercase())
        .chain(["NAME".into(), "NAMESPACE".into()])
        .collect();
    let within = |text: &str| {
        if fold {
            text.to_lowercase().contains(&word.to_lowercase())
        } else {
            text.contains(word)
        }
    };
    if headings.iter().any(|heading| within(heading)) || TABLE_WORDS.iter().any(|text| within(text))
    {
        return None;
    }
    let lower = word.to_lowercase();
    let field = shapes.iter().find_map(|(kind, shape)| {
        let mut place = None;
        shape.visit("", &mut |path, name, _| {
            let same = name == word
                || (fold && name.to_lowercase() == lower)
                || (fold && name.to_lowercase().contains(&lower) && lower.len() > 6);
            if place.is_none() && same && path.starts_with("spec.") {
                place = Some(path.to_owned());
            }
        });
        Some((kind.kind, place?))
    });
    // Names are lower case: what has capitals or underscores is in no name.
    let shaped = !fold
        && word.chars().any(|c| c.is_ascii_uppercase() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let telling = field.as_ref().is_some_and(|_| {
        word.len() > 4
            && !matches!(
                lower.as_str(),
                "hosts"
                    | "gateways"
                    | "gateway"
                    | "template"
                    | "selector"
                    | "service"
                    | "ports"
                    | "image"
                    | "backend"
                    | "action"
                    | "rules"
                    | "replicas"
            )
    });
    if !(telling
        || (shaped && (known.group.contains("istio.io") || known.group.contains("knative"))))
    {
        return None;
    }
    let columns = headings.join(", ");
    let why = sink.say(
        format!("the table has no such column: it prints {columns}"),
        format!("表格没有这一列：只输出 {columns}"),
    );
    let fix = match field {
        Some((_, place)) => format!(
            "kubectl get {kind} NAME -o jsonpath='{{.{}}}'",
            place.replace("[]", "[*]")
        ),
        None => format!("kubectl get {kind} NAME -o yaml"),
    };
    Some(Judgement::new(Verdict::CannotMatch, why, known.source).fix(fix))
}

fn in_objects(
    sink: &Sink,
    kind: &str,
    json: bool,
    literal: &str,
    word: &str,
    fold: bool,
) -> Option<Judgement> {
    let shapes = kubectl::shapes_of(kind);
    let (known, _) = shapes.first()?;
    let has = |name: &str| {
        shapes.iter().any(|(_, shape)| {
            let mut found = false;
            shape.visit("", &mut |_, field, _| found |= field == name);
            found
        })
    };
    if json && literal.contains(": ") && !literal.contains('"') {
        return None;
    }
    let right = camel(word);
    if !fold && word.contains('_') && right != word && !has(word) && has(&right) {
        let why = sink.say(
            format!("{} writes the field {right}, never {word}", known.kind),
            format!("{} 的字段写作 {right}，不会有 {word}", known.kind),
        );
        return Some(
            Judgement::new(Verdict::CannotMatch, why, known.source).fix(format!("grep {right}")),
        );
    }
    None
}

/// Headings of the tables of `istioctl proxy-config`, and the words in them.
fn in_proxy_table(sink: &Sink, sub: &str, word: &str, fold: bool) -> Option<Judgement> {
    let columns = match sub {
        "cluster" => "SERVICE FQDN, PORT, SUBSET, DIRECTION, TYPE, DESTINATION RULE",
        "listener" => "ADDRESSES, PORT, MATCH, DESTINATION",
        "route" => "NAME, VHOST NAME, DOMAINS, MATCH, VIRTUAL SERVICE",
        "endpoint" | "eds" => "ENDPOINT, STATUS, OUTLIER CHECK, CLUSTER",
        "secret" => "RESOURCE NAME, TYPE, STATUS, VALID CERT, SERIAL NUMBER, NOT AFTER, NOT BEFORE",
        _ => return None,
    };
    let fields = |name: &str| {
        ENVOY_FIELDS.rows().any(|row| {
            row.get("fields")
                .split(' ')
                .any(|known| known.split(':').next() == Some(name))
        })
    };
    let snake = if word.contains('_') {
        word.to_lowercase()
    } else {
        snake(word)
    };
    let folded = word.to_lowercase().replace('_', "");
    let istio = settings()
        .defaults()
        .iter()
        .any(|row| row.names.iter().any(|name| name.to_lowercase() == folded));
    let shaped = word.contains('_')
        || word.chars().skip(1).any(|c| c.is_ascii_uppercase())
            && word.chars().any(|c| c.is_ascii_lowercase());
    let named = fields(&snake) && snake.contains('_') || istio;
    let partial = matches!(
        folded.as_str(),
        "circuit"
            | "circuitbreaker"
            | "circuitbreakers"
            | "timeout"
            | "retries"
            | "retry"
            | "outlierdetection"
            | "maxrequests"
            | "keepalive"
            | "idletimeout"
    );
    if !(partial || (named && (shaped || fold)))
        || columns.to_lowercase().contains(&word.to_lowercase())
    {
        return None;
    }
    let why = sink.say(
        format!("the table prints {columns}; settings stand in -o json alone"),
        format!("表格只有 {columns}；设置只在 -o json 中"),
    );
    Some(
        Judgement::new(Verdict::CannotMatch, why, "istioctl proxy-config")
            .fix(format!("istioctl proxy-config {sub} POD -o json")),
    )
}

fn in_admin(sink: &Sink, path: &str, word: &str, fold: bool) -> Option<Judgement> {
    let plain = path.split('?').next().unwrap_or(path);
    match plain {
        "config_dump" if !fold => {
            let right = path::other_spelling(word, false)?;
            let why = sink.say(
                format!("config_dump prints snake_case: {right}, never {word}"),
                format!("config_dump 输出下划线命名：{right}，不会有 {word}"),
            );
            Some(
                Judgement::new(Verdict::CannotMatch, why, "Envoy admin /config_dump")
                    .fix(format!("grep {right}")),
            )
        }
        "clusters" if !path.contains("json") => {
            let wrong = matches!(
                word,
                "health_status"
                    | "healthStatus"
                    | "eds_health_status"
                    | "circuit_breakers"
                    | "circuitBreakers"
                    | "outlier_detection"
                    | "outlierDetection"
                    | "failed_outlier"
                    | "ejected"
                    | "HEALTHY"
                    | "UNHEALTHY"
            );
            if !wrong {
                return None;
            }
            let why = sink.say(
                format!("the text of /clusters has no {word}: it prints health_flags, cx_active, rq_error, success_rate"),
                format!("/clusters 的文本中没有 {word}：只有 health_flags、cx_active、rq_error、success_rate"),
            );
            Some(
                Judgement::new(Verdict::CannotMatch, why, "Envoy admin /clusters")
                    .fix("grep health_flags"),
            )
        }
        "stats" if !path.contains("prometheus") => super::prose::statistic(sink, word)
            .filter(|judgement| judgement.is_wrong())
            .map(|judgement| Judgement {
                verdict: Verdict::CannotMatch,
                ..judgement
            }),
        "stats/prometheus" => super::promql::metric(sink, word, false)
            .filter(|judgement| judgement.verdict == Verdict::Unknown)
            .map(|judgement| Judgement {
                verdict: Verdict::CannotMatch,
                ..judgement
            }),
        _ => None,
    }
}

/// A response flag that Envoy never writes.
fn in_logs(sink: &Sink, word: &str) -> Option<Judgement> {
    let shaped = (2..=5).contains(&word.len()) && word.chars().all(|c| c.is_ascii_uppercase());
    let looks = matches!(
        word,
        "CC" | "CB"
            | "UX"
            | "CT"
            | "NU"
            | "TO"
            | "UL"
            | "OF"
            | "UE"
            | "HC"
            | "LC"
            | "UPF"
            | "URT"
            | "UCE"
            | "NH"
            | "NHU"
            | "RT"
    );
    if !shaped || !looks || RESPONSE_FLAGS.find("flag", word).is_some() {
        return None;
    }
    let judgement = super::prose::flag(sink, word);
    judgement.is_wrong().then_some(Judgement {
        verdict: Verdict::CannotMatch,
        ..judgement
    })
}

fn jq(sink: &Sink, output: &Output, words: &[Word]) -> Option<Judgement> {
    let parsed = command::parse(sink, "jq", words);
    let program = &parsed.positional.first()?.text;
    match output {
        Output::Objects { kind, single, .. } => path::jq(sink, kind, *single, program),
        Output::ProxyConfig {
            format: Format::Data,
            ..
        } => spelling(sink, program, true),
        Output::Admin { path } => {
            let plain = path.split('?').next().unwrap_or(path);
            let page = if path.contains("format=json") && plain != "config_dump" {
                path.split('&').next().unwrap_or(path)
            } else {
                plain
            };
            printed::top_key(sink, "admin", page, program).or_else(|| {
                (plain == "config_dump")
                    .then(|| spelling(sink, program, false))
                    .flatten()
            })
        }
        Output::Aws { sub } => printed::top_key(sink, "aws", sub, program),
        Output::Table { kind, .. } => {
            let why = sink.say(
                "jq reads JSON; without -o json kubectl prints a table",
                "jq 读取 JSON；不加 -o json 时 kubectl 输出表格",
            );
            Some(
                Judgement::new(Verdict::CannotMatch, why, "kubectl get")
                    .fix(format!("kubectl get {kind} -o json | jq …")),
            )
        }
        Output::ProxyConfig {
            sub,
            format: Format::Table,
        } => {
            let why = sink.say(
                "jq reads JSON; without -o json istioctl prints a table",
                "jq 读取 JSON；不加 -o json 时 istioctl 输出表格",
            );
            Some(
                Judgement::new(Verdict::CannotMatch, why, "istioctl proxy-config")
                    .fix(format!("istioctl proxy-config {sub} POD -o json | jq …")),
            )
        }
        _ => None,
    }
}

/// Fields of Envoy in the spelling that is not printed.
fn spelling(sink: &Sink, program: &str, printed_camel: bool) -> Option<Judgement> {
    let mut rest = program;
    while let Some(at) = rest.find('.') {
        rest = &rest[at + 1..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let name = &rest[..end];
        if let Some(right) = path::other_spelling(name, printed_camel) {
            let why = sink.say(
                format!("the JSON has {right}, never {name}"),
                format!("JSON 中是 {right}，不会有 {name}"),
            );
            return Some(
                Judgement::new(Verdict::CannotMatch, why, "Envoy, istioctl")
                    .fix(program.replace(name, &right)),
            );
        }
    }
    None
}
