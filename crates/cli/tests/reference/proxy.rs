//! Response flags, causes and the admin interface.

use ::proxy::reference::{ENDPOINTS, ResponseFlags, causes};

use super::{code, page, table};

pub(super) fn flags_and_causes() -> String {
    let flags = ResponseFlags::ALL
        .iter()
        .map(|(_, short, long)| vec![code(short), (*long).to_owned()]);
    let mut body = String::from(
        "## Response flags\n\n`%RESPONSE_FLAGS%` and `%RESPONSE_FLAGS_LONG%` in access logs; Envoy's.\n\n",
    );
    body.push_str(&table(&["flag", "long name"], flags));
    body.push_str("\n## Causes\n\nWhat the flight recorder keeps of each failure (`/ferromesh/failures` of the admin interface). Causes of malformed messages name the offending byte; status and details are those of the proxy's own answer to a request. In a response from upstream such a fault is a 502 with flag `UPE`.\n\n");
    body.push_str(&table(
        &["cause", "meaning", "status", "response code details"],
        causes().map(|cause| {
            vec![
                code(cause.code),
                cause.meaning.to_owned(),
                cause.status.map(|s| s.to_string()).unwrap_or_default(),
                cause.details.map(code).unwrap_or_default(),
            ]
        }),
    ));
    let introduction = "How a proxy names what went wrong with a request.";
    page("Response flags and causes", introduction, &body)
}

pub(super) fn admin() -> String {
    let rows = ENDPOINTS.iter().map(|(path, changes, what)| {
        let method = if *changes { "POST" } else { "GET" };
        vec![code(path), method.to_owned(), (*what).to_owned()]
    });
    let mut body = String::from("## Proxy, port 15000\n\n");
    body.push_str(&table(&["path", "method", "what"], rows));
    let introduction = "`kubectl exec POD -c CONTAINER -- curl -s localhost:15000/help` prints this list from a running proxy.";
    page("Admin interface", introduction, &body)
}
