//! curl against the ports of the mesh: which endpoint stands where, by which method; the variables of `-w`.

use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;
use crate::knowledge::{ADMIN_MEANT, ADMIN_PATHS, CURL_VARIABLES, PORTS, Row, nearest};

/// Judges a curl command beyond its flags.
pub(crate) fn judge(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    if let Some(wrong) = variables(sink, parsed) {
        return Some(wrong);
    }
    if let Some(wrong) = resolves(sink, parsed) {
        return Some(wrong);
    }
    let posts = parsed
        .flag("--request")
        .is_some_and(|method| method.eq_ignore_ascii_case("post"))
        || parsed
            .flags
            .iter()
            .any(|(flag, _, _)| flag.starts_with("--data") || flag == "--json");
    let mut urls: Vec<&str> = parsed
        .positional
        .iter()
        .map(|word| word.text.as_str())
        .collect();
    urls.extend(parsed.flag("--url"));
    urls.iter().find_map(|url| endpoint(sink, url, posts))
}

/// `--resolve HOST:PORT:ADDRESS` in another order.
fn resolves(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let entry = parsed.flag("--resolve")?;
    let mut parts = entry.trim_start_matches('+').splitn(3, ':');
    let (host, port, address) = (
        parts.next()?,
        parts.next().unwrap_or_default(),
        parts.next(),
    );
    let numeric = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit() || c == '*');
    let removal = host.starts_with('-');
    if entry.contains(['$', '<', '{']) || removal || numeric && address.is_some() {
        return None;
    }
    let why = sink.say(
        "--resolve wants HOST:PORT:ADDRESS: curl refuses the entry",
        "--resolve 的格式是 主机:端口:地址：curl 会拒绝",
    );
    Some(
        Judgement::new(Verdict::Refused, why, "curl(1) --resolve")
            .fix(format!("--resolve {host}:443:ADDRESS")),
    )
}

fn variables(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let format = parsed.flag("--write-out")?;
    let mut rest = format;
    while let Some(at) = rest.find("%{") {
        rest = &rest[at + 2..];
        let end = rest.find('}')?;
        let name = &rest[..end];
        rest = &rest[end..];
        if CURL_VARIABLES.find("name", name).is_none()
            && !name.contains(['$', ':'])
            && !name.starts_with("header{")
        {
            let near = nearest(name, CURL_VARIABLES.column("name")).unwrap_or_default();
            let why = sink.say(
                format!("curl has no variable {name}: it prints nothing for it"),
                format!("curl 没有变量 {name}：不会输出"),
            );
            return Some(
                Judgement::new(Verdict::Unknown, why, "curl(1) --write-out")
                    .fix(format!("%{{{near}}}")),
            );
        }
    }
    None
}

/// Host, port and path of a URL that is local.
fn local(url: &str) -> Option<(&str, String)> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = match rest.find('/') {
        Some(at) => (
            &rest[..at],
            rest[at..].split(['?', '#']).next().unwrap_or_default(),
        ),
        None => (rest, "/"),
    };
    let (_, port) = host.rsplit_once(':')?;
    let path = if path.len() > 1 {
        path.trim_end_matches('/')
    } else {
        path
    };
    port.chars()
        .all(|c| c.is_ascii_digit())
        .then(|| (port, path.to_owned()))
}

fn has_path(row: &Row<'_>, path: &str) -> bool {
    row.list("paths").any(|known| {
        known == path
            || known
                .strip_suffix("/*")
                .is_some_and(|prefix| path.starts_with(&format!("{prefix}/")))
    })
}

/// Judges a URL at one of the mesh's ports.
pub(crate) fn endpoint(sink: &Sink, url: &str, posts: bool) -> Option<Judgement> {
    let (port, path) = local(url)?;
    let row = PORTS.find("port", port)?;
    if let Some(judgement) = unreachable(sink, url, &row) {
        return Some(judgement);
    }
    let mesh = row.get("owner").starts_with("ist");
    if !mesh || row.get("paths").is_empty() || path.contains(['$', '<', '{']) || port == "9876" {
        return None;
    }
    if !has_path(&row, &path) {
        return Some(elsewhere(sink, &row, &path));
    }
    if port == "15000" || path == "/quitquitquit" {
        let admin = ADMIN_PATHS.find("path", &path)?;
        if !posts {
            let why = sink.say(
                format!("{path} takes POST alone: GET is answered with 405"),
                format!("{path} 只接受 POST：GET 会得到 405"),
            );
            return Some(
                Judgement::new(Verdict::Refused, why, "Envoy admin interface")
                    .fix(format!("curl -X POST {url}")),
            );
        }
        if admin.get("effect") == "destructive" && port == "15000" {
            let why = sink.say(
                format!("{path} ends or drains the proxy at once"),
                format!("{path} 会立即终止或排空代理"),
            );
            return Some(
                Judgement::new(Verdict::Destructive, why, "Envoy admin interface")
                    .fix("kubectl rollout restart deployment/NAME"),
            );
        }
    }
    Some(Judgement::fine(row.get("source")))
}

/// Envoy's admin interface from elsewhere; a port of gRPC asked with plain HTTP.
fn unreachable(sink: &Sink, url: &str, row: &Row<'_>) -> Option<Judgement> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split([':', '/']).next().unwrap_or_default();
    let port = row.get("port");
    let here = matches!(host, "localhost" | "127.0.0.1" | "[" | "0.0.0.0" | "");
    if port == "15000" && !here && !host.contains("localhost") {
        let why = sink.say(
            format!("the admin interface listens on 127.0.0.1 of the pod alone: {host} refuses the connection"),
            format!("管理接口只监听 Pod 的 127.0.0.1：{host} 会拒绝连接"),
        );
        return Some(
            Judgement::new(Verdict::Refused, why, row.get("source"))
                .fix("kubectl exec POD -c istio-proxy -- pilot-agent request GET …"),
        );
    }
    if matches!(port, "15010" | "15012") && rest.contains('/') {
        let why = sink.say(
            format!("port {port} speaks gRPC ({}): there is no page to read; 15014 has /metrics and /debug", row.get("role")),
            format!("端口 {port} 是 gRPC（{}）：没有可读的页面；/metrics 与 /debug 在 15014", row.get("role_zh")),
        );
        let fix = url.replace(port, "15014");
        return Some(Judgement::new(Verdict::CannotMatch, why, row.get("source")).fix(fix));
    }
    None
}

fn elsewhere(sink: &Sink, row: &Row<'_>, path: &str) -> Judgement {
    let port = row.get("port");
    let other = PORTS.rows().find(|other| {
        other.get("owner").starts_with("ist") && path != "/" && has_path(other, path)
    });
    if let Some(other) = other {
        let right = other.get("port");
        let why = sink.say(
            format!(
                "port {port} ({}) has no {path}; port {right} has it",
                row.get("role")
            ),
            format!(
                "端口 {port}（{}）没有 {path}；它在端口 {right}",
                row.get("role_zh")
            ),
        );
        return Judgement::new(Verdict::Unknown, why, row.get("source"))
            .fix(format!("curl localhost:{right}{path}"));
    }
    let near = ADMIN_MEANT
        .find("path", path)
        .filter(|_| port == "15000")
        .map(|row| row.get("meant"))
        .or_else(|| nearest(path, row.list("paths")))
        .unwrap_or_default();
    let why = sink.say(
        format!(
            "port {port} ({}) has no endpoint {path}: 404",
            row.get("role")
        ),
        format!("端口 {port}（{}）没有 {path}：404", row.get("role_zh")),
    );
    Judgement::new(Verdict::Unknown, why, row.get("source")).fix(near)
}
