//! Load shedding under any sequence of operations, and what must hold whatever they are.

mod ask;
mod calls;
mod tokens;

use std::{num::NonZeroU32, time::Duration};

use ask::{Ask, Ranked};
use calls::Call;
use cofferdam::{
    AdaptiveLimit, Control, Criticality, Guard, Instant, LoadShed, Policy, Weighted,
    context::CarriedDeadline,
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
