//! Applications that run as the proxy's user.

use api::parse::Node;

use super::port_names::is_control_plane;
use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Workload};
use crate::finding::{EditAction, Level};

pub(super) const RULE: Rule = Rule {
    name: "application_uid",
    analyzer: "applicationUID.Analyzer",
    summary: "Checks that applications do not run as user 1337",
    codes: &[Code {
        id: "IST0144",
        level: Level::Warning,
        name: "InvalidApplicationUID",
        meaning: "Traffic of user 1337 passes the proxy by: it is the proxy's own user. The application is outside the \
                  mesh, and with mTLS in STRICT mode it is refused.",
        remedy: "Let the application run as another user.",
        verify: "kubectl get pod NAME -o jsonpath='{..runAsUser}'",
    }],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for resource in facts
        .all(Kind::Pod)
        .chain(facts.all(Kind::Deployment))
        .filter(|r| reportable(r) && !is_control_plane(r))
    {
        let Some(workload) = Workload::of(resource) else {
            continue;
        };
        let proxy = |node: &Node| node.at(&["securityContext"]).and_then(|s| s.int("runAsUser")) == Some(1337);
        let mut places = Vec::new();
        if proxy(workload.spec()) {
            places.push("spec.securityContext.runAsUser".to_owned());
        }
        for (index, container) in workload.spec().list("containers").iter().enumerate() {
            if !matches!(container.text("name"), "istio-proxy" | "istio-operator") && proxy(container) {
                places.push(format!("spec.containers[{index}].securityContext.runAsUser"));
            }
        }
        for place in places {
            let path = workload.path_of(&place);
            let message = "User ID (UID) 1337 is reserved for the sidecar proxy.";
            let finding = report.find("IST0144", resource, "", message);
            finding.evidence[0] = resource.evidence(&path, "1337");
            finding.edit(
                resource,
                path,
                EditAction::Set("1338".into()),
                "files that belong to user 1337 may not be writable any more",
            );
        }
    }
}
