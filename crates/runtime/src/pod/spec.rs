//! Reads a pod's specification as a [`PodPlan`].

use k8s_openapi::api::core::v1::{Container, PodSpec, Probe};

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
