use std::{mem, time::Duration};

use tokio::sync::watch;

use super::{
    Builder, Counts, State,
    config::Settings,
    gate::{Published, Sign, Token, kind},
    live::Live,
    stall::Stall,
    state::{Gate, Hint, Machine},
};
use crate::kernel::{
    Admit, Bell, Dependency, Ended, Immediate, Instant, Name, Policy, Rejected, Timing, Why, clock,
    dependency::{Fact, Report},
    event::Chain,
    sync::{Arc, AtomicU64, Mutex, Ordering, lock},
    window::{Sample, Window},
};

/// Rejects calls to a dependency that keeps failing, and probes it gently until it works again.
///
/// See the [module](super) for a picture, and [`Builder`] for the settings. While it is closed, a call costs it one load
/// and one addition; it takes a lock only to change its state and while it is half-open.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{CircuitBreaker, Policy};
///
/// let breaker = CircuitBreaker::builder("payments")
///     .failure_ratio(0.4)
///     .slow_calls(Duration::from_secs(1), 0.5)
///     .build()?;
/// let layer = breaker.clone().layer().http();
///
/// // Later, in an admin endpoint:
/// breaker.configure(|settings| settings.failure_ratio(0.6).minimum_calls(50))?;
/// assert_eq!(breaker.counts().failures, 0);
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[doc(alias = "breaker")]
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    name: Name,
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    gate: Published,
    /// What rejections while probing suggest.
    pub(super) open_time: AtomicU64,
    /// The dependency asked to be left alone until then.
    asked_until: AtomicU64,
    pub(super) live: Live,
    pub(super) stall: Stall,
    pub(super) window: Window,
    pub(super) core: Mutex<Core>,
    changes: Chain<State>,
    pub(super) states: watch::Sender<State>,
    /// Rings when calls are rejected that would have been let through before.
    shut: Arc<Bell>,
    /// Where others are told of its state.
    report: Option<Report>,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) machine: Machine,
    pub(super) settings: Settings,
}

impl CircuitBreaker {
    /// Starts a breaker of that name, which its rejections will carry.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }

    pub(super) fn new(name: Name, settings: Settings, dependency: Option<&Dependency>) -> Self {
        let shared = Shared {
            gate: Published::new(),
            open_time: AtomicU64::new(clock::nanos(settings.open_time)),
            asked_until: AtomicU64::new(0),
            live: Live::new(&settings),
            stall: Stall::new(settings.stall, dependency.map(Dependency::report)),
            window: Window::new(settings.window),
            core: Mutex::new(Core { machine: Machine::new(), settings }),
            changes: Chain::new(),
            states: watch::Sender::new(State::Closed),
            shut: Arc::default(),
            report: dependency.map(Dependency::report),
        };
        Self { name, shared: Arc::new(shared) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// What its window holds now. It is emptied when the breaker closes, so while open it shows what opened it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts_at(clock::coarse())
    }

    /// What its window holds at that time: for those who keep the time themselves, as tests of state machines do.
    #[must_use]
    pub fn counts_at(&self, now: Instant) -> Counts {
        self.shared.window.counts(now)
    }

    pub(super) fn forget(&self) {
        self.shared.window.clear();
        self.shared.live.end_run();
        self.shared.stall.forget();
        self.shared.asked_until.store(0, Ordering::Relaxed);
    }

    /// Asks or changes the machine, and lets everybody know: every thread under the lock, and whoever listens after it.
    pub(super) fn with_core<R>(&self, change: impl FnOnce(&mut Core) -> R) -> R {
        let (shuts, result) = {
            let mut core = lock(&self.shared.core);
            let (before, bar) = (core.machine.state(), self.shared.gate.bar());
            let result = change(&mut core);
            self.shared.gate.publish(core.machine.generation(), core.machine.gate(&core.settings));
            self.shared.changes.change(|| (before, core.machine.state()));
            if let Some(report) = &self.shared.report {
                report.state(Fact::Open, core.machine.not_closed_until(&core.settings));
                report.state(Fact::Pressed, core.machine.ramps_until(&core.settings));
            }
            // Another bar than before, even where there was one: calls may have been let through when its time was over.
            let bar_now = self.shared.gate.bar();
            (bar_now.is_some() && bar_now != bar, result)
        };
        if shuts {
            self.shared.shut.ring();
        }
        self.shared.changes.hand_out(|from, to| {
            self.shared.states.send_replace(to);
            self.shared.changes.tell_state(self.name, from.as_str(), to.as_str());
        });
        result
    }

    /// Why nothing is let through, as long as that can be told without the machine.
    #[cold]
    #[inline(never)]
    fn barred(&self, gate: Sign, now: impl FnOnce() -> Instant) -> Option<Rejected> {
        match gate.kind() {
            kind::OPEN => {
                let (now, until) = (now(), self.shared.gate.until());
                (now < until).then(|| self.rejected_until(Why::Open, until, now))
            }
            kind::PROBING => {
                let (now, until) = (now(), self.shared.gate.until());
                (now < until).then(|| self.probing(until.since(now)))
            }
            kind::BARRED => Some(Rejected::new(self.name, Why::Open)),
            _ => None,
        }
    }

    fn rejected(&self, why: Why, after: Duration) -> Rejected {
        Rejected::new(self.name, why).with_retry_after(after)
    }

    fn rejected_until(&self, why: Why, until: Instant, now: Instant) -> Rejected {
        Rejected::new(self.name, why).after_nanos(until.nanos_since(now))
    }

    /// The probes are most likely back long before their leases end.
    fn probing(&self, lease: Duration) -> Rejected {
        let open_time = Duration::from_nanos(self.shared.open_time.load(Ordering::Relaxed));
        self.rejected(Why::Probing, lease.min(open_time))
    }

    /// The way in, wherever calls do not just flow.
    #[cold]
    fn admit_slowly(&self, gate: Sign, now: Instant) -> Result<Token, Rejected> {
        match gate.kind() {
            kind::WATCH | kind::PASS => Ok(gate.token()),
            kind::RAMP => self.ramp(gate.token(), now),
            _ => self.barred(gate, || now).map_or_else(|| self.ask(now), Err),
        }
    }

    /// The way in that the gate alone does not decide.
    fn ask(&self, now: Instant) -> Result<Token, Rejected> {
        self.with_core(|Core { machine, settings }| {
            let probe = machine.probe(settings, now);
            let token = Token::new(machine.generation(), probe);
            match machine.gate(settings) {
                _ if probe.is_some() => Ok(token),
                // The machine has moved on since the gate was read.
                Gate::Open { until } => Err(self.rejected(Why::Open, until.since(now))),
                Gate::Probing { until } => Err(self.probing(until.since(now))),
                Gate::Barred => Err(Rejected::new(self.name, Why::Open)),
                Gate::Ask => Err(self.probing(Duration::ZERO)),
                Gate::Flow | Gate::Ramp { .. } | Gate::Watch | Gate::Pass => Ok(token),
            }
        })
    }

    /// The way in when nothing was answered for a while. The call that finds a stall is turned away as those after it.
    #[cold]
    #[inline(never)]
    fn admit_in_quiet(&self, gate: Sign, now: Instant) -> Result<Token, Rejected> {
        if !self.shared.stall.suspect(now) {
            return Ok(gate.token());
        }
        self.shared.stall.forget();
        self.trip(gate.token(), now);
        self.admit_slowly(self.shared.gate.read(), now)
    }

    fn ramp(&self, token: Token, now: Instant) -> Result<Token, Rejected> {
        let until = self.shared.gate.until();
        if now >= until {
            self.with_core(|Core { machine, settings }| machine.end_ramp(settings, now));
            return Ok(token);
        }
        if self.shared.gate.ramp_lets_through(now) {
            Ok(token)
        } else {
            Err(self.rejected(Why::Ramping, until.since(now)))
        }
    }

    /// The way out, for all but a call that went well while calls flow.
    ///
    /// It is given the end by value, which can then stay in registers for everybody else.
    #[cold]
    #[inline(never)]
    fn settle_slowly(&self, token: Token, gate: Sign, ended: Ended) {
        // Whatever this call ended in, it belongs to a state that is over.
        if gate.is_of_another_generation(token) {
            return;
        }
        if let Some(after) = ended.retry_after.filter(|_| ended.outcome.is_bad()) {
            self.shared.asked_until.fetch_max(ended.now.after(after).as_nanos(), Ordering::Relaxed);
        }
        match (token.probe(), gate.kind()) {
            (Some(probe), _) => self.probed(probe, Some(&ended), ended.now),
            (None, kind::PASS) => {}
            (None, kind) => self.record(token, kind, &ended),
        }
    }

    fn record(&self, token: Token, kind: u64, ended: &Ended) {
        self.shared.stall.ended(ended);
        let Some(sample) = self.shared.live.sample(ended, self.shared.stall.after()) else { return };
        let run_ends_it = self.shared.live.run_ends_it(ended);
        let is_no_worse = self.shared.window.record(sample, ended.now);
        if kind == kind::WATCH {
            return;
        }
        if run_ends_it {
            self.trip(token, ended.now);
        } else if !is_no_worse {
            self.weigh(token, ended.now);
        }
    }

    /// Opens if the window holds too much that is bad.
    #[cold]
    #[inline(never)]
    fn weigh(&self, token: Token, now: Instant) {
        let epoch = self.shared.window.epoch();
        let counts = self.shared.window.counts(now);
        if self.shared.live.counts_end_it(counts) {
            self.trip(token, now);
        } else if self.shared.live.are_enough(counts) {
            self.shared.window.settle(epoch);
        }
    }

    fn trip(&self, token: Token, now: Instant) {
        self.with_core(|Core { machine, settings }| {
            if Token::new(machine.generation(), None) == token {
                machine.trip(settings, self.hint(), now);
            }
        });
    }

    fn probed(&self, probe: u32, ended: Option<&Ended>, now: Instant) {
        self.with_core(|Core { machine, settings }| {
            if machine.probed(probe, ended, settings, self.hint(), now) {
                self.forget();
                self.shared.gate.begin_ramp();
            }
        });
    }

    fn hint(&self) -> Hint {
        let asked_until = Instant::from_nanos(self.shared.asked_until.load(Ordering::Relaxed));
        Hint { asked_until, chance: fastrand::f64() }
    }
}

impl Policy for CircuitBreaker {
    type Kind = Immediate;
    type Token = Token;

    const TIMING: Timing = Timing::Coarse;

    fn name(&self) -> Option<Name> {
        Some(self.name)
    }

    fn bells(&self, visit: &mut dyn FnMut(&Arc<Bell>)) {
        visit(&self.shared.shut);
    }

    /// A stream that goes on for hours is an answer all the same.
    fn head(&self, token: &Token, started: Instant, now: Instant) {
        if self.shared.gate.read().flows_for(*token) {
            self.shared.stall.answer(now.as_nanos().saturating_sub(started.as_nanos()), now);
        }
    }

    /// That it is answered is all there is to know of it: how long its reader stays says nothing of the dependency, and a probe
    /// would keep others waiting for as long.
    fn lasts(&self, token: &mut Token, head: &Ended) {
        self.settle(mem::replace(token, Token::SETTLED), head);
    }

    #[inline(always)]
    fn settle(&self, token: Token, ended: &Ended) {
        let shared = &*self.shared;
        let gate = shared.gate.read();
        if gate.flows_for(token) && shared.live.is_good(ended) {
            shared.live.end_run();
            shared.stall.answer(ended.latency_nanos(), ended.now);
            if !shared.window.record(Sample::default(), ended.now) {
                self.weigh(token, ended.now);
            }
        } else {
            self.settle_slowly(token, gate, *ended);
        }
    }

    #[inline]
    fn undo(&self, token: Token, now: Instant) {
        if let Some(probe) = token.probe() {
            self.probed(probe, None, now);
        } else {
            self.shared.stall.expect_one_less();
        }
    }
}

impl<Request> Admit<Request> for CircuitBreaker {
    #[inline(always)]
    fn admit(&self, _: &Request, now: Instant) -> Result<Token, Rejected> {
        let gate = self.shared.gate.read();
        if gate.kind() != kind::FLOW {
            self.admit_slowly(gate, now)
        } else if self.shared.stall.is_calm(now) {
            Ok(gate.token())
        } else {
            self.admit_in_quiet(gate, now)
        }
    }

    #[inline(always)]
    fn shut(&self, now: impl FnOnce() -> Instant) -> Option<Rejected> {
        let gate = self.shared.gate.read();
        if gate.kind() == kind::FLOW { None } else { self.barred(gate, now) }
    }
}
