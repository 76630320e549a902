//! Names: codes, flags, details, operators, metrics, annotations, fields, keys, variables, ports, log texts.

use super::{AccessLog, Explanation, statistics};
use crate::advice::{Lang, Options, places};
use crate::knowledge::{DETAILS, ENV, LOGS, OPERATORS, PORTS, RESPONSE_FLAGS, settings};
use crate::rules::RULES;

/// Everything that the name is.
pub(super) fn all(query: &str, options: &Options) -> Vec<Explanation> {
    let lang = options.lang;
    let bare = query.trim_matches(['`', '"', '\'', '%']);
    let mut found = Vec::new();
    found.extend(code(bare));
    found.extend(flag(bare, lang));
    found.extend(detail(bare, lang));
    found.extend(operator(bare));
    found.extend(statistics::all(bare, options));
    found.extend(annotation(bare, options));
    found.extend(config_keys(bare, options));
    found.extend(variable(bare, options));
    found.extend(port(bare, lang));
    if found.is_empty() {
        found.extend(field(bare, options));
    }
    if found.is_empty() {
        found.extend(logs(query, lang));
    }
    found
}

pub(super) fn fact(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn code(query: &str) -> Option<Explanation> {
    let code = RULES
        .iter()
        .flat_map(|rule| rule.codes)
        .find(|code| code.id.eq_ignore_ascii_case(query))?;
    Some(Explanation {
        title: format!("{} {}", code.id, code.name),
        meaning: code.meaning.to_owned(),
        facts: vec![fact("level", format!("{:?}", code.level))],
        checks: vec![code.remedy.to_owned(), code.verify.to_owned()],
        source: "ferromesh analyze".into(),
    })
}

fn flag(query: &str, lang: Lang) -> Option<Explanation> {
    let row = RESPONSE_FLAGS.rows().find(|row| {
        row.get("flag") == query.to_uppercase() || row.get("long").eq_ignore_ascii_case(query)
    })?;
    let mut facts = vec![fact("long", row.get("long"))];
    if !row.get("status").is_empty() {
        facts.push(fact("status", row.get("status")));
    }
    Some(Explanation {
        title: lang.pick(
            format!("response flag {}", row.get("flag")),
            format!("响应标志 {}", row.get("flag")),
        ),
        meaning: lang.pick(row.get("meaning"), row.get("meaning_zh")),
        facts,
        checks: vec![lang.pick(row.get("check"), row.get("check_zh"))],
        source: row.get("source").to_owned(),
    })
}

fn detail(query: &str, lang: Lang) -> Option<Explanation> {
    let name = query.split(['{', '[']).next().unwrap_or(query);
    let row = DETAILS.find("detail", name)?;
    Some(Explanation {
        title: lang.pick(
            format!("response code details {name}"),
            format!("响应码详情 {name}"),
        ),
        meaning: lang.pick(row.get("meaning"), row.get("meaning_zh")),
        facts: Vec::new(),
        checks: vec![row.get("check").to_owned()],
        source: row.get("source").to_owned(),
    })
}

fn operator(query: &str) -> Option<Explanation> {
    let name = query.split('(').next().unwrap_or(query);
    let row = OPERATORS.find("name", name)?;
    Some(Explanation {
        title: format!("access log operator %{name}%"),
        meaning: if row.get("parameter") == "yes" {
            format!("needs a parameter: %{name}(…)%")
        } else {
            String::new()
        },
        source: row.get("source").to_owned(),
        ..Explanation::default()
    })
}

fn annotation(query: &str, options: &Options) -> Vec<Explanation> {
    let key = query.split([':', '=']).next().unwrap_or(query).trim();
    settings()
        .annotation(key)
        .iter()
        .map(|row| {
            let mut facts = vec![
                fact("on", row.places.replace(',', ", ")),
                fact("value", row.ty),
            ];
            for (name, value) in [
                ("default", row.default),
                ("status", row.status),
                ("since", row.since),
                ("until", row.until),
                ("instead", row.instead),
                ("elsewhere", row.elsewhere),
            ] {
                if !value.is_empty() {
                    facts.push(fact(name, value));
                }
            }
            let (en, zh) = if row.label {
                ("label", "标签")
            } else {
                ("annotation", "注解")
            };
            Explanation {
                title: format!("{} {key}", options.lang.pick(en, zh)),
                facts,
                source: row.source.to_owned(),
                ..Explanation::default()
            }
        })
        .collect()
}

fn config_keys(query: &str, options: &Options) -> Vec<Explanation> {
    settings()
        .config_keys()
        .iter()
        .filter(|row| row.key == query || format!("{}.{}", row.configmap, row.key) == query)
        .map(|row| {
            let mut facts = vec![fact("value", row.ty)];
            for (name, value) in [
                ("default", row.default),
                ("since", row.since),
                ("until", row.until),
                ("instead", row.instead),
            ] {
                if !value.is_empty() {
                    facts.push(fact(name, value));
                }
            }
            Explanation {
                title: options.lang.pick(
                    format!("key {} of ConfigMap {}", row.key, row.configmap),
                    format!("ConfigMap {} 的键 {}", row.configmap, row.key),
                ),
                facts,
                source: row.source.to_owned(),
                ..Explanation::default()
            }
        })
        .collect()
}

fn variable(query: &str, options: &Options) -> Option<Explanation> {
    let row = ENV.find("name", query)?;
    let exists = options.istio.within(row.get("since"), row.get("until"));
    let mut facts = Vec::new();
    if !exists {
        facts.push(fact("until", row.get("until")));
        facts.push(fact("instead", row.get("instead")));
    }
    Some(Explanation {
        title: options.lang.pick(
            format!("environment variable {query}"),
            format!("环境变量 {query}"),
        ),
        facts,
        source: row.get("source").to_owned(),
        ..Explanation::default()
    })
}

fn port(query: &str, lang: Lang) -> Option<Explanation> {
    let row = PORTS.find("port", query)?;
    let mut facts = vec![fact("owner", row.get("owner"))];
    if !row.get("paths").is_empty() {
        facts.push(fact("endpoints", row.get("paths").replace('|', ", ")));
    }
    Some(Explanation {
        title: lang.pick(format!("port {query}"), format!("端口 {query}")),
        meaning: lang.pick(row.get("role"), row.get("role_zh")),
        facts,
        source: row.get("source").to_owned(),
        ..Explanation::default()
    })
}

/// `spec.trafficPolicy.outlierDetection`, `DestinationRule.spec.host`, `consecutive5xxErrors`.
fn field(query: &str, options: &Options) -> Option<Explanation> {
    let plain = query.replace("[]", "").replace("[*]", "");
    let leaf = plain.rsplit('.').next().unwrap_or(&plain);
    let mut at: Vec<(String, String)> = places(leaf)
        .into_iter()
        .map(|(kind, place)| (kind, place.replace("[]", "")))
        .filter(|(kind, place)| {
            let short = kind.split('.').next().unwrap_or(kind);
            let whole = format!("{short}.{place}");
            whole == plain || whole.ends_with(&format!(".{plain}"))
        })
        .collect();
    at.truncate(8);
    let (kind, place) = at.first().cloned()?;
    let mut facts: Vec<(String, String)> = at
        .iter()
        .map(|(kind, place)| fact(kind, place.clone()))
        .collect();
    let short = kind.split('.').next().unwrap_or(&kind).to_owned();
    let notes: Vec<_> = settings()
        .notes()
        .iter()
        .filter(|note| {
            (note.scope == short || note.scope == kind)
                && (place == note.path || place.ends_with(&format!(".{}", note.path)))
        })
        .filter(|note| options.istio.within(note.since, note.until))
        .collect();
    for note in &notes {
        let when = if note.value.is_empty() {
            note.verdict.to_owned()
        } else {
            format!("{} {}", note.verdict, note.value)
        };
        facts.push((when, options.lang.pick(note.why.0, note.why.1)));
    }
    let default = settings().defaults().iter().find(|row| {
        row.names
            .iter()
            .any(|name| *name == leaf || plain.ends_with(name))
    });
    if let Some(default) = default {
        facts.push(fact(
            "default",
            default.values.first().copied().unwrap_or_default(),
        ));
    }
    Some(Explanation {
        title: options
            .lang
            .pick(format!("field {leaf}"), format!("字段 {leaf}")),
        meaning: notes
            .first()
            .map(|note| options.lang.pick(note.why.0, note.why.1))
            .unwrap_or_default(),
        checks: notes
            .iter()
            .filter(|note| !note.fix.is_empty())
            .map(|note| note.fix.to_owned())
            .collect(),
        facts,
        source: "istio/api, knative/serving, Kubernetes".into(),
    })
}

fn logs(query: &str, lang: Lang) -> Vec<Explanation> {
    LOGS.rows()
        .filter(|row| {
            query.contains(row.get("text")) || (query.len() > 7 && row.get("text").contains(query))
        })
        .map(|row| Explanation {
            title: lang.pick(
                format!("log text of {}", row.get("owner")),
                format!("{} 的日志文本", row.get("owner")),
            ),
            meaning: lang.pick(row.get("meaning"), row.get("meaning_zh")),
            facts: vec![fact("text", row.get("text"))],
            checks: vec![row.get("check").to_owned()]
                .into_iter()
                .filter(|check| !check.is_empty())
                .collect(),
            source: row.get("source").to_owned(),
        })
        .collect()
}

/// What the value of a field of a log line means.
pub(super) fn gloss(name: &str, value: &str, lang: Lang) -> String {
    match name {
        "response_flags" => value
            .split(',')
            .filter_map(|flag| RESPONSE_FLAGS.find("flag", flag))
            .map(|row| lang.pick(row.get("meaning"), row.get("meaning_zh")))
            .collect::<Vec<_>>()
            .join("; "),
        "response_code_details" => DETAILS
            .find("detail", value.split('{').next().unwrap_or(value))
            .map(|row| lang.pick(row.get("meaning"), row.get("meaning_zh")))
            .unwrap_or_default(),
        "duration" if value != "-" => lang.pick(
            "ms, request’s first byte to response’s last",
            "毫秒，从请求首字节到响应末字节",
        ),
        "upstream_service_time" if value != "-" => lang.pick("ms in the upstream", "上游耗时毫秒"),
        "upstream_host" if value == "-" => lang.pick("no upstream was chosen", "没有选定上游"),
        _ => String::new(),
    }
}

/// The line in a sentence.
pub(super) fn summary(log: &AccessLog, lang: Lang) -> String {
    let status = log.get("response_code").unwrap_or("-");
    let flags = log.get("response_flags").unwrap_or("-");
    let host = log.get("authority").unwrap_or("-");
    if log.get("response_flags").is_none() {
        return lang.pick(
            format!("{host} answered {status}; no proxy interfered"),
            format!("{host} 应答 {status}；代理没有介入"),
        );
    }
    lang.pick(
        format!("{status} for {host}, made by the proxy: {flags}"),
        format!("{host} 得到 {status}，由代理产生：{flags}"),
    )
}
