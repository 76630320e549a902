//! Annotations of AWS load balancers: known, for this kind of balancer, readable.

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::{Facts, Kind, Resource};
use crate::facts::fields::Fields;
use crate::finding::{EditAction, Level};
use crate::tables::{self, near, value};

const VERIFY: &str = "kubectl describe service NAME";

pub(super) const RULE: Rule = Rule {
    name: "aws_annotations",
    analyzer: "aws.LoadBalancerAnnotations",
    summary: "Checks annotations for AWS load balancers",
    codes: &[
        Code {
            id: "FM0801",
            level: Level::Warning,
            name: "AwsAnnotationUnknown",
            meaning: "No controller reads the annotation: it has no effect.",
            remedy: "Correct the name; idle time-outs of an NLB are set by the annotation \
                     service.beta.kubernetes.io/aws-load-balancer-listener-attributes.TCP-PORT.",
            verify: VERIFY,
        },
        Code {
            id: "FM0802",
            level: Level::Warning,
            name: "AwsAnnotationOfOtherBalancer",
            meaning: "The annotation is for another kind of load balancer: here it has no effect.",
            remedy: "Use the annotation of this kind; alb.ingress.kubernetes.io/ belongs to an Ingress.",
            verify: VERIFY,
        },
        Code {
            id: "FM0803",
            level: Level::Warning,
            name: "AwsAnnotationMalformed",
            meaning: "The controller cannot read the value: it stops to reconcile the load balancer, and later changes do \
                      not arrive either.",
            remedy: "Correct the value.",
            verify: VERIFY,
        },
    ],
    check,
};

const SERVICE: &str = "service.beta.kubernetes.io/aws-load-balancer-";
const INGRESS: &str = "alb.ingress.kubernetes.io/";

fn check(facts: &Facts, report: &mut Report) {
    for kind in [Kind::Service, Kind::Ingress] {
        for resource in facts.all(kind).filter(|r| reportable(r)) {
            for (key, node) in resource.annotations() {
                if key.text.starts_with(SERVICE) || key.text.starts_with(INGRESS) {
                    judge(report, resource, &key.text, &node.scalar().unwrap_or_default());
                }
            }
        }
    }
}

fn is_nlb(service: &Resource) -> bool {
    let kind = service.annotation("service.beta.kubernetes.io/aws-load-balancer-type");
    matches!(kind, Some("external" | "nlb" | "nlb-ip"))
        || service.spec().text("loadBalancerClass") == "service.k8s.aws/nlb"
}

fn judge(report: &mut Report, resource: &Resource, name: &str, text: &str) {
    let path = format!("metadata.annotations[{name:?}]");
    let Some(setting) = tables::setting(name) else {
        let candidates = tables::settings().keys().copied();
        let near = near(name, candidates);
        let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
        let finding = report.find("FM0801", resource, &path, format!("AWS has no annotation {name}{hint}"));
        if let Some(near) = near {
            finding.edit(
                resource,
                path,
                EditAction::Rename(near.to_owned()),
                "the load balancer is changed at once",
            );
        }
        return;
    };
    let service = resource.kind == Kind::Service;
    let for_service = setting.places.split(',').any(|place| place == "service");
    // Some of an Ingress's annotations are read on the services behind it too.
    let behind = setting.places.contains("alb-backend");
    if service && name.starts_with(INGRESS) && !behind || !service && for_service {
        let (wanted, found) = if service { ("an Ingress (ALB)", "a Service") } else { ("a Service (NLB)", "an Ingress") };
        let message = format!("{name} is read on {wanted}; on {found} it has no effect");
        report.find("FM0802", resource, &path, message);
        return;
    }
    if setting.status == "clb-only" && is_nlb(resource) {
        let message = format!("{name} is for Classic Load Balancers; this is an NLB, and it has no effect");
        let finding = report.find("FM0802", resource, &path, message);
        if name.ends_with("connection-idle-timeout") {
            finding.advise(
                "Write service.beta.kubernetes.io/aws-load-balancer-listener-attributes.TCP-PORT: \
                 tcp.idle_timeout.seconds=SECONDS.",
            );
        }
        return;
    }
    if let Err(wanted) = value::accepts(setting.kind, text) {
        let message = format!("{name}: {text:?} cannot be read; write {wanted}");
        report.find("FM0803", resource, &path, message);
    }
}
