//! Load shedding under any sequence of operations, and what must hold whatever they are.

use std::{
    cell::Cell,
    cmp::Ordering,
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context as TaskContext, Poll, Waker},
    time::Duration,
};

use cofferdam::{
    AdaptiveLimit, Admit, Context, Control, Criticality, Deadline, Ended, Guard, Instant, LoadShed, Outcome, Policy,
    Refused, Rejected, TaskKey, Weighted, Why,
    context::{CarriedDeadline, Rank, RankSource},
    guard,
    limit::{Algorithm, Knee, Plan, Sample},
};

/// How one run is set up: any bytes are a setup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// The limit is what it is set to, and nothing that it finds by itself.
    pub(crate) fixed: bool,
    /// Everybody who waits is polled after each operation; else a turn may come to one who does not look.
    pub(crate) attentive: bool,
    pub(crate) shares: bool,
    pub(crate) queue_delay: bool,
    pub(crate) limit: u8,
    pub(crate) max_queue: u8,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
struct Ask {
    class: Criticality,
    task: u8,
    weight: u32,
    deadline: Option<Deadline>,
    health: bool,
}

impl Ask {
    fn new(who: u8, what: u8) -> Self {
        let millis = [0, 0, 20, 500][usize::from(what / 8 % 4)];
        Self {
            class: Criticality::ALL[usize::from(who % 4)],
            task: who / 4 % 8,
            weight: [1, 1, 1, 2, 3, 5, 9, 200][usize::from(what % 8)],
            deadline: (millis > 0).then(|| Deadline::after(Duration::from_millis(millis))),
            health: what / 32 == 7,
        }
    }

    fn rank(&self) -> Rank {
        Rank::in_epoch(self.class, TaskKey::of(&self.task.to_string()), 0)
    }
}

impl Context for Ask {
    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }
    fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = Some(deadline);
    }
}

/// The rank of the request in an hour that does not pass.
#[derive(Clone, Copy, Debug)]
struct Ranked;

impl RankSource<Ask> for Ranked {
    fn rank(&self, ask: &Ask) -> Rank {
        ask.rank()
    }
    fn is_exempt(&self, ask: &Ask) -> bool {
        ask.health
    }
}

/// Wants what it has: the bounds say what the limit is.
#[derive(Clone, Debug)]
struct Fixed;

impl Algorithm for Fixed {
    fn begin(&mut self, limit: u32) -> Plan {
        Plan::limit(limit)
    }
    fn window(&mut self, sample: &Sample) -> Plan {
        Plan::limit(sample.limit)
    }
}

type Shed<A> = LoadShed<A, CarriedDeadline, Ranked>;
type Weigh = fn(&Ask) -> NonZeroU32;
type Heavy<A> = Weighted<Shed<A>, Weigh>;
type Answer = Result<(), Refused<()>>;

#[derive(Clone, Copy, Debug)]
enum Ending {
    Works,
    Fails,
    Panics,
}

/// What a call knows of itself, and what it is told.
#[derive(Debug, Default)]
struct Inside {
    /// How often it was made.
    made: Cell<u32>,
    ends: Cell<Option<Ending>>,
}

struct Call {
    ask: Ask,
    future: Pin<Box<dyn Future<Output = Answer>>>,
    inside: Rc<Inside>,
    /// How many slots it holds; `None` while it waits.
    holds: Option<u32>,
}

/// What became of a call that was polled.
enum Polled {
    Waits,
    /// It came in, and holds so many slots: none if it is a health check beyond the limit.
    ComesIn(u32),
    Rejected(Rejected),
}

/// More health checks than that at a time are none.
const MOST_EXEMPT: usize = 16;
const MOST_CALLS: usize = 64;
/// No limit is larger.
const MOST_SLOTS: usize = 64;

pub(crate) struct Harness<A: Algorithm> {
    setup: Setup,
    shed: Shed<A>,
    guard: Guard<Heavy<A>>,
    heavy: Heavy<A>,
    calls: Vec<Call>,
    /// Let in without a line, by the weighted policy or by the one in it.
    tokens: Vec<(<Heavy<A> as Policy>::Token, u32, Instant)>,
    plain_tokens: Vec<(<Shed<A> as Policy>::Token, u32, Instant)>,
    /// The most that were ever allowed to wait.
    longest: usize,
}

/// Any bytes are a run. Needs a runtime whose clock stands still.
pub(crate) async fn run(setup: Setup, ops: impl IntoIterator<Item = [u8; 3]>) {
    if setup.fixed {
        Harness::new(setup, Fixed).run(ops).await;
    } else {
        Harness::new(setup, Knee::default()).run(ops).await;
    }
}

impl<A: Algorithm> Harness<A> {
    fn new(setup: Setup, algorithm: A) -> Self {
        let slots = usize::from(setup.limit % 8) + 1;
        let limit = AdaptiveLimit::builder("shed").algorithm(algorithm).initial_limit(slots).min_limit(1);
        let limit = if setup.fixed { limit.min_limit(slots).max_limit(slots) } else { limit.max_limit(MOST_SLOTS) };
        let limit = limit.patience(Duration::from_secs(2)).deadline().build().expect("it is valid");
        let longest = usize::from(setup.max_queue % 8) + 1;
        let builder = LoadShed::builder(limit).rank(Ranked).max_queue(longest);
        let builder = if setup.shares { builder.min_share(Criticality::Sheddable, 0.2) } else { builder };
        let builder = if setup.queue_delay { builder.queue_delay(Duration::from_millis(10)) } else { builder };
        let shed = builder.build().expect("it is valid");
        let heavy = shed.clone().weighted((|ask| NonZeroU32::new(ask.weight).expect("something")) as Weigh);
        let guard = guard(heavy.clone());
        Self { setup, shed, guard, heavy, calls: Vec::new(), tokens: Vec::new(), plain_tokens: Vec::new(), longest }
    }

    async fn run(mut self, ops: impl IntoIterator<Item = [u8; 3]>) {
        for op in ops {
            self.apply(op).await;
            self.compare();
        }
        // Everybody leaves, and nothing is left.
        while let Some(call) = self.calls.pop() {
            drop(call);
            self.look_around();
            self.compare();
        }
        while self.settle(0, 0) {}
        assert_eq!((self.shed.limit().in_flight(), self.shed.waiting()), (0, 0));
        self.arrive(Ask { deadline: None, health: false, ..Ask::new(0, 7) });
        assert!(self.setup.queue_delay || self.calls[0].holds == Some(200), "the heaviest comes in at once");
    }

    async fn apply(&mut self, [what, which, how]: [u8; 3]) {
        match what % 16 {
            0..=4 if self.calls.len() < MOST_CALLS => self.arrive(Ask::new(which, how)),
            5 if self.tokens.len() + self.plain_tokens.len() < MOST_CALLS => self.admit(which, how),
            6 | 7 => self.poll_one(which),
            8 => self.poll_all(),
            9 if !self.calls.is_empty() => drop(self.calls.remove(usize::from(which) % self.calls.len())),
            10 | 11 => self.end(which, how),
            12 => drop(self.settle(which, how)),
            13 => {
                let millis = [0, 1, 5, 9, 11, 60, 200, 900][usize::from(which % 8)];
                tokio::time::advance(Duration::from_millis(millis)).await;
            }
            14 => self.set_limit(u32::from(which % 12) + 1),
            15 => {
                let most = usize::from(which % 8) + 1;
                self.shed.set_max_queue(most).expect("it is valid");
                self.longest = self.longest.max(most);
            }
            _ => {}
        }
        if self.setup.attentive {
            self.look_around();
        }
    }

    fn set_limit(&self, limit: u32) {
        let value = limit.to_string();
        if self.setup.fixed {
            // Apart from each other, and never the smaller above the larger.
            let up = limit > self.shed.limit().limit();
            let (first, second) = if up { ("max_limit", "min_limit") } else { ("min_limit", "max_limit") };
            self.shed.configure(first, &value).expect("it is valid");
            self.shed.configure(second, &value).expect("it is valid");
            assert_eq!(self.shed.limit().limit(), limit);
        } else {
            self.shed.configure("max_limit", &value).expect("it is valid");
        }
    }

    fn arrive(&mut self, ask: Ask) {
        let (inside, guard) = (Rc::new(Inside::default()), self.guard.clone());
        let told = Rc::clone(&inside);
        let future = Box::pin(async move {
            let make = || {
                told.made.set(told.made.get() + 1);
                std::future::poll_fn(|_| match told.ends.get() {
                    None => Poll::Pending,
                    Some(Ending::Works) => Poll::Ready(Ok(())),
                    Some(Ending::Fails) => Poll::Ready(Err(())),
                    // Past the hook, to which a panic is the end of everything in some programs.
                    Some(Ending::Panics) => resume_unwind(Box::new(())),
                })
            };
            guard.call(&ask, make).await
        });
        let mut call = Call { ask, future, inside, holds: None };
        let highest = self.waiting().map(|call| call.ask.rank()).max();
        match self.poll(&mut call) {
            Polled::Waits => self.calls.push(call),
            Polled::ComesIn(slots) => {
                if slots > 0 && self.setup.attentive && !self.setup.shares {
                    assert!(highest.is_none_or(|highest| highest <= ask.rank()), "{ask:?} overtakes {highest:?}");
                }
                call.holds = Some(slots);
                self.calls.push(call);
            }
            Polled::Rejected(rejected) => assert_ne!(rejected.why(), Why::Displaced, "it has no place yet"),
        }
        if self.setup.attentive {
            self.one_is_displaced(ask);
        }
    }

    /// Whoever lost its place lost it to somebody who matters as much at least, and mattered the least.
    fn one_is_displaced(&mut self, by: Ask) {
        let lowest = self.waiting().map(|call| call.ask.rank()).min();
        for rejected in self.poll_all_who_wait() {
            if rejected.1 == Why::Displaced && !self.setup.shares {
                assert!(rejected.0.rank() <= by.rank(), "{:?} for {by:?}", rejected.0);
                assert_eq!(Some(rejected.0.rank()), lowest);
            }
        }
    }

    fn waiting(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.holds.is_none())
    }

    fn poll(&self, call: &mut Call) -> Polled {
        assert!(call.holds.is_none());
        let (before, limit) = (self.shed.limit().in_flight(), self.shed.limit().limit());
        let polled = call.future.as_mut().poll(&mut TaskContext::from_waker(Waker::noop()));
        let taken = self.shed.limit().in_flight();
        let made = call.inside.made.get();
        match polled {
            Poll::Pending if made == 0 => {
                assert_eq!(taken, before);
                Polled::Waits
            }
            Poll::Pending => {
                assert_eq!(made, 1);
                if let Some(deadline) = call.ask.deadline {
                    assert!(deadline.moment() > Instant::now(), "{:?} is begun too late", call.ask);
                }
                if taken == before {
                    assert!(call.ask.health, "{:?} holds nothing", call.ask);
                    return Polled::ComesIn(0);
                }
                assert_eq!(taken - before, call.ask.weight);
                assert!(before == 0 || taken <= limit, "{before} and {:?} of {limit}", call.ask);
                Polled::ComesIn(call.ask.weight)
            }
            Poll::Ready(Err(Refused::Rejected(rejected))) => {
                assert_eq!((made, taken), (0, before), "what is rejected is not made");
                self.check(call.ask, rejected);
                Polled::Rejected(rejected)
            }
            Poll::Ready(other) => panic!("nobody told it to end: {other:?}"),
        }
    }

    fn check(&self, ask: Ask, rejected: Rejected) {
        match rejected.why() {
            Why::Shed | Why::Displaced => {}
            Why::Expired => {
                let deadline = ask.deadline.expect("it has one").moment();
                assert!(deadline <= Instant::now(), "{ask:?} expired");
            }
            other => panic!("{ask:?}: {other:?}"),
        }
        assert_eq!(rejected.by().as_str(), "shed");
    }

    /// Polls one who waits, or one who runs and goes on running.
    fn poll_one(&mut self, which: u8) {
        if self.calls.is_empty() {
            return;
        }
        let which = usize::from(which) % self.calls.len();
        let mut call = self.calls.remove(which);
        if call.holds.is_some() {
            let polled = call.future.as_mut().poll(&mut TaskContext::from_waker(Waker::noop()));
            assert!(polled.is_pending() && call.inside.made.get() == 1);
        } else {
            match self.poll(&mut call) {
                Polled::Waits => {}
                Polled::ComesIn(slots) => call.holds = Some(slots),
                Polled::Rejected(_) => return,
            }
        }
        self.calls.insert(which, call);
    }

    fn poll_all(&mut self) {
        self.poll_all_who_wait();
    }

    /// Returns those who were rejected.
    fn poll_all_who_wait(&mut self) -> Vec<(Ask, Why)> {
        let mut rejected = Vec::new();
        for mut call in std::mem::take(&mut self.calls) {
            if call.holds.is_none() {
                match self.poll(&mut call) {
                    Polled::Waits => {}
                    Polled::ComesIn(slots) => call.holds = Some(slots),
                    Polled::Rejected(why) => {
                        rejected.push((call.ask, why.why()));
                        continue;
                    }
                }
            }
            self.calls.push(call);
        }
        rejected
    }

    /// Everybody looks until nothing changes: whoever came in matters as much as anybody who still waits, and the one who is
    /// next does not fit.
    fn look_around(&mut self) {
        let running = |harness: &Self| harness.calls.iter().filter(|call| call.holds.is_some()).count();
        let waited: Vec<_> = self.waiting().map(|call| Rc::clone(&call.inside)).collect();
        loop {
            let before = (self.calls.len(), running(self));
            self.poll_all_who_wait();
            if before == (self.calls.len(), running(self)) {
                break;
            }
        }
        // Only now: whoever is called while others look comes in when it is asked the next time.
        let came_in = |call: &&Call| {
            call.holds.is_some_and(|slots| slots > 0) && waited.iter().any(|inside| Rc::ptr_eq(inside, &call.inside))
        };
        let least = self.calls.iter().filter(came_in).map(|call| call.ask.rank()).min();
        let highest = self.waiting().map(|call| call.ask.rank()).max();
        // Who was called before a higher one came, and did not look, still may.
        if let (Some(least), Some(highest)) = (least, highest)
            && self.setup.attentive
            && !self.setup.shares
        {
            assert!(least >= highest, "{least:?} came in before {highest:?}");
        }
        let (taken, limit) = (self.shed.limit().in_flight(), self.shed.limit().limit());
        if !self.setup.fixed || !self.setup.attentive {
            return;
        }
        let next = self.waiting().max_by(|one, other| match one.ask.rank().cmp(&other.ask.rank()) {
            // Who of these is next is a matter of when they came.
            Ordering::Equal => one.ask.weight.cmp(&other.ask.weight),
            order => order,
        });
        if let Some(next) = next
            && !self.setup.shares
        {
            assert!(taken > 0 && taken + next.ask.weight > limit, "{:?} waits beside {taken} of {limit}", next.ask);
        }
    }

    /// By the policy itself, without a line to stand in.
    fn admit(&mut self, which: u8, how: u8) {
        let (ask, now) = (Ask::new(which, how), Instant::now());
        let before = self.shed.limit().in_flight();
        let nobody_waits = self.waiting().next().is_none();
        let weight = if how.is_multiple_of(2) { 1 } else { ask.weight };
        let answer = if how.is_multiple_of(2) {
            self.shed.admit(&ask, now).map(|token| self.plain_tokens.push((token, 0, now)))
        } else {
            self.heavy.admit(&ask, now).map(|token| self.tokens.push((token, 0, now)))
        };
        let taken = self.shed.limit().in_flight() - before;
        match answer {
            Ok(()) => {
                assert!(taken == weight || taken == 0 && ask.health);
                assert!(taken == 0 || !self.setup.attentive || nobody_waits, "{ask:?} overtakes");
                let last = if how.is_multiple_of(2) {
                    self.plain_tokens.last_mut().map(|token| &mut token.1)
                } else {
                    self.tokens.last_mut().map(|token| &mut token.1)
                };
                *last.expect("it was put there") = taken;
            }
            Err(rejected) => {
                assert_eq!(taken, 0);
                self.check(ask, rejected);
            }
        }
    }

    /// One that was let in without a line ends in some way. Returns whether there was one.
    fn settle(&mut self, which: u8, how: u8) -> bool {
        const OUTCOMES: [Outcome; 5] =
            [Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned];
        let (which, now) = (usize::from(which), Instant::now());
        let outcome = OUTCOMES.get(usize::from(how % 6)).copied();
        if which.is_multiple_of(2) && !self.plain_tokens.is_empty() || self.tokens.is_empty() {
            if self.plain_tokens.is_empty() {
                return false;
            }
            let (token, _, began) = self.plain_tokens.swap_remove(which / 2 % self.plain_tokens.len());
            match outcome {
                Some(outcome) => self.shed.settle(token, &Ended::new(outcome, began, now)),
                None => self.shed.undo(token, now),
            }
        } else {
            let (token, _, began) = self.tokens.swap_remove(which / 2 % self.tokens.len());
            match outcome {
                Some(outcome) => self.heavy.settle(token, &Ended::new(outcome, began, now)),
                None => self.heavy.undo(token, now),
            }
        }
        true
    }

    /// One that runs ends.
    fn end(&mut self, which: u8, how: u8) {
        let running: Vec<_> = (0..self.calls.len()).filter(|call| self.calls[*call].holds.is_some()).collect();
        if running.is_empty() {
            return;
        }
        let mut call = self.calls.remove(running[usize::from(which) % running.len()]);
        let before = self.shed.limit().in_flight();
        let ending = [Ending::Works, Ending::Works, Ending::Fails, Ending::Panics][usize::from(how % 4)];
        call.inside.ends.set(Some(ending));
        let mut cx = TaskContext::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| call.future.as_mut().poll(&mut cx)));
        match (ending, polled) {
            (Ending::Works, Ok(Poll::Ready(Ok(())))) | (Ending::Panics, Err(_)) => {}
            (Ending::Fails, Ok(Poll::Ready(Err(Refused::Inner(()))))) => {}
            (ending, polled) => panic!("{ending:?}: {polled:?}"),
        }
        // Kept for a while after its end, it holds nothing.
        let held = call.holds.expect("it runs");
        assert_eq!(self.shed.limit().in_flight(), before - held, "{:?} has ended", call.ask);
        drop(call);
        assert_eq!(self.shed.limit().in_flight(), before - held, "{held} are given back once");
    }

    /// What is held is what those hold that came in and have not ended, and the line is no longer than it may be.
    fn compare(&self) {
        let calls: u32 = self.calls.iter().filter_map(|call| call.holds).sum();
        let tokens: u32 =
            self.tokens.iter().map(|token| token.1).chain(self.plain_tokens.iter().map(|token| token.1)).sum();
        assert_eq!(self.shed.limit().in_flight(), calls + tokens);
        let beyond = self.calls.iter().filter(|call| call.holds == Some(0)).count()
            + self.tokens.iter().filter(|token| token.1 == 0).count()
            + self.plain_tokens.iter().filter(|token| token.1 == 0).count();
        assert!(beyond <= MOST_EXEMPT, "{beyond} health checks");
        let (waiting, open) = (self.shed.waiting(), self.waiting().count());
        // Whoever was called in vain comes back, to a line that was filled up meanwhile: one for each slot at most.
        let most = if self.setup.attentive { self.longest } else { self.longest + MOST_SLOTS };
        assert!(waiting <= most && waiting <= open, "{waiting} of {open} wait, at most {most}");
        let saturation = self.shed.saturation();
        assert!((0.0..=1.0).contains(&saturation) && (waiting == 0 || saturation == 1.0), "{saturation}");
    }
}
