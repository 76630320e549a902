//! The probable causes of what an access-log line shows, the most probable first. A fact that the line lacks is not
//! read as its absence.

use super::AccessLog;
use crate::advice::Lang;
use crate::knowledge::{DETAILS, RESPONSE_FLAGS};

/// A cause, with what to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub cause: String,
    pub check: String,
    /// Higher is more probable.
    pub weight: u32,
}

struct Found {
    causes: Vec<Cause>,
    lang: Lang,
}

impl Found {
    fn add(&mut self, weight: u32, cause: (&str, &str), check: impl Into<String>) {
        self.causes.push(Cause {
            cause: self.lang.pick(cause.0, cause.1),
            check: check.into(),
            weight,
        });
    }
}

/// What may be behind a line, most probable first.
#[must_use]
pub fn causes(log: &AccessLog, lang: Lang) -> Vec<Cause> {
    let mut found = Found {
        causes: Vec::new(),
        lang,
    };
    transport(log, &mut found);
    upstream(log, &mut found);
    routing(log, &mut found);
    timing(log, &mut found);
    refusal(log, &mut found);
    general(log, &mut found);
    found
        .causes
        .sort_by_key(|cause| std::cmp::Reverse(cause.weight));
    found.causes.dedup_by(|a, b| a.cause == b.cause);
    found.causes
}

fn cluster(log: &AccessLog) -> String {
    log.get("upstream_cluster").unwrap_or("CLUSTER").to_owned()
}

/// Connections that were not made.
fn transport(log: &AccessLog, found: &mut Found) {
    let reason = log
        .get("upstream_transport_failure_reason")
        .unwrap_or_default()
        .to_lowercase();
    if !log.has_flag("UF") && reason.is_empty() {
        return;
    }
    let cluster = cluster(log);
    if reason.contains("expired") {
        found.add(
            98,
            ("a certificate has expired", "证书已过期"),
            "istioctl proxy-config secret POD; the CA and the clocks of the nodes",
        );
    } else if reason.contains("tls")
        || reason.contains("ssl")
        || reason.contains("certificate")
        || reason.contains("wrong_version")
    {
        found.add(
            95,
            ("client and server disagree on TLS: mTLS towards a plaintext port, or the other way round", "客户端与服务端 TLS 不一致：对明文端口使用 mTLS，或相反"),
            "PeerAuthentication of the server, tls.mode of the client’s DestinationRule (delete tls: auto mTLS decides); istioctl proxy-config rootca-compare",
        );
    }
    if reason.contains("refused") {
        found.add(
            94,
            ("nothing listens at that port of the pod", "Pod 的该端口没有监听"),
            format!("targetPort of the Service against what the container listens on; istioctl proxy-config endpoints POD --cluster '{cluster}'"),
        );
    }
    if reason.contains("timeout") || reason.contains("timed out") {
        found.add(
            93,
            ("packets are dropped on the way", "途中丢包"),
            "NetworkPolicy, security groups and network ACLs; VPC flow logs: REJECT",
        );
    }
    if reason.is_empty() {
        found.add(
            70,
            (
                "the connection failed; the line does not say why",
                "连接失败；该行未写明原因",
            ),
            "add %UPSTREAM_TRANSPORT_FAILURE_REASON% to accessLogFormat",
        );
    }
}

/// Endpoints, pools, and connections that died.
fn upstream(log: &AccessLog, found: &mut Found) {
    let cluster = cluster(log);
    if log.has_flag("UH") {
        found.add(85, ("the cluster has no endpoint: selector, readiness or subset", "集群没有端点：选择器、就绪或子集"), format!("kubectl get endpointslices; istioctl proxy-config endpoints POD --cluster '{cluster}'"));
        found.add(
            75,
            (
                "outlier detection ejected every host",
                "异常检测剔除了所有主机",
            ),
            "the column OUTLIER CHECK of istioctl proxy-config endpoints; maxEjectionPercent",
        );
    }
    if log.has_flag("UO") {
        found.add(
            90,
            (
                "a limit of connectionPool was reached",
                "达到 connectionPool 上限",
            ),
            "DestinationRule: http1MaxPendingRequests, http2MaxRequests, maxConnections",
        );
    }
    if log.has_flag("UC") {
        let sent = log.number("bytes_received").is_some_and(|bytes| bytes > 0);
        let quick = log.number("duration").is_some_and(|ms| ms < 50);
        let weight = 60 + if quick { 20 } else { 0 } + if sent { 5 } else { 0 };
        found.add(
            weight,
            ("idle race: the application closed a kept connection just as the proxy reused it", "空闲竞争：应用关闭长连接时代理正好复用"),
            "make idleTimeout of the DestinationRule shorter than the application’s keep-alive; retryOn: reset-before-request",
        );
        found.add(
            if quick { 55 } else { 72 },
            (
                "the application crashed or was killed during the request",
                "应用在处理请求时崩溃或被杀",
            ),
            "kubectl get pod: RESTARTS, lastState OOMKilled",
        );
        found.add(
            50,
            ("the pod ended without draining", "Pod 终止时没有排空"),
            "preStop sleep, terminationDrainDuration, terminationGracePeriodSeconds",
        );
    }
    if log.has_flag("UR") {
        found.add(
            70,
            ("the upstream reset the stream", "上游重置了流"),
            "the upstream’s log; max concurrent streams; GOAWAY at its restart",
        );
    }
    if log.has_flag("UPE") {
        found.add(88, ("the answer is not valid HTTP: a blank before a colon, content-length with chunked, raw bytes in a header", "响应不是合法 HTTP：冒号前空格、content-length 与 chunked 同时出现、头部含非法字节"), "curl -v the pod directly; the names of the Service’s ports");
    }
}

/// Routes and chains that did not match.
fn routing(log: &AccessLog, found: &mut Found) {
    if log.has_flag("NR") {
        let inbound = log
            .get("response_code_details")
            .is_some_and(|details| details.contains("filter_chain_not_found"));
        if inbound {
            found.add(
                92,
                (
                    "plaintext to a port that takes mTLS alone",
                    "以明文访问只接受 mTLS 的端口",
                ),
                "PeerAuthentication STRICT; give the client a sidecar, or PERMISSIVE for that port",
            );
        }
        found.add(
            80,
            (
                "no host or no match of a VirtualService took it",
                "没有 VirtualService 的主机或匹配命中",
            ),
            format!(
                "istioctl proxy-config routes POD; the authority is {}",
                log.get("authority").unwrap_or("not in the line")
            ),
        );
        found.add(
            60,
            (
                "the Gateway does not have the host, or its server was left out",
                "Gateway 没有该主机，或该 server 被跳过",
            ),
            "istioctl analyze; hosts of all Gateways at that port",
        );
    }
    if log.has_flag("NC") {
        found.add(
            90,
            (
                "the route names a subset or a host that does not exist",
                "路由指向不存在的子集或主机",
            ),
            "subsets of the DestinationRule; apply it before the VirtualService",
        );
    }
    if log
        .get("upstream_cluster")
        .is_some_and(|cluster| cluster == "BlackHoleCluster")
    {
        found.add(
            90,
            (
                "the destination is not in the registry and REGISTRY_ONLY blocks it",
                "目标不在注册表，被 REGISTRY_ONLY 阻断",
            ),
            "a ServiceEntry for the host",
        );
    }
    if log.has_flag("DF") {
        found.add(
            90,
            ("the name did not resolve", "域名无法解析"),
            "DNS of the host; resolution of the ServiceEntry",
        );
    }
}

/// Time-outs.
fn timing(log: &AccessLog, found: &mut Found) {
    let ms = log.number("duration");
    let shown = ms.map_or_else(|| "?".to_owned(), |ms| format!("{ms} ms"));
    if log.has_flag("UT") {
        let check = format!(
            "it took {shown}: the timeout or perTryTimeout of the VirtualService that equals it; Knative: timeoutSeconds"
        );
        found.add(
            90,
            (
                "the application took longer than the route’s time-out",
                "应用耗时超过路由超时",
            ),
            check,
        );
    }
    if log.has_flag("SI") {
        found.add(
            85,
            (
                "neither side sent anything for the stream’s idle time-out",
                "双方在流空闲超时内都没有发送",
            ),
            format!("it took {shown}: stream_idle_timeout is 5 minutes unless set"),
        );
    }
    if log.has_flag("DC") {
        let weight = if ms.is_some_and(|ms| ms >= 1000) {
            80
        } else {
            60
        };
        found.add(weight, ("the client gave up", "客户端放弃"), format!("it took {shown}: the client’s time-out, the load balancer’s idle time-out (NLB 350 s, ALB 60 s)"));
        found.add(
            45,
            ("the client was closed or restarted", "客户端被关闭或重启"),
            "restarts of the client",
        );
    }
    if log.has_flag("URX") {
        found.add(
            75,
            ("every retry failed", "所有重试都失败"),
            "the flag of a single attempt; retries of the VirtualService",
        );
    }
}

/// Refusals by policy.
fn refusal(log: &AccessLog, found: &mut Found) {
    let details = log.get("response_code_details").unwrap_or_default();
    if details.contains("rbac_access_denied") {
        found.add(
            95,
            (
                "an AuthorizationPolicy refused it; its name stands in response_code_details",
                "AuthorizationPolicy 拒绝；名称在 response_code_details 中",
            ),
            "istioctl x authz check POD; principal and trust domain",
        );
    }
    if log.has_flag("UAEX") {
        found.add(
            92,
            ("the external authorizer refused it", "外部鉴权拒绝"),
            "the log of the provider that the CUSTOM policy names",
        );
    }
    if details.contains("jwt") {
        found.add(
            92,
            ("the token is missing or not valid", "令牌缺失或无效"),
            "issuer, audiences and jwksUri of the RequestAuthentication",
        );
    }
    if log.has_flag("RL") || log.has_flag("RLSE") {
        found.add(
            88,
            ("a rate limit answered", "限流应答"),
            "the local_ratelimit filter, or the rate limit service",
        );
    }
    if log.has_flag("FI") || log.has_flag("DI") {
        found.add(
            99,
            ("fault injection", "故障注入"),
            "fault of the VirtualService",
        );
    }
    if log.has_flag("DPE") {
        found.add(
            85,
            (
                "the client’s request is not valid HTTP, or its headers are too large",
                "客户端请求不是合法 HTTP，或头部过大",
            ),
            "response_code_details; max_request_headers_kb (60), max_headers_count (100)",
        );
    }
    if log.has_flag("OM") {
        found.add(
            90,
            ("the proxy is short of memory", "代理内存不足"),
            "memory limit of istio-proxy; a Sidecar resource",
        );
    }
}

/// What the tables say of flags and details that no rule above is about; answers of the application.
fn general(log: &AccessLog, found: &mut Found) {
    let lang = found.lang;
    if let Some(details) = log.get("response_code_details") {
        let name = details.split('{').next().unwrap_or(details);
        if let Some(row) = DETAILS
            .find("detail", name)
            .filter(|_| name != "via_upstream")
        {
            found.add(
                40,
                (row.get("meaning"), row.get("meaning_zh")),
                row.get("check"),
            );
        }
    }
    for flag in log.get("response_flags").unwrap_or_default().split(',') {
        if let Some(row) = RESPONSE_FLAGS.find("flag", flag) {
            let check = lang.pick(row.get("check"), row.get("check_zh"));
            found.add(30, (row.get("meaning"), row.get("meaning_zh")), check);
        }
    }
    let status = log.number("response_code").unwrap_or(0);
    let flagged = log.get("response_flags").is_some();
    if !flagged && status >= 500 {
        found.add(
            80,
            (
                "the application itself answered so: no proxy did",
                "由应用自身应答，不是代理",
            ),
            "the application’s log at this time and request id",
        );
    }
    if !flagged && status == 403 {
        found.add(
            50,
            ("the application refused it", "应用拒绝"),
            "the application’s log",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(line: &str) -> String {
        let log = AccessLog::parse(line).expect("an access log line");
        causes(&log, Lang::En)[0].cause.clone()
    }

    #[test]
    fn the_most_probable_cause_comes_first() {
        let istio = |code: &str, flag: &str, details: &str, reason: &str, duration: &str| {
            format!(
                r#"[2026-08-01T10:00:00.000Z] "GET / HTTP/1.1" {code} {flag} {details} - "{reason}" 12 95 {duration} - "-" "curl" "id" "a" "10.0.0.1:80" outbound|80||a 1.1.1.1:1 2.2.2.2:80 3.3.3.3:3 - default"#
            )
        };
        for (line, says) in [
            (istio("503", "UC", "x", "-", "3"), "idle race"),
            (istio("503", "UC", "x", "-", "9000"), "crashed"),
            (
                istio(
                    "503",
                    "UF",
                    "x",
                    "delayed_connect_error:_Connection_refused",
                    "3",
                ),
                "nothing listens",
            ),
            (
                istio("503", "UF", "x", "TLS_error:_WRONG_VERSION_NUMBER", "3"),
                "disagree on TLS",
            ),
            (
                istio("404", "NR", "route_not_found", "-", "0"),
                "no host or no match",
            ),
            (
                istio("504", "UT", "response_timeout", "-", "15000"),
                "route’s time-out",
            ),
            (
                istio(
                    "403",
                    "-",
                    "rbac_access_denied_matched_policy[none]",
                    "-",
                    "0",
                ),
                "AuthorizationPolicy",
            ),
            (
                istio("500", "-", "via_upstream", "-", "7"),
                "application itself",
            ),
        ] {
            let cause = first(&line);
            assert!(cause.contains(says), "{line}: {cause}");
        }
    }
}
