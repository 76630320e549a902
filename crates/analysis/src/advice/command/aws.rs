//! aws: attributes that an API refuses, queries of Logs Insights.

use super::super::blocks::Piece;
use super::super::items::Sink;
use super::super::pipeline::compared;
use super::super::values;
use super::super::verdict::{Judgement, Verdict};
use super::super::{fields, insights};
use super::{Parsed, cloudwatch};
use crate::knowledge::{AWS_ATTRIBUTES, nearest};

/// What the AWS API refuses, or does against what `context` wants.
pub(super) fn judge(sink: &mut Sink, parsed: &Parsed<'_>, context: &str) -> Option<Judgement> {
    if let Some(query) = parsed.flag("--query-string") {
        let word = parsed
            .flags
            .iter()
            .find(|(flag, _, _)| flag == "--query-string")
            .map(|(_, _, word)| *word)?;
        if query.trim_start().starts_with(['$', '`']) || query.starts_with("file:") {
            return None;
        }
        let pieces = [Piece {
            line: word.line,
            column: word.column,
            text: query.replace('\n', " "),
        }];
        return insights::judge_query(sink, &pieces);
    }
    if let Some(query) = parsed.flag("--query")
        && let Some(judgement) = compared::judge(sink, "aws", &parsed.sub(), query)
    {
        return Some(judgement);
    }
    waiter(sink, parsed)
        .or_else(|| interfaces(sink, parsed))
        .or_else(|| attributes(sink, parsed, context))
        .or_else(|| replaces(sink, parsed, context))
        .or_else(|| cloudwatch::judge(sink, parsed))
}

/// What `aws SERVICE wait` can wait for, of the services whose commands are known.
const WAITERS: &[(&str, &[&str])] = &[
    (
        "elbv2",
        &[
            "load-balancer-available",
            "load-balancer-exists",
            "load-balancers-deleted",
            "target-deregistered",
            "target-in-service",
        ],
    ),
    ("logs", &[]),
    (
        "eks",
        &[
            "addon-active",
            "addon-deleted",
            "cluster-active",
            "cluster-deleted",
            "fargate-profile-active",
            "fargate-profile-deleted",
            "nodegroup-active",
            "nodegroup-deleted",
        ],
    ),
];

fn waiter(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let (service, words) = match parsed.path.as_slice() {
        [service] => (*service, parsed.positional.as_slice()),
        [service, "wait", ..] => (*service, parsed.positional.as_slice()),
        _ => return None,
    };
    let mut words = words.iter().map(|word| word.text.as_str()).peekable();
    let waits = parsed.path.len() > 1 || words.next_if_eq(&"wait").is_some();
    let name = words.next().filter(|_| waits)?;
    let (_, known) = WAITERS.iter().find(|(of, _)| *of == service)?;
    if known.contains(&name) || values::is_placeholder(name) {
        return None;
    }
    let near = nearest(name, known.iter().copied()).or_else(|| {
        (service == "elbv2" && name.starts_with("target")).then_some("target-in-service")
    });
    let why = if known.is_empty() {
        sink.say(
            format!("aws {service} has no waiters: ask for the status in a loop"),
            format!("aws {service} 没有 wait 子命令：请循环查询状态"),
        )
    } else {
        sink.say(
            format!("aws {service} wait has no {name}"),
            format!("aws {service} wait 没有 {name}"),
        )
    };
    let fix = near.map_or_else(String::new, |near| format!("aws {service} wait {near}"));
    Some(Judgement::new(Verdict::Unknown, why, "awscli").fix(fix))
}

/// `modify-*-attributes`: whether what is modified has the attribute, and takes the value.
fn attributes(sink: &Sink, parsed: &Parsed<'_>, context: &str) -> Option<Judgement> {
    let of = match parsed.path.as_slice() {
        ["elbv2", "modify-listener-attributes"] => "listener",
        ["elbv2", "modify-load-balancer-attributes"] => "load-balancer",
        ["elbv2", "modify-target-group-attributes"] => "target-group",
        _ => return None,
    };
    let (_, first, _) = parsed
        .flags
        .iter()
        .find(|(flag, _, _)| flag == "--attributes")?;
    let more = parsed.positional.iter().map(|word| word.text.as_str());
    let arn = parsed.flag("--load-balancer-arn").unwrap_or_default();
    let kind = if arn.contains("/net/") {
        "nlb"
    } else if arn.contains("/app/") {
        "alb"
    } else {
        load_balancer(sink, "")
    };
    first
        .as_deref()
        .into_iter()
        .chain(more)
        .filter_map(pair)
        .find_map(|(key, value)| {
            attribute(sink, of, kind, key, value)
                .or_else(|| fields::opposes(sink, "aws-attribute", key, value, context))
        })
}

/// The kind of load balancer that a line speaks of, or else the whole text: `nlb`, `alb`, or `*` for either.
pub(crate) fn load_balancer(sink: &Sink, line: &str) -> &'static str {
    let speaks = |text: &str, short: &str, long: &str| text.contains(short) || text.contains(long);
    let of = |text: &str| match (
        speaks(text, "nlb", "network load balancer"),
        speaks(text, "alb", "application load balancer"),
    ) {
        (true, false) => Some("nlb"),
        (false, true) => Some("alb"),
        _ => None,
    };
    of(&line.to_lowercase())
        .or_else(|| of(&sink.whole))
        .unwrap_or("*")
}

/// An attribute with its value that a text names, for a load balancer of the kind.
pub(crate) fn pair_of_text(
    sink: &Sink,
    kind: &str,
    key: &str,
    value: &str,
    sentence: &str,
) -> Judgement {
    let of = AWS_ATTRIBUTES.find("key", key).map(|row| row.get("of"));
    of.and_then(|of| attribute(sink, of, kind, key, value))
        .or_else(|| fields::opposes(sink, "aws-attribute", key, value, sentence))
        .unwrap_or_else(|| Judgement::fine("ELBv2 API"))
}

/// Network interfaces of the other kind of load balancer, by their description.
fn interfaces(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    if parsed.path != ["ec2", "describe-network-interfaces"] {
        return None;
    }
    let filters = parsed.flag("--filters")?;
    let (wrong, right) = match load_balancer(sink, "") {
        "nlb" => ("ELB app/", "ELB net/"),
        "alb" => ("ELB net/", "ELB app/"),
        _ => return None,
    };
    if !filters.contains(wrong) {
        return None;
    }
    let why = sink.say(
        format!("the interfaces of this kind of load balancer are described as {right}…"),
        format!("这类负载均衡器的网卡描述为 {right}…"),
    );
    Some(Judgement::new(Verdict::CannotMatch, why, "ELBv2 API").fix(filters.replace(wrong, right)))
}

/// Lists that a call replaces though the text wants to add to them.
fn replaces(sink: &Sink, parsed: &Parsed<'_>, context: &str) -> Option<Judgement> {
    const ADDS: &[&str] = &[
        "add ",
        "adds ",
        "others stay",
        "additional",
        "as well",
        "keep the",
        "one more",
        "append",
        "also ",
        "添加",
        "追加",
        "增加",
        "新增",
        "再加",
        "保留",
    ];
    let flag = match parsed.path.as_slice() {
        ["elbv2", "set-security-groups"] => "--security-groups",
        ["elbv2", "set-subnets"] => "--subnets",
        _ => return None,
    };
    let near = context.rsplit('\n').next().unwrap_or(context);
    let one = !parsed.flag(flag)?.contains(' ');
    if !one || !parsed.positional.is_empty() || !ADDS.iter().any(|word| near.contains(word)) {
        return None;
    }
    let why = sink.say(
        format!("{flag} is the whole list from now on: what is not named is taken away"),
        format!("{flag} 会成为完整列表：未写出的会被移除"),
    );
    Some(
        Judgement::new(Verdict::Destructive, why, "ELBv2 API")
            .fix(format!("{flag} with all that is to stay")),
    )
}

/// `Key=a,Value=b`.
fn pair(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_matches(['"', '\'']);
    let (key, value) = text.strip_prefix("Key=")?.split_once(",Value=")?;
    Some((key, value))
}

/// The value of an annotation that lists attributes, names of which are known to exist.
pub(crate) fn annotation(sink: &Sink, key: &str, value: &str) -> Option<Judgement> {
    let of = ["target-group", "listener", "load-balancer"]
        .into_iter()
        .find(|of| key.contains(&format!("{of}-attributes")))
        .or_else(|| {
            key.ends_with("aws-load-balancer-attributes")
                .then_some("load-balancer")
        })?;
    let kind = if key.starts_with("alb.") {
        "alb"
    } else {
        "nlb"
    };
    value
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(name, value)| attribute(sink, of, kind, name.trim(), value.trim()))
}

/// An annotation that lists attributes, one of which does the opposite of what the text wants.
pub(crate) fn opposed(sink: &Sink, key: &str, value: &str, around: &str) -> Option<Judgement> {
    if !key.ends_with("-attributes") {
        return None;
    }
    value
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(name, value)| {
            fields::opposes(sink, "aws-attribute", name.trim(), value.trim(), around)
        })
}

fn attribute(sink: &Sink, of: &str, kind: &str, key: &str, value: &str) -> Option<Judgement> {
    if values::is_placeholder(key) || values::is_placeholder(value) {
        return None;
    }
    let named: Vec<_> = AWS_ATTRIBUTES
        .rows()
        .filter(|row| row.get("key") == key)
        .collect();
    let own: Vec<_> = named.iter().filter(|row| row.get("of") == of).collect();
    if own.is_empty() {
        return no_attribute(sink, of, key, named.first().map(|row| row.get("of")));
    }
    let fits = |lb: &str| kind == "*" || lb == "*" || lb == kind;
    if let Some(row) = own
        .iter()
        .find(|_| !own.iter().any(|row| fits(row.get("lb"))))
    {
        return Some(of_other(sink, key, row.get("lb"), row.get("source")));
    }
    let own = own.into_iter().filter(|row| fits(row.get("lb")));
    let mut misfits = own.map(|row| (values::check(row.get("type"), value), row.get("source")));
    let (first, source) = misfits.next()?;
    let misfit = first?;
    if misfits.any(|(other, _)| other.is_none()) {
        return None;
    }
    let why = sink.say(
        format!("{key}: {}; the API refuses it", misfit.why.0),
        format!("{key}：{}；API 会拒绝", misfit.why.1),
    );
    Some(Judgement::new(Verdict::Refused, why, source).fix(misfit.fix.unwrap_or_default()))
}

/// An attribute of the other kind of load balancer.
fn of_other(sink: &Sink, key: &str, lb: &str, source: &str) -> Judgement {
    let lb = lb.to_uppercase();
    let why = sink.say(
        format!("{key} is an attribute of an {lb} alone; the API refuses it here"),
        format!("{key} 只是 {lb} 的属性；API 会拒绝"),
    );
    let fix = match key {
        "idle_timeout.timeout_seconds" => "listener attribute tcp.idle_timeout.seconds",
        "stickiness.type" => "stickiness.type=source_ip",
        _ => "",
    };
    Judgement::new(Verdict::Refused, why, source).fix(fix)
}

fn no_attribute(sink: &Sink, of: &str, key: &str, other: Option<&str>) -> Option<Judgement> {
    // Listeners of an ALB have attributes for every header that they may change.
    if of == "listener" && key.starts_with("routing.http.") {
        return None;
    }
    if let Some(other) = other {
        let why = sink.say(
            format!("{key} is an attribute of a {other}, not of a {of}; the API refuses it"),
            format!("{key} 是 {other} 的属性，不是 {of} 的；API 会拒绝"),
        );
        return Some(
            Judgement::new(Verdict::Misplaced, why, "AWS ELBv2 API")
                .fix(format!("aws elbv2 modify-{other}-attributes")),
        );
    }
    let names = AWS_ATTRIBUTES.column("key");
    let why = sink.say(
        format!("a {of} has no attribute {key}"),
        format!("{of} 没有属性 {key}"),
    );
    Some(
        Judgement::new(Verdict::Unknown, why, "AWS ELBv2 API")
            .fix(nearest(key, names).unwrap_or_default()),
    )
}
