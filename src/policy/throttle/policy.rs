use std::{mem, time::Duration};

use super::{
    Builder, Load, State, Token,
    config::{Choice, Settings},
    gate::{Gate, Sign},
    state::{KEENEST, Meter, OUTAGE, weight},
    tally::Tally,
};
use crate::kernel::{
    Admit, Dependency, Ended, Immediate, Instant, Name, Outcome, Policy, Rejected, Timing, Why,
    clock::{coarse, nanos},
    context::{CarriedRank, RankSource},
    dependency::{Fact, Report},
    event::Chain,
    sync::{Arc, AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering, lock, try_lock},
};

/// Sends a server little more than it takes, and cuts the calls that matter least.
///
/// See the [module](super) for a picture, and [`Builder`] for the settings. `R` tells the rank of a request. While it is calm, a
/// call costs it one load; pressed, a call that is cut costs it one addition, and one that is sent two. It takes a lock
/// to change its state, and tries to take one 128 times in a time constant.
///
/// ```
/// use cofferdam::{AdaptiveThrottle, Criticality, Policy, context::Rank};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
/// let by_words = |words: &&str| {
///     let class = if words.len() < 20 { Criticality::Critical } else { Criticality::Sheddable };
///     Rank::of(class, None)
/// };
/// let throttle = AdaptiveThrottle::builder("search").rank(by_words).build()?;
/// let search = ServiceBuilder::new()
///     .layer(throttle.clone().layer())
///     .service(service_fn(|words: &'static str| async move { Ok::<_, BoxError>(words.len()) }));
///
/// assert_eq!(search.oneshot("rope and tar").await?, 12);
/// throttle.configure(|settings| settings.aggression(1.5))?;
/// # Ok(()) }
/// ```
#[doc(alias = "client-side throttling")]
#[derive(Clone, Debug)]
pub struct AdaptiveThrottle<R = CarriedRank> {
    name: Name,
    pub(super) ranks: R,
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    gate: Gate,
    pub(super) tally: Tally,
    /// When the meter is to be told next.
    due: AtomicU64,
    live: Live,
    pub(super) core: Mutex<Core>,
    changes: Chain<State>,
    /// Where others are told of pressure.
    report: Option<Report>,
}

/// The settings that calls read.
#[derive(Debug)]
struct Live {
    /// Nanoseconds.
    time_constant: AtomicU64,
    /// How many good answers in a row are counted.
    enough: AtomicU32,
    coin: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) meter: Meter,
    pub(super) settings: Settings,
}

impl AdaptiveThrottle {
    /// Starts a throttle of that name, which its rejections will carry.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }
}

impl<R> AdaptiveThrottle<R> {
    pub(super) fn new(name: Name, settings: Settings, ranks: R, dependency: Option<&Dependency>) -> Self {
        let shared = Shared {
            gate: Gate::new(),
            tally: Tally::new(),
            due: AtomicU64::new(0),
            live: Live { time_constant: AtomicU64::new(0), enough: AtomicU32::new(0), coin: AtomicBool::new(false) },
            core: Mutex::new(Core { meter: Meter::new(Instant::ORIGIN, Duration::ZERO), settings }),
            changes: Chain::new(),
            report: dependency.map(Dependency::report),
        };
        shared.live.set(&settings);
        Self { name, ranks, shared: Arc::new(shared) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// What it is doing. It leaves `Pressed` with the first call after a quiet time, not by itself.
    #[must_use]
    pub fn state(&self) -> State {
        if self.shared.gate.read().is_calm() { State::Calm } else { State::Pressed }
    }

    /// What it has counted. While it is calm, it counts nothing.
    #[must_use]
    pub fn load(&self) -> Load {
        self.load_at(coarse())
    }

    /// What it has counted at that time: for those who keep the time themselves, as tests of state machines do.
    #[must_use]
    pub fn load_at(&self, now: Instant) -> Load {
        if self.state() == State::Calm {
            return Load::default();
        }
        let mut core = lock(&self.shared.core);
        self.shared.step(&mut core, now);
        let load = core.meter.load();
        drop(core);
        self.tell();
        load
    }

    /// Puts other settings in force. What was counted is kept.
    pub(super) fn set(&self, settings: Settings) {
        let mut core = lock(&self.shared.core);
        self.shared.live.set(&settings);
        core.settings = settings;
        // The margin is found anew with the next call.
        self.shared.due.store(0, Ordering::Relaxed);
    }

    pub(super) fn calm_down(&self) {
        let core = lock(&self.shared.core);
        self.shared.calm(&core);
        drop(core);
        self.tell();
    }

    /// Tells of changes, under no lock.
    fn tell(&self) {
        let changes = &self.shared.changes;
        changes.hand_out(|from, to| changes.tell_state(self.name, from.as_str(), to.as_str()));
    }

    /// The way in after an overload.
    #[inline(never)]
    fn admit_pressed(&self, rank: usize, now: Instant) -> Result<Token, Rejected> {
        let shared = &*self.shared;
        let coin = shared.live.coin.load(Ordering::Relaxed);
        // Under a coin, all are of one rank.
        let rank = if coin { 0 } else { rank };
        shared.tally.came(rank);
        if shared.is_due(now) {
            self.step(now);
        }
        let sign = shared.gate.read();
        if sign.is_calm() {
            return Ok(Token::CALM);
        }
        if if coin { shared.gate.tosses(sign) } else { shared.gate.sends(sign, rank) } {
            shared.tally.sent();
            Ok(sign.token(rank))
        } else {
            Err(Rejected::new(self.name, Why::Throttled))
        }
    }

    /// Whoever finds somebody else at it goes by what was known before.
    #[cold]
    fn step(&self, now: Instant) {
        if let Some(mut core) = try_lock(&self.shared.core) {
            self.shared.step(&mut core, now);
            drop(core);
            self.tell();
        }
    }

    /// The way out, for all but a call that was sent while all was calm and was not rejected.
    #[inline(never)]
    fn settle_pressed(&self, token: Token, ended: Ended) {
        let shared = &*self.shared;
        let sign = shared.gate.read();
        match ended.outcome {
            _ if token == Token::SETTLED => {}
            Outcome::Success if sign.has_counted(token) => {
                if shared.ends_an_outage(ended.now) {
                    self.restart(ended.now);
                }
                shared.tally.went_well(shared.live.enough.load(Ordering::Relaxed));
            }
            Outcome::Ignored if sign.has_counted(token) => shared.tally.never_was(token.rank(), shared.weight(&ended)),
            Outcome::Overload => self.overloaded(token, sign, &ended),
            // A failure says nothing about load, and neither does somebody who left.
            Outcome::Success | Outcome::Failure | Outcome::Ignored | Outcome::Abandoned => {}
        }
    }

    /// The first good answer after an outage.
    #[cold]
    fn restart(&self, now: Instant) {
        let mut core = lock(&self.shared.core);
        self.shared.restart(&mut core, now);
    }

    fn overloaded(&self, token: Token, sign: Sign, ended: &Ended) {
        let shared = &*self.shared;
        if !sign.is_calm() {
            shared.tally.overloaded(ended.now);
            if sign.has_counted(token) {
                shared.tally.take_back(shared.weight(ended));
            }
        }
        // It may have become calm just now, by somebody who did not know of this.
        if shared.gate.read().is_calm() {
            let mut core = lock(&shared.core);
            shared.press(&mut core, ended.now);
            drop(core);
            self.tell();
        }
    }
}

impl Live {
    fn set(&self, settings: &Settings) {
        self.time_constant.store(nanos(settings.time_constant), Ordering::Relaxed);
        self.enough.store(settings.keen_after.saturating_mul(KEENEST + 1), Ordering::Relaxed);
        self.coin.store(settings.coin == Choice::ByCoin, Ordering::Relaxed);
    }

    fn time_constant(&self) -> u64 {
        self.time_constant.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Whether the margin is to be found anew: it is time, or the clock has gone back by more than threads differ.
    fn is_due(&self, now: Instant) -> bool {
        let due = self.due.load(Ordering::Relaxed);
        now.as_nanos() >= due || due - now.as_nanos() > self.live.time_constant()
    }

    /// What a call that has ended counts by now.
    fn weight(&self, ended: &Ended) -> f64 {
        let time_constant = Duration::from_nanos(self.live.time_constant());
        weight(ended.now.since(ended.started), time_constant)
    }

    /// Calm => Pressed.
    fn press(&self, core: &mut Core, now: Instant) {
        self.tally.overloaded(now);
        if self.gate.read().is_calm() {
            self.changes.change(|| (State::Calm, State::Pressed));
            self.begin(core, now, Duration::ZERO);
        }
        self.report(core, now);
    }

    /// Whether a good answer is the first in a long time.
    fn ends_an_outage(&self, now: Instant) -> bool {
        let outage = Duration::from_nanos(self.live.time_constant()).saturating_mul(OUTAGE);
        self.tally.good() == 0 && now.since(self.tally.nothing_good_since()) >= outage
    }

    /// Pressed => Pressed, as if it had just begun: what was counted during an outage says nothing about the time after it.
    /// Whoever comes back from one has its own limit to find, which it cannot without calls, and turns some of them away until
    /// then: that is not held against it for a while.
    fn restart(&self, core: &mut Core, now: Instant) {
        // Of two good answers at once, one does it.
        if !self.gate.read().is_calm() && self.ends_an_outage(now) {
            self.begin(core, now, core.settings.time_constant);
        }
    }

    /// A time of pressure, of which nothing is known yet.
    fn begin(&self, core: &mut Core, now: Instant, trust: Duration) {
        // What was left over belongs to an earlier time.
        let _ = self.tally.news();
        self.tally.begin(now);
        core.meter = Meter::new(now, trust);
        self.due.store(now.after(core.settings.step()).as_nanos(), Ordering::Relaxed);
        self.gate.press();
    }

    /// Pressed => (Pressed | Calm). Looks at what has come since the last time.
    fn step(&self, core: &mut Core, now: Instant) {
        if self.gate.read().is_calm() {
            return;
        }
        let is_over = |core: &Core| now.since(self.tally.last_overload(now)) >= core.settings.quiet();
        if is_over(core) {
            self.calm(core);
            // Whoever met an overload in this very moment saw it pressed, or is seen here.
            if !is_over(core) {
                self.press(core, now);
            }
            return;
        }
        self.due.store(now.after(core.settings.step()).as_nanos(), Ordering::Relaxed);
        self.report(core, now);
        core.meter.step(&self.tally.news(), &core.settings, now);
        self.gate.publish(core.meter.margin(&core.settings, self.tally.good()));
    }

    /// Any => Calm. Only whoever has the lock changes the state.
    fn calm(&self, _: &Core) {
        if !self.gate.read().is_calm() {
            self.changes.change(|| (State::Pressed, State::Calm));
            self.gate.calm();
            if let Some(report) = &self.report {
                report.take_back(Fact::Pressed);
            }
        }
    }

    /// Under pressure until it will be calm, if nothing else happens.
    fn report(&self, core: &Core, now: Instant) {
        if let Some(report) = &self.report {
            report.state(Fact::Pressed, self.tally.last_overload(now).after(core.settings.quiet()));
        }
    }
}

impl<R> Policy for AdaptiveThrottle<R> {
    type Kind = Immediate;
    type Token = Token;

    const TIMING: Timing = Timing::Coarse;

    fn name(&self) -> Option<Name> {
        Some(self.name)
    }

    /// Whether it is turned away is said by the head of an answer.
    fn lasts(&self, token: &mut Token, head: &Ended) {
        self.settle(mem::replace(token, Token::SETTLED), head);
    }

    #[inline(always)]
    fn settle(&self, token: Token, ended: &Ended) {
        if token != Token::CALM || ended.outcome == Outcome::Overload {
            self.settle_pressed(token, *ended);
        }
    }

    #[inline]
    fn undo(&self, token: Token, _: Instant) {
        if self.shared.gate.read().has_counted(token) {
            self.shared.tally.never_was(token.rank(), 1.0);
        }
    }
}

impl<Request, R: RankSource<Request>> Admit<Request> for AdaptiveThrottle<R> {
    #[inline(always)]
    fn admit(&self, request: &Request, now: Instant) -> Result<Token, Rejected> {
        if self.shared.gate.read().is_calm() {
            return Ok(Token::CALM);
        }
        self.admit_pressed(self.ranks.rank(request).index(), now)
    }
}
