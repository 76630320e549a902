//! When probes are due and what their results mean.

use std::fmt;

use super::{ContainerPlan, Millis};

/// Kubernetes' settings of a probe, defaults filled in, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProbePlan {
    pub(crate) initial_delay: Millis,
    pub(crate) period: Millis,
    pub(crate) failure_threshold: u32,
    pub(crate) success_threshold: u32,
    pub(crate) grace: Option<Millis>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Startup,
    Liveness,
    Readiness,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Startup, Self::Liveness, Self::Readiness];

    pub(crate) fn lower(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Liveness => "liveness",
            Self::Readiness => "readiness",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        })
    }
}

/// Until a container is ready for the first time it is asked at least this often, whatever the period:
/// nothing depends on when a container is found unready that was never ready.
const IMPATIENT: Millis = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    Restart,
}

#[derive(Debug, Clone)]
struct Probe {
    plan: ProbePlan,
    next: Millis,
    in_flight: bool,
    successes: u32,
    failures: u32,
    passed: bool,
    /// Has not passed yet in this run.
    awaited: bool,
}

/// The three probes of one run of a container.
#[derive(Debug, Clone)]
pub(super) struct Probes {
    probes: [Option<Probe>; 3],
    held: bool,
}

impl Probes {
    pub(super) fn new(plan: &ContainerPlan, started: Millis) -> Self {
        let probe = |plan: &Option<ProbePlan>| {
            plan.clone().map(|plan| Probe {
                next: started + plan.initial_delay,
                plan,
                in_flight: false,
                successes: 0,
                failures: 0,
                passed: false,
                awaited: true,
            })
        };
        let probes = [
            probe(&plan.startup),
            probe(&plan.liveness),
            probe(&plan.readiness),
        ];
        Self {
            held: probes[0].is_some(),
            probes,
        }
    }

    fn get(&self, kind: Kind) -> Option<&Probe> {
        self.probes[kind as usize].as_ref()
    }

    /// An earlier node has seen the startup probe pass.
    pub(super) fn adopt(&mut self, started: bool) {
        if let (true, Some(probe)) = (started, &mut self.probes[Kind::Startup as usize]) {
            probe.passed = true;
            self.held = false;
        }
    }

    pub(super) fn startup_passed(&self) -> bool {
        self.get(Kind::Startup).is_none_or(|probe| probe.passed)
    }

    /// `None` without a readiness probe.
    pub(super) fn readiness(&self) -> Option<bool> {
        self.get(Kind::Readiness).map(|probe| probe.passed)
    }

    pub(super) fn adopt_readiness(&mut self, ready: bool) {
        if let Some(probe) = &mut self.probes[Kind::Readiness as usize] {
            probe.passed = ready;
            probe.awaited = !ready;
        }
    }

    pub(super) fn grace(&self, kind: Kind) -> Option<Millis> {
        self.get(kind).and_then(|probe| probe.plan.grace)
    }

    /// Until the startup probe has passed the others rest; then it rests.
    fn active(&self, kind: Kind) -> bool {
        (kind == Kind::Startup) == self.held
    }

    pub(super) fn due(&mut self, started: bool, now: Millis) -> Vec<Kind> {
        self.held = self.held && !started;
        let mut due = Vec::new();
        for kind in Kind::ALL {
            let active = self.active(kind);
            let Some(probe) = &mut self.probes[kind as usize] else {
                continue;
            };
            if active && !probe.in_flight && now >= probe.next {
                probe.in_flight = true;
                let impatient = kind == Kind::Readiness && probe.awaited;
                probe.next = now
                    + if impatient {
                        probe.plan.period.min(IMPATIENT)
                    } else {
                        probe.plan.period
                    };
                due.push(kind);
            }
        }
        due
    }

    pub(super) fn next_at(&self) -> Option<Millis> {
        let idle = |kind: &Kind| self.active(*kind);
        Kind::ALL
            .into_iter()
            .filter(idle)
            .filter_map(|kind| self.get(kind))
            .filter(|probe| !probe.in_flight)
            .map(|probe| probe.next)
            .min()
    }

    pub(super) fn result(&mut self, kind: Kind, success: bool, now: Millis) -> Verdict {
        let Some(probe) = &mut self.probes[kind as usize] else {
            return Verdict::Fine;
        };
        probe.in_flight = false;
        probe.next = probe.next.max(now);
        if success {
            probe.successes += 1;
            probe.failures = 0;
            if probe.successes >= probe.plan.success_threshold {
                probe.passed = true;
                probe.awaited = false;
                if kind == Kind::Startup {
                    self.release(now);
                }
            }
            return Verdict::Fine;
        }
        probe.failures += 1;
        probe.successes = 0;
        if probe.failures < probe.plan.failure_threshold {
            return Verdict::Fine;
        }
        probe.passed = false;
        if kind == Kind::Readiness {
            return Verdict::Fine;
        }
        probe.failures = 0;
        Verdict::Restart
    }

    // The other probes begin at once, so that readiness does not wait another period.
    fn release(&mut self, now: Millis) {
        self.held = false;
        for probe in self.probes[1..].iter_mut().flatten() {
            probe.next = probe.next.max(now).min(now + probe.plan.period);
        }
    }
}
