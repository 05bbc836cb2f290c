//! One drain for many threads: the gate, the course behind a lock, and those who are to be woken.

use std::{
    fmt, mem,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    gate::{Gate, Phase},
    inside::{Inside, Place},
    state::{Course, Next, Settings, State, Step},
};
use crate::kernel::{
    Bell, Instant, Name, Rejected, Why, clock,
    event::Chain,
    lane::{lane, lanes},
    sync::{Arc, AtomicU32, AtomicU64, Mutex, Ordering, lock},
};

pub(super) struct Live {
    pub(super) name: Name,
    gate: Gate,
    /// When it closes, for those who come while it is leaving: whoever is that late takes a closer look under the lock.
    closes: AtomicU64,
    course: Mutex<Course>,
    changes: Chain<State>,
    /// Rings at every change.
    pub(super) changed: Arc<Bell>,
    /// Ring when calls in flight are cut, each for those of a lane of threads.
    cut: Box<[Arc<Bell>]>,
    /// Health checks that were let in after it closed.
    exempt: AtomicU32,
}

/// What it is doing, and not who is to be woken.
impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gate = self.gate.read();
        let (state, inside) = (State::of(gate), gate.1);
        f.debug_struct("Live").field("name", &self.name).field("state", &state).field("inside", &inside).finish()
    }
}

/// So many health checks at a time are let in after it has closed. Whoever sends more is no health check.
const MOST_EXEMPT: u32 = 16;

impl Live {
    pub(super) fn new(name: Name, settings: Settings) -> Self {
        Self {
            name,
            gate: Gate::new(),
            closes: AtomicU64::new(Instant::NEVER.as_nanos()),
            course: Mutex::new(Course::new(settings)),
            changes: Chain::new(),
            changed: Arc::default(),
            cut: (0..lanes()).map(|_| Arc::default()).collect(),
            exempt: AtomicU32::new(0),
        }
    }

    #[inline]
    pub(super) fn enter(&self) -> bool {
        self.gate.enter(Phase::Open)
    }

    /// For a call that comes when a drain has begun.
    pub(super) fn enter_late(&self) -> bool {
        self.close_if_it_is_time();
        self.gate.enter(Phase::Leaving)
    }

    /// For a health check that comes when it has closed.
    pub(super) fn enter_exempt(&self) -> bool {
        let more = |exempt: u32| (exempt < MOST_EXEMPT).then_some(exempt + 1);
        self.exempt.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    #[inline]
    pub(super) fn leave(&self) {
        if self.gate.leave() {
            self.tell();
        }
    }

    /// For a call that was let in: one that has had to wait is woken no more.
    #[inline(always)]
    pub(super) fn leave_from(&self, inside: Inside) {
        if inside == Inside::COUNTED { self.leave() } else { self.leave_slowly(inside) }
    }

    #[cold]
    #[inline(never)]
    fn leave_slowly(&self, inside: Inside) {
        if inside == Inside::EXEMPT {
            self.exempt.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        if let Some(Place { lane, index }) = inside.place() {
            self.cut[lane].leave(index);
        }
        self.leave();
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.gate.is_closed()
    }

    pub(super) fn is_cut(&self) -> bool {
        self.gate.is_cut()
    }

    #[inline]
    pub(super) fn is_departing(&self) -> bool {
        self.gate.has_begun()
    }

    pub(super) fn rejected(&self) -> Rejected {
        // Not here, but elsewhere, and there at once.
        Rejected::new(self.name, Why::Draining).with_retry_after(Duration::ZERO)
    }

    /// Whether a call that is pending is to end.
    #[inline]
    pub(super) fn poll_cut(&self, inside: &mut Inside, cx: &mut Context<'_>) -> Poll<Rejected> {
        if *inside == Inside::EXEMPT {
            return Poll::Pending;
        }
        if !self.gate.is_cut() {
            match inside.place() {
                Some(Place { lane, index }) => self.cut[lane].keep(index, cx.waker()),
                None => {
                    let lane = lane(self.cut.len());
                    *inside = Inside::waiting(Place { lane, index: self.cut[lane].add(cx.waker()) });
                }
            }
            // It may have been cut before the bell could tell.
            if !self.gate.is_cut() {
                return Poll::Pending;
            }
        }
        Poll::Ready(Rejected::new(self.name, Why::Cut))
    }

    /// Begins, unless it has begun.
    pub(super) fn begin(&self, now: Instant) {
        let mut course = lock(&self.course);
        if self.gate.read().0 != Phase::Open {
            return;
        }
        let closes = course.begin(now);
        self.closes.store(closes.as_nanos(), Ordering::Relaxed);
        let to = if closes > now { Phase::Leaving } else { Phase::Closed };
        // Under the lock, nobody else changes the phase.
        let inside = self.gate.turn(|_, _| Some(to)).unwrap_or_default();
        if to == Phase::Closed {
            course.closed(inside);
        }
        drop(course);
        self.tell();
    }

    /// Does what was to be done at a moment that has come.
    pub(super) fn step(&self, step: Step) {
        match step {
            Step::Close(number) => self.close(|course| course.is_current(number)),
            Step::Cut(number) => self.cut(number),
        }
    }

    /// Those who are told the time by calls that come.
    fn close_if_it_is_time(&self) {
        let now = clock::coarse();
        if now.as_nanos() >= self.closes.load(Ordering::Relaxed) {
            self.close(|course| course.is_to_close(now));
        }
    }

    fn close(&self, is_to_close: impl Fn(&Course) -> bool) {
        let mut course = lock(&self.course);
        if !is_to_close(&course) {
            return;
        }
        let closed = self.gate.turn(|phase, _| (phase == Phase::Leaving).then_some(Phase::Closed));
        let Some(inside) = closed else { return };
        course.closed(inside);
        drop(course);
        self.tell();
    }

    fn cut(&self, number: u64) {
        let mut course = lock(&self.course);
        if !course.is_current(number) {
            return;
        }
        let cut = self.gate.turn(|phase, inside| (phase == Phase::Closed && inside > 0).then_some(Phase::Cut));
        let Some(inside) = cut else { return };
        course.cut(inside);
        drop(course);
        for bell in &self.cut {
            bell.ring();
        }
        self.tell();
    }

    /// Undoes a drain, unless calls were cut.
    pub(super) fn resume(&self) -> bool {
        let course = lock(&self.course);
        let resumed = self.gate.turn(|phase, _| (phase != Phase::Cut).then_some(Phase::Open)).is_some();
        self.closes.store(Instant::NEVER.as_nanos(), Ordering::Relaxed);
        drop(course);
        self.tell();
        resumed
    }

    pub(super) fn configure(&self, settings: Settings) {
        lock(&self.course).settings = settings;
    }

    pub(super) fn settings(&self) -> Settings {
        lock(&self.course).settings
    }

    pub(super) fn next(&self) -> Next {
        let course = lock(&self.course);
        course.next(self.gate.read())
    }

    /// What it is doing, and how many are inside.
    pub(super) fn read(&self) -> (State, u64) {
        if self.gate.read().0 == Phase::Leaving {
            self.close_if_it_is_time();
        }
        let gate = self.gate.read();
        (State::of(gate), gate.1)
    }

    /// Tells of a change, under no lock.
    #[cold]
    fn tell(&self) {
        {
            let mut course = lock(&self.course);
            let state = State::of(self.gate.read());
            let told = mem::replace(&mut course.told, state);
            self.changes.change(|| (told, state));
        }
        self.changes.hand_out(|from, to| self.changes.tell_state(self.name, from.as_str(), to.as_str()));
        self.changed.ring();
    }
}
