//! Reads a pod's specification: its life as a [`PodPlan`], and what this node cannot do, by field.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Probe};

use crate::plan::{ContainerPlan, PodPlan, ProbePlan, RestartPolicy, Role};

/// Containers in the order of the plan: init containers, then main ones.
pub(crate) fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers
        .iter()
        .flatten()
        .chain(&spec.containers)
}

pub(crate) fn plan_of(spec: &PodSpec) -> PodPlan {
    let restart_policy = match spec.restart_policy.as_deref() {
        Some("Never") => RestartPolicy::Never,
        Some("OnFailure") => RestartPolicy::OnFailure,
        _ => RestartPolicy::Always,
    };
    let init = spec.init_containers.iter().flatten().map(|container| {
        let sidecar = container.restart_policy.as_deref() == Some("Always");
        container_plan(container, if sidecar { Role::Sidecar } else { Role::Init })
    });
    let main = spec
        .containers
        .iter()
        .map(|container| container_plan(container, Role::Main));
    PodPlan {
        containers: init.chain(main).collect(),
        restart_policy,
        grace: spec.termination_grace_period_seconds.unwrap_or(30).max(0) * 1000,
        deadline: spec.active_deadline_seconds.map(|seconds| seconds * 1000),
    }
}

fn container_plan(container: &Container, role: Role) -> ContainerPlan {
    let lifecycle = container.lifecycle.as_ref();
    ContainerPlan {
        name: container.name.clone(),
        role,
        startup: container.startup_probe.as_ref().map(probe_plan),
        liveness: container.liveness_probe.as_ref().map(probe_plan),
        readiness: container.readiness_probe.as_ref().map(probe_plan),
        post_start: lifecycle.is_some_and(|lifecycle| lifecycle.post_start.is_some()),
        pre_stop: lifecycle.is_some_and(|lifecycle| lifecycle.pre_stop.is_some()),
    }
}

fn probe_plan(probe: &Probe) -> ProbePlan {
    let seconds = |value: Option<i32>, default: i32| i64::from(value.unwrap_or(default)) * 1000;
    let count = |value: Option<i32>, default: u32| {
        value
            .and_then(|v| u32::try_from(v).ok())
            .unwrap_or(default)
            .max(1)
    };
    ProbePlan {
        initial_delay: seconds(probe.initial_delay_seconds, 0),
        period: seconds(probe.period_seconds.filter(|p| *p > 0), 10),
        failure_threshold: count(probe.failure_threshold, 3),
        success_threshold: count(probe.success_threshold, 1),
        grace: probe
            .termination_grace_period_seconds
            .map(|seconds| seconds * 1000),
    }
}

/// What the pod asks for and cannot have on one machine. Empty when the pod can run.
///
/// Without effect by design, because there is one node and no scheduler, image or kernel profile to
/// choose: affinity, tolerations, topology spread, priority, `imagePullPolicy`, `imagePullSecrets`,
/// CPU requests and limits, `seccompProfile: RuntimeDefault`, AppArmor and SELinux options.
pub(crate) fn unsupported(pod: &Pod) -> Vec<String> {
    let Some(spec) = &pod.spec else {
        return vec!["spec is missing".into()];
    };
    let mut found = Vec::new();
    let mut refuse = |wrong: bool, field: &str, remedy: &str| {
        if wrong {
            found.push(format!(
                "spec.{field} is not supported on one machine; {remedy}"
            ));
        }
    };
    refuse(spec.host_pid == Some(true), "hostPID", "remove it");
    refuse(
        spec.host_users == Some(false),
        "hostUsers: false",
        "remove it",
    );
    refuse(
        spec.runtime_class_name.is_some(),
        "runtimeClassName",
        "remove it",
    );
    refuse(
        spec.resource_claims.as_ref().is_some_and(|c| !c.is_empty()),
        "resourceClaims",
        "remove them",
    );
    refuse(
        spec.ephemeral_containers
            .as_ref()
            .is_some_and(|c| !c.is_empty()),
        "ephemeralContainers",
        "use kubectl exec",
    );
    let context = spec.security_context.as_ref();
    refuse(
        context.is_some_and(|c| c.sysctls.as_ref().is_some_and(|s| !s.is_empty())),
        "securityContext.sysctls",
        "remove them",
    );
    let local = |profile: Option<&str>| profile == Some("Localhost");
    let pod_profile = context
        .and_then(|c| c.seccomp_profile.as_ref())
        .map(|p| p.type_.as_str());
    refuse(
        local(pod_profile),
        "securityContext.seccompProfile",
        "use RuntimeDefault",
    );
    for container in containers(spec) {
        let name = &container.name;
        let mut refuse = |wrong: bool, field: &str, remedy: &str| {
            refuse(wrong, &format!("containers[{name}].{field}"), remedy);
        };
        let ports = || container.ports.iter().flatten();
        refuse(
            spec.host_network != Some(true)
                && ports().any(|port| port.host_port.is_some_and(|port| port != 0)),
            "ports.hostPort",
            "use a Service behind the gateway",
        );
        refuse(
            container
                .volume_devices
                .as_ref()
                .is_some_and(|d| !d.is_empty()),
            "volumeDevices",
            "use volumeMounts",
        );
        refuse(
            container
                .restart_policy_rules
                .as_ref()
                .is_some_and(|r| !r.is_empty()),
            "restartPolicyRules",
            "remove them",
        );
        let mounts = || container.volume_mounts.iter().flatten();
        let propagates = |mode: Option<&str>| mode.is_some_and(|mode| mode != "None");
        refuse(
            mounts().any(|m| propagates(m.mount_propagation.as_deref())),
            "volumeMounts.mountPropagation",
            "remove it",
        );
        let profile = container
            .security_context
            .as_ref()
            .and_then(|c| c.seccomp_profile.as_ref());
        refuse(
            local(profile.map(|p| p.type_.as_str())),
            "securityContext.seccompProfile",
            "use RuntimeDefault",
        );
    }
    found.extend(
        spec.volumes
            .iter()
            .flatten()
            .filter_map(|volume| crate::volume::origin(volume).err()),
    );
    found
}
