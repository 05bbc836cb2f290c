use std::time::Duration;

use super::{
    Builder, Counts, State,
    config::Settings,
    gate::{Published, Sign, Token, kind},
    live::Live,
    state::{Gate, Hint, Machine},
};
use crate::kernel::{
    Admit, Ended, Immediate, Instant, Invalid, Name, Policy, Rejected, Timing, Why, clock,
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
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    name: Name,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    gate: Published,
    /// What rejections while probing suggest.
    open_time: AtomicU64,
    /// The dependency asked to be left alone until then.
    asked_until: AtomicU64,
    live: Live,
    window: Window,
    core: Mutex<Core>,
}

#[derive(Debug)]
struct Core {
    machine: Machine,
    settings: Settings,
}

impl CircuitBreaker {
    /// Starts a breaker of that name, which its rejections will carry.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }

    pub(super) fn new(name: Name, settings: Settings) -> Self {
        let shared = Shared {
            gate: Published::new(),
            open_time: AtomicU64::new(clock::nanos(settings.open_time)),
            asked_until: AtomicU64::new(0),
            live: Live::new(&settings),
            window: Window::new(settings.window),
            core: Mutex::new(Core { machine: Machine::new(), settings }),
        };
        Self { name, shared: Arc::new(shared) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// What it is doing. It leaves `Open` with the first call after the open time, not by itself.
    #[must_use]
    pub fn state(&self) -> State {
        lock(&self.shared.core).machine.state()
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

    /// Rejects every call until [`reset`](Self::reset).
    pub fn force_open(&self) {
        self.force(State::ForcedOpen);
    }

    /// Lets every call through until [`reset`](Self::reset), whatever happens, and counts nothing.
    pub fn force_closed(&self) {
        self.force(State::ForcedClosed);
    }

    /// Lets every call through until [`reset`](Self::reset), and goes on counting.
    pub fn disable(&self) {
        self.force(State::Disabled);
    }

    /// Closes it and forgets everything: counts, open times, and that it was forced.
    pub fn reset(&self) {
        let mut core = lock(&self.shared.core);
        core.machine.reset(clock::coarse());
        self.forget();
        self.publish(&core);
    }

    /// Changes settings while it runs. Its state, its counts and its open time stay as they are; a half-open period is
    /// judged to its end by the settings it began with.
    ///
    /// `change` is given what the breaker is set to, and no lock is held while it runs: of two changes made at the same time
    /// the last one holds.
    ///
    /// # Errors
    ///
    /// [`Invalid`]; nothing is changed then.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cofferdam::CircuitBreaker;
    ///
    /// let breaker = CircuitBreaker::builder("payments").build()?;
    /// breaker.configure(|settings| settings.open_time(Duration::from_secs(5)))?;
    /// assert!(breaker.configure(|settings| settings.probes(0)).is_err());
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn configure(&self, change: impl FnOnce(Builder) -> Builder) -> Result<(), Invalid> {
        let current = lock(&self.shared.core).settings;
        let settings = change(Builder::of(self.name, &current)).check()?;
        let mut core = lock(&self.shared.core);
        if core.settings.window != settings.window {
            self.shared.window.reshape(settings.window, clock::coarse());
        }
        self.shared.live.set(&settings);
        self.shared.window.unsettle();
        self.shared.open_time.store(clock::nanos(settings.open_time), Ordering::Relaxed);
        core.settings = settings;
        self.publish(&core);
        Ok(())
    }

    fn force(&self, state: State) {
        let mut core = lock(&self.shared.core);
        core.machine.force(state);
        self.publish(&core);
    }

    fn forget(&self) {
        self.shared.window.clear();
        self.shared.live.end_run();
        self.shared.asked_until.store(0, Ordering::Relaxed);
    }

    /// Lets every thread know what the machine says.
    fn publish(&self, core: &Core) {
        self.shared.gate.publish(core.machine.generation(), core.machine.gate(&core.settings));
    }

    /// Why nothing is let through, as long as that can be told without the machine.
    fn barred(&self, gate: Sign, now: impl FnOnce() -> Instant) -> Option<Rejected> {
        match gate.kind() {
            kind::OPEN => {
                let (now, until) = (now(), self.shared.gate.until());
                (now < until).then(|| self.rejected(Why::Open, until.since(now)))
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
        let mut guard = lock(&self.shared.core);
        let core = &mut *guard;
        let probe = core.machine.probe(&core.settings, now);
        self.publish(core);
        let token = Token::new(core.machine.generation(), probe);
        match core.machine.gate(&core.settings) {
            _ if probe.is_some() => Ok(token),
            // The machine has moved on since the gate was read.
            Gate::Open { until } => Err(self.rejected(Why::Open, until.since(now))),
            Gate::Probing { until } => Err(self.probing(until.since(now))),
            Gate::Barred => Err(Rejected::new(self.name, Why::Open)),
            Gate::Ask => Err(self.probing(Duration::ZERO)),
            Gate::Flow | Gate::Ramp { .. } | Gate::Watch | Gate::Pass => Ok(token),
        }
    }

    fn ramp(&self, token: Token, now: Instant) -> Result<Token, Rejected> {
        let until = self.shared.gate.until();
        if now >= until {
            let mut guard = lock(&self.shared.core);
            let core = &mut *guard;
            core.machine.end_ramp(&core.settings, now);
            self.publish(core);
            return Ok(token);
        }
        if self.shared.gate.ramp_lets_through(now) {
            Ok(token)
        } else {
            Err(self.rejected(Why::Ramping, until.since(now)))
        }
    }

    /// The way out, for all but a call that went well while calls flow.
    #[cold]
    #[inline(never)]
    fn settle_slowly(&self, token: Token, gate: Sign, ended: &Ended) {
        // Whatever this call ended in, it belongs to a state that is over.
        if gate.is_of_another_generation(token) {
            return;
        }
        if let Some(after) = ended.retry_after.filter(|_| ended.outcome.is_bad()) {
            self.shared.asked_until.fetch_max(ended.now.after(after).as_nanos(), Ordering::Relaxed);
        }
        match (token.probe(), gate.kind()) {
            (Some(probe), _) => self.probed(probe, Some(ended), ended.now),
            (None, kind::PASS) => {}
            (None, kind) => self.record(token, kind, ended),
        }
    }

    fn record(&self, token: Token, kind: u64, ended: &Ended) {
        let Some(sample) = self.shared.live.sample(ended) else { return };
        let run_ends_it = self.shared.live.run_ends_it(ended.outcome);
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
        let mut guard = lock(&self.shared.core);
        let core = &mut *guard;
        if Token::new(core.machine.generation(), None) == token {
            core.machine.trip(&core.settings, self.hint(), now);
            self.publish(core);
        }
    }

    fn probed(&self, probe: u32, ended: Option<&Ended>, now: Instant) {
        let mut core = lock(&self.shared.core);
        let Core { machine, settings } = &mut *core;
        if machine.probed(probe, ended, settings, self.hint(), now) {
            self.forget();
            self.shared.gate.begin_ramp();
        }
        self.publish(&core);
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

    #[inline]
    fn settle(&self, token: Token, ended: &Ended) {
        let shared = &*self.shared;
        let gate = shared.gate.read();
        if gate.flows_for(token) && shared.live.is_good(ended) {
            shared.live.end_run();
            if !shared.window.record(Sample::default(), ended.now) {
                self.weigh(token, ended.now);
            }
        } else {
            self.settle_slowly(token, gate, ended);
        }
    }

    #[inline]
    fn undo(&self, token: Token, now: Instant) {
        if let Some(probe) = token.probe() {
            self.probed(probe, None, now);
        }
    }
}

impl<Request> Admit<Request> for CircuitBreaker {
    #[inline]
    fn admit(&self, _: &Request, now: Instant) -> Result<Token, Rejected> {
        let gate = self.shared.gate.read();
        if gate.kind() == kind::FLOW { Ok(gate.token()) } else { self.admit_slowly(gate, now) }
    }

    #[inline]
    fn shut(&self, now: impl FnOnce() -> Instant) -> Option<Rejected> {
        let gate = self.shared.gate.read();
        if gate.kind() == kind::FLOW { None } else { self.barred(gate, now) }
    }
}
