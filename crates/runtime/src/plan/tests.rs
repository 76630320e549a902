use super::status::State;
use super::*;

/// A pod under a virtual clock. Starts succeed at once unless a test says otherwise.
struct Run {
    pod: Pod,
    now: Millis,
    log: Vec<String>,
}

fn container(name: &str, role: Role) -> ContainerPlan {
    ContainerPlan {
        name: name.into(),
        role,
        startup: None,
        liveness: None,
        readiness: None,
        post_start: false,
        pre_stop: false,
    }
}

fn probe(period: Millis, failures: u32) -> Option<ProbePlan> {
    Some(ProbePlan {
        initial_delay: 0,
        period,
        failure_threshold: failures,
        success_threshold: 1,
        grace: None,
    })
}

impl Run {
    fn new(restart_policy: RestartPolicy, containers: Vec<ContainerPlan>) -> Self {
        let plan = PodPlan {
            containers,
            restart_policy,
            grace: 30_000,
            deadline: None,
        };
        let mut pod = Pod::new(plan, 0);
        pod.sandbox_ready();
        let mut run = Self {
            pod,
            now: 0,
            log: Vec::new(),
        };
        run.step();
        run
    }

    fn name(&self, index: usize) -> String {
        self.pod.plan.containers[index].name.clone()
    }

    fn step(&mut self) {
        loop {
            let actions = self.pod.step(self.now);
            let mut again = false;
            for action in actions {
                let line = match &action {
                    Action::Start { container, attempt } => {
                        self.pod.running(*container, *attempt, self.now);
                        again = true;
                        format!("start {} {attempt}", self.name(*container))
                    }
                    Action::PostStart { container, .. } => {
                        format!("postStart {}", self.name(*container))
                    }
                    Action::PreStop { container, .. } => {
                        format!("preStop {}", self.name(*container))
                    }
                    Action::Terminate { container } => format!("term {}", self.name(*container)),
                    Action::Kill { container } => format!("kill {}", self.name(*container)),
                    Action::Probe {
                        container, kind, ..
                    } => format!("{} {}", kind.lower(), self.name(*container)),
                    Action::Event { .. } => continue,
                };
                self.log.push(line);
            }
            if !again {
                return;
            }
        }
    }

    /// Lets the virtual clock run, waking when the machine asks.
    fn wait(&mut self, millis: Millis) {
        let end = self.now + millis;
        while let Some(at) = self.pod.wake_at(self.now).filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.step();
            if self
                .pod
                .wake_at(self.now)
                .is_some_and(|next| next <= self.now)
            {
                break;
            }
        }
        self.now = end;
        self.step();
    }

    fn exit(&mut self, index: usize, code: i32) {
        let attempt = self.pod.attempt_of(index).unwrap();
        let ended = Ended {
            code,
            reason: if code == 0 { "Completed" } else { "Error" },
            message: String::new(),
            started: self.now,
            finished: self.now,
        };
        self.pod.exited(index, attempt, ended);
        self.step();
    }

    fn probed(&mut self, index: usize, kind: ProbeKind, good: bool) {
        let attempt = self.pod.attempt_of(index).unwrap();
        let outcome = if good { Ok(()) } else { Err("no".into()) };
        self.pod.probed(index, attempt, kind, &outcome, self.now);
        self.step();
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.log).join(", ")
    }

    fn waiting(&self, index: usize) -> String {
        match &self.pod.view().containers[index].state {
            State::Waiting { reason, .. } => reason.clone(),
            other => format!("{other:?}"),
        }
    }
}

use Role::{Init, Main, Sidecar};

#[test]
fn init_containers_run_one_after_the_other_before_the_main_ones() {
    let mut run = Run::new(
        RestartPolicy::Always,
        vec![
            container("i1", Init),
            container("i2", Init),
            container("a", Main),
            container("b", Main),
        ],
    );
    assert_eq!(run.take(), "start i1 0");
    assert_eq!(run.waiting(2), "PodInitializing");
    assert_eq!(run.pod.view().phase, "Pending");
    run.exit(0, 0);
    assert_eq!(run.take(), "start i2 0");
    run.exit(1, 0);
    assert_eq!(run.take(), "start a 0, start b 0");
    let view = run.pod.view();
    assert_eq!(
        (view.phase, view.initialized, view.containers_ready),
        ("Running", true, true)
    );
}

#[test]
fn a_failed_init_container_is_tried_again_or_fails_the_pod() {
    let mut run = Run::new(
        RestartPolicy::Always,
        vec![container("i", Init), container("a", Main)],
    );
    run.exit(0, 1);
    assert_eq!(run.take(), "start i 0, start i 1");
    run.exit(0, 1);
    assert_eq!(run.waiting(0), "CrashLoopBackOff");
    run.wait(10_000);
    assert_eq!(run.take(), "start i 2");

    let mut run = Run::new(
        RestartPolicy::Never,
        vec![container("i", Init), container("a", Main)],
    );
    run.exit(0, 1);
    assert!(run.pod.is_done());
    assert_eq!(run.pod.view().phase, "Failed");
}

#[test]
fn a_crashing_container_is_restarted_with_growing_back_off() {
    let mut run = Run::new(RestartPolicy::Always, vec![container("a", Main)]);
    assert_eq!(run.take(), "start a 0");
    run.exit(0, 1);
    assert_eq!(run.take(), "start a 1", "the first time at once");
    for (attempt, delay) in [
        (2, 10_000),
        (3, 20_000),
        (4, 40_000),
        (5, 80_000),
        (6, 160_000),
        (7, 300_000),
        (8, 300_000),
    ] {
        run.exit(0, 1);
        assert_eq!(run.waiting(0), "CrashLoopBackOff");
        assert_eq!(run.pod.view().containers[0].last.as_ref().unwrap().code, 1);
        run.wait(delay - 1);
        assert_eq!(run.take(), "");
        run.wait(1);
        assert_eq!(run.take(), format!("start a {attempt}"));
    }
    run.wait(11 * 60_000 + 300_000);
    run.exit(0, 1);
    assert_eq!(run.take(), "start a 9", "forgotten after ten good minutes");
}

#[test]
fn restart_policy_decides_how_a_pod_ends() {
    for (policy, code, phase) in [
        (RestartPolicy::Never, 0, "Succeeded"),
        (RestartPolicy::Never, 3, "Failed"),
        (RestartPolicy::OnFailure, 0, "Succeeded"),
    ] {
        let mut run = Run::new(policy, vec![container("a", Main)]);
        run.exit(0, code);
        assert!(run.pod.is_done());
        assert_eq!(run.pod.view().phase, phase);
    }
    let mut run = Run::new(RestartPolicy::OnFailure, vec![container("a", Main)]);
    run.exit(0, 3);
    assert_eq!(run.take(), "start a 0, start a 1");
}

#[test]
fn a_sidecar_gates_the_main_containers_until_it_has_started() {
    let mut sidecar = container("proxy", Sidecar);
    sidecar.startup = probe(1_000, 600);
    let mut run = Run::new(
        RestartPolicy::Always,
        vec![sidecar, container("i", Init), container("a", Main)],
    );
    assert_eq!(run.take(), "start proxy 0, startup proxy");
    run.probed(0, ProbeKind::Startup, false);
    assert_eq!(run.take(), "");
    run.wait(1_000);
    assert_eq!(run.take(), "startup proxy");
    run.probed(0, ProbeKind::Startup, true);
    assert_eq!(run.take(), "start i 0");
    run.exit(1, 0);
    assert_eq!(run.take(), "start a 0");
}

#[test]
fn a_sidecar_is_restarted_while_others_run_and_never_keeps_a_job_alive() {
    let mut run = Run::new(
        RestartPolicy::Never,
        vec![container("proxy", Sidecar), container("job", Main)],
    );
    assert_eq!(run.take(), "start proxy 0, start job 0");
    run.exit(0, 1);
    assert_eq!(run.take(), "start proxy 1");
    run.exit(1, 0);
    assert_eq!(run.take(), "term proxy");
    run.exit(0, 143);
    assert!(run.pod.is_done());
    assert_eq!(run.pod.view().phase, "Succeeded");
}

#[test]
fn deletion_stops_main_containers_first_and_sidecars_in_reverse_order() {
    let mut run = Run::new(
        RestartPolicy::Always,
        vec![
            container("s1", Sidecar),
            container("s2", Sidecar),
            container("a", Main),
            container("b", Main),
        ],
    );
    run.take();
    run.pod.delete(Some(30_000), run.now);
    run.step();
    assert_eq!(run.take(), "term a, term b");
    run.exit(2, 0);
    assert_eq!(run.take(), "");
    run.exit(3, 0);
    assert_eq!(run.take(), "term s2");
    run.exit(1, 0);
    assert_eq!(run.take(), "term s1");
    assert!(!run.pod.is_done());
    run.exit(0, 0);
    assert!(run.pod.is_done());
}

#[test]
fn what_ignores_sigterm_is_killed_when_the_grace_is_over() {
    let mut run = Run::new(
        RestartPolicy::Always,
        vec![container("s", Sidecar), container("a", Main)],
    );
    run.take();
    run.pod.delete(Some(5_000), run.now);
    run.step();
    assert_eq!(run.take(), "term a");
    run.wait(5_000);
    assert_eq!(run.take(), "kill a");
    run.exit(1, 137);
    assert_eq!(run.take(), "term s");
    run.wait(2_000);
    assert_eq!(run.take(), "kill s", "two seconds remain for a sidecar");
}

#[test]
fn a_pre_stop_hook_delays_sigterm_within_the_grace() {
    let mut main = container("a", Main);
    main.pre_stop = true;
    let mut run = Run::new(RestartPolicy::Always, vec![main]);
    run.take();
    run.pod.delete(Some(30_000), run.now);
    run.step();
    assert_eq!(run.take(), "preStop a");
    run.wait(3_000);
    run.pod.pre_stop_done(0, 0);
    run.step();
    assert_eq!(run.take(), "term a");
    run.wait(27_000);
    assert_eq!(run.take(), "kill a");
}

#[test]
fn a_post_start_hook_holds_back_readiness_and_the_next_container() {
    let mut first = container("proxy", Main);
    first.post_start = true;
    let mut run = Run::new(RestartPolicy::Always, vec![first, container("a", Main)]);
    assert_eq!(run.take(), "start proxy 0, postStart proxy");
    assert!(!run.pod.view().containers[0].ready);
    run.pod.post_start_done(0, 0, &Ok(()), run.now);
    run.step();
    assert_eq!(run.take(), "start a 0");
    assert!(run.pod.view().containers_ready);
}

#[test]
fn a_failed_post_start_hook_kills_the_container() {
    let mut main = container("a", Main);
    main.post_start = true;
    let mut run = Run::new(RestartPolicy::Always, vec![main]);
    run.take();
    run.pod.post_start_done(0, 0, &Err("no".into()), run.now);
    run.step();
    assert_eq!(run.take(), "term a");
}

#[test]
fn readiness_follows_its_probe_and_its_thresholds() {
    let mut main = container("a", Main);
    main.readiness = probe(1_000, 2);
    let mut run = Run::new(RestartPolicy::Always, vec![main]);
    assert_eq!(run.take(), "start a 0, readiness a");
    assert!(!run.pod.view().containers_ready);
    run.probed(0, ProbeKind::Readiness, true);
    assert!(run.pod.view().containers_ready);
    run.wait(1_000);
    run.probed(0, ProbeKind::Readiness, false);
    assert!(run.pod.view().containers_ready, "one failure of two");
    run.wait(1_000);
    run.probed(0, ProbeKind::Readiness, false);
    assert!(!run.pod.view().containers_ready);
    assert_eq!(run.take(), "readiness a, readiness a");
}

#[test]
fn a_container_that_was_never_ready_is_asked_every_second() {
    let mut main = container("a", Main);
    main.readiness = probe(10_000, 3);
    let mut run = Run::new(RestartPolicy::Always, vec![main]);
    run.probed(0, ProbeKind::Readiness, false);
    run.take();
    run.wait(1_000);
    assert_eq!(run.take(), "readiness a");
    run.probed(0, ProbeKind::Readiness, true);
    assert!(run.pod.view().containers_ready);
    run.wait(1_000);
    assert_eq!(run.take(), "readiness a");
    run.probed(0, ProbeKind::Readiness, true);
    run.wait(9_999);
    assert_eq!(run.take(), "");
}

#[test]
fn a_failing_liveness_probe_restarts_the_container() {
    let mut main = container("a", Main);
    main.liveness = probe(1_000, 2);
    let mut run = Run::new(RestartPolicy::Always, vec![main]);
    run.probed(0, ProbeKind::Liveness, false);
    run.wait(1_000);
    run.take();
    run.probed(0, ProbeKind::Liveness, false);
    assert_eq!(run.take(), "term a");
    run.exit(0, 143);
    assert_eq!(run.take(), "start a 1, liveness a");
}

#[test]
fn the_deadline_fails_the_pod() {
    let containers = vec![container("a", Main)];
    let plan = PodPlan {
        containers,
        restart_policy: RestartPolicy::Always,
        grace: 0,
        deadline: Some(60_000),
    };
    let mut pod = Pod::new(plan, 0);
    pod.sandbox_ready();
    pod.step(0);
    pod.running(0, 0, 0);
    assert_eq!(pod.wake_at(0), Some(60_000));
    let actions = pod.step(60_000);
    assert!(
        actions.contains(&Action::Kill { container: 0 }),
        "{actions:?}"
    );
    let ended = Ended {
        code: 137,
        reason: "Error",
        message: String::new(),
        started: 0,
        finished: 60_000,
    };
    pod.exited(0, 0, ended);
    let view = pod.view();
    assert_eq!(
        (view.phase, view.reason.unwrap().0),
        ("Failed", "DeadlineExceeded")
    );
}

#[test]
fn a_start_that_fails_is_tried_again_later_with_the_same_number() {
    let containers = vec![container("a", Main)];
    let plan = PodPlan {
        containers,
        restart_policy: RestartPolicy::Always,
        grace: 0,
        deadline: None,
    };
    let mut pod = Pod::new(plan, 0);
    assert_eq!(pod.step(0), [], "nothing starts without a sandbox");
    pod.sandbox_ready();
    let start = Action::Start {
        container: 0,
        attempt: 0,
    };
    assert_eq!(
        pod.step(0),
        [Action::Start {
            container: 0,
            attempt: 0
        }]
    );
    pod.start_failed(0, "ImageNotMapped", "image \"x\" …".into(), 0);
    assert!(
        matches!(&pod.view().containers[0].state, State::Waiting { reason, .. } if reason == "ImageNotMapped")
    );
    assert_eq!(pod.step(9_999), []);
    assert_eq!(pod.step(10_000), [start]);
}

#[test]
fn a_lost_shim_runs_init_containers_again() {
    let mut run = Run::new(
        RestartPolicy::Always,
        vec![container("i", Init), container("a", Main)],
    );
    run.exit(0, 0);
    assert_eq!(run.take(), "start i 0, start a 0");
    let attempt = run.pod.attempt_of(1).unwrap();
    let ended = Ended {
        code: 137,
        reason: "Error",
        message: String::new(),
        started: 0,
        finished: 0,
    };
    run.pod.exited(1, attempt, ended);
    run.pod.sandbox_lost();
    run.step();
    assert_eq!(run.take(), "");
    run.pod.sandbox_ready();
    run.step();
    assert_eq!(run.take(), "start i 1");
    run.exit(0, 0);
    assert_eq!(run.take(), "start a 1");
}

#[test]
fn an_adopted_container_stays_ready_and_is_not_started_again() {
    let mut main = container("a", Main);
    main.readiness = probe(1_000, 3);
    main.startup = probe(1_000, 3);
    let plan = PodPlan {
        containers: vec![main],
        restart_policy: RestartPolicy::Always,
        grace: 0,
        deadline: None,
    };
    let mut pod = Pod::new(plan, 0);
    pod.adopt_initialized();
    pod.running(0, 4, 100);
    pod.adopt_health(0, true, true);
    pod.sandbox_ready();
    let view = pod.view();
    assert!(view.containers_ready);
    assert_eq!(view.containers[0].restarts, 4);
    let actions = pod.step(5_000);
    assert_eq!(
        actions,
        [Action::Probe {
            container: 0,
            attempt: 4,
            kind: ProbeKind::Readiness
        }]
    );
}
