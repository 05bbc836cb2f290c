//! Shares of a pool against a naive model of them.

use std::time::Duration;

use cofferdam::{Admit, Ended, Instant, Outcome, Policy, Pool, PoolShare, PoolState, Rejected, Why, pool::Taken};
use proptest::{prelude::*, sample::select};

const MS: u64 = 1_000_000;
const SECOND: f64 = 1e9;

/// Told times in nanoseconds.
fn at(nanos: u64) -> Instant {
    Instant::ORIGIN.after(Duration::from_nanos(nanos))
}

/// A call in flight.
#[derive(Clone)]
struct InFlight {
    began: u64,
    head: Option<u64>,
    found: u32,
    weight: u32,
}

/// What the model knows of one dependency.
#[derive(Clone, Default)]
struct Known {
    calls: Vec<InFlight>,
    /// The part of the pool that is its own, as of the last look.
    own: f64,
    answers: u32,
    delay: f64,
    usual: f64,
    usual_at: u64,
    last_word: u64,
    use_samples: f64,
    mean_use: f64,
    mean_at: u64,
    refused: Option<u64>,
}

impl Known {
    fn guarantee(&self) -> f64 {
        self.mean_use + self.mean_use.sqrt() + 1.0
    }

    fn held(&self) -> u32 {
        self.calls.iter().map(|call| call.weight).sum()
    }

    fn owes(&self) -> bool {
        self.calls.iter().any(|call| call.head.is_none())
    }

    fn is_sick(&self, now: u64) -> bool {
        let silent = if self.owes() { now.saturating_sub(self.last_word) } else { 0 };
        self.answers >= 20
            && (self.delay > (3.0 * self.usual).max(0.01 * SECOND) || silent as f64 > self.usual.max(0.01 * SECOND))
    }

    fn took(&mut self, took: f64, now: u64, may_rise: bool) {
        if self.answers < 20 {
            self.delay = self.delay.max(took);
            self.usual = self.delay;
            self.answers += 1;
        } else if took > self.delay {
            self.delay = took.min(self.delay * 1.02 + 1.0);
        } else {
            self.delay = took.max(self.delay * (1.0 - 0.02 / 49.0));
        }
        self.usual = self.usual.min(self.delay);
        if may_rise {
            let minutes = ((now - self.usual_at) as f64).min(60.0 * SECOND) / (60.0 * SECOND);
            self.usual = self.delay.min(self.usual * (minutes * std::f64::consts::LN_2).exp() + 1.0);
        }
        self.usual_at = now;
    }

    fn end(&mut self, call: usize, outcome: Outcome, now: u64, may_rise: bool) {
        let InFlight { began, head, found, .. } = self.calls.remove(call);
        let took = (head.unwrap_or(now) - began) as f64;
        let late = took > self.delay;
        match outcome {
            Outcome::Success => {
                if head.is_none() {
                    self.last_word = now;
                    self.took(took, now, may_rise);
                }
                if self.delay <= (1.3 * self.usual).max(0.01 * SECOND) {
                    let weight = (self.use_samples + 1.0).min(128.0);
                    self.mean_use += (f64::from(found) - self.mean_use) / weight;
                    self.use_samples += 1.0;
                    self.mean_at = now;
                }
            }
            Outcome::Failure | Outcome::Overload if !late => self.last_word = now,
            Outcome::Failure | Outcome::Overload | Outcome::Abandoned if late && head.is_none() => {
                self.took(took, now, may_rise);
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct Model {
    slots: f64,
    all: Vec<Known>,
    looked: Option<u64>,
    refused: Option<u64>,
}

impl Model {
    fn held(&self) -> f64 {
        self.all.iter().map(|known| f64::from(known.held())).sum()
    }

    fn guarantees(&self) -> f64 {
        self.all.iter().map(Known::guarantee).sum()
    }

    fn look(&mut self, now: u64) {
        // Before the first look the last one was at the beginning of time.
        if now - self.looked.unwrap_or(0) < 10 * MS {
            return;
        }
        self.looked = Some(now);
        for known in &mut self.all {
            if now - known.mean_at >= 60_000 * MS {
                known.mean_use /= 2.0;
                known.mean_at = now;
            }
        }
        let (slots, sum) = (self.slots, self.guarantees());
        self.all.iter_mut().for_each(|known| known.own = (known.guarantee() * slots / sum).floor());
    }

    /// Whether the call comes in.
    fn call(&mut self, which: usize, weight: u32, now: u64) -> bool {
        self.look(now);
        let known = &self.all[which];
        if known.refused.is_some_and(|refused| now - refused >= 10_000 * MS) {
            self.all[which].refused = None;
        }
        let known = &self.all[which];
        let found = known.held();
        let would_hold = f64::from(found + weight);
        let own_now = (known.guarantee() * self.slots / self.guarantees()).floor();
        if would_hold > known.own && would_hold > own_now && self.takes_from_others(which, weight) && known.is_sick(now)
        {
            self.all[which].refused = Some(now);
            self.refused = Some(now);
            return false;
        }
        let known = &mut self.all[which];
        if !known.owes() {
            known.last_word = now;
        }
        known.calls.push(InFlight { began: now, head: None, found, weight });
        true
    }

    fn takes_from_others(&self, which: usize, weight: u32) -> bool {
        let cut = (self.slots / self.guarantees()).min(1.0);
        let others = self.all.iter().enumerate().filter(|(index, _)| *index != which).map(|(_, known)| known);
        let unused: f64 = others.map(|known| (cut * known.guarantee() - f64::from(known.held())).max(0.0)).sum();
        self.slots - (self.held() + f64::from(weight)) < unused
    }

    fn end(&mut self, which: usize, call: usize, outcome: Outcome, now: u64) {
        let may_rise = self.refused.is_none_or(|refused| now - refused >= 10_000 * MS);
        self.all[which].end(call, outcome, now, may_rise);
    }

    fn head(&mut self, which: usize, call: usize, now: u64) {
        let may_rise = self.refused.is_none_or(|refused| now - refused >= 10_000 * MS);
        let known = &mut self.all[which];
        known.calls[call].head = Some(now);
        let took = (now - known.calls[call].began) as f64;
        known.last_word = now;
        known.took(took, now, may_rise);
    }
}

#[derive(Clone, Debug)]
enum Op {
    Call(usize),
    Calls(usize, usize),
    /// One that takes so many slots.
    Heavy(usize, u32),
    /// The head of an answer comes, and its body is still to come.
    Head(usize, usize),
    End(usize, usize, Outcome),
    /// All calls of one end like this.
    Ends(usize, Outcome),
    Undo(usize, usize),
    Resize(usize),
    Pause(u64),
    /// It works as it does in good times: so many calls at a time, each for so long.
    Work(usize, usize, u64),
}

fn op() -> impl Strategy<Value = Op> {
    let outcomes = vec![Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned];
    let outcome = move || select(outcomes.clone());
    let which = || 0..3_usize;
    let pause =
        prop_oneof![8 => 0..30 * MS, 2 => 0..2_000 * MS, 1 => select(vec![9_999 * MS, 10_000 * MS, 61_000 * MS])];
    prop_oneof![
        4 => which().prop_map(Op::Call),
        3 => (which(), 0..12_usize).prop_map(|(which, calls)| Op::Calls(which, calls)),
        2 => (which(), 1..9_u32).prop_map(|(which, weight)| Op::Heavy(which, weight)),
        2 => (which(), any::<usize>()).prop_map(|(which, call)| Op::Head(which, call)),
        3 => (which(), any::<usize>(), outcome()).prop_map(|(which, call, outcome)| Op::End(which, call, outcome)),
        1 => (which(), outcome()).prop_map(|(which, outcome)| Op::Ends(which, outcome)),
        1 => (which(), any::<usize>()).prop_map(|(which, call)| Op::Undo(which, call)),
        1 => (1..20_usize).prop_map(Op::Resize),
        4 => pause.prop_map(Op::Pause),
        2 => (which(), 1..5_usize, 1..40_u64).prop_map(|(which, calls, takes)| Op::Work(which, calls, takes * MS)),
    ]
}

/// Shares, their calls in flight, and the model of both.
struct Both {
    pool: Pool,
    shares: Vec<PoolShare>,
    calls: Vec<Vec<(Taken, u64, Option<u64>)>>,
    model: Model,
    now: u64,
}

impl Both {
    fn new(slots: usize) -> Self {
        let pool = Pool::builder("properties").slots(slots).build().unwrap();
        let shares: Vec<_> = ["x", "y", "z"].map(|name| pool.share(name).unwrap()).into();
        let model = Model { slots: slots as f64, all: vec![Known::default(); 3], looked: None, refused: None };
        Self { pool, shares, calls: vec![Vec::new(); 3], model, now: 1_000_000 * MS }
    }

    fn call(&mut self, which: usize) -> Result<(), TestCaseError> {
        let admitted = self.shares[which].admit(&(), at(self.now));
        self.called(which, 1, admitted)
    }

    fn called(&mut self, which: usize, weight: u32, admitted: Result<Taken, Rejected>) -> Result<(), TestCaseError> {
        prop_assert_eq!(admitted.is_ok(), self.model.call(which, weight, self.now));
        match admitted {
            Ok(taken) => self.calls[which].push((taken, self.now, None)),
            Err(rejected) => {
                prop_assert_eq!(rejected.why(), Why::Reserved);
                prop_assert!(rejected.retry_after().is_some_and(|after| after <= Duration::from_secs(30)));
                prop_assert_eq!(self.shares[which].state(), PoolState::Contained);
            }
        }
        Ok(())
    }

    fn end(&mut self, which: usize, call: usize, outcome: Outcome) {
        let (taken, began, head) = self.calls[which].remove(call);
        let mut ended = Ended::new(outcome, at(began), at(self.now));
        ended.head = head.map(at);
        self.shares[which].settle(taken, &ended);
        self.model.end(which, call, outcome, self.now);
    }

    fn run(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Call(which) => self.call(which)?,
            Op::Calls(which, calls) => (0..calls).try_for_each(|_| self.call(which))?,
            Op::Heavy(which, weight) => {
                let weighted = self.shares[which].clone().weighted(crate::support::weight_of);
                self.called(which, weight, weighted.admit(&weight, at(self.now)))?;
            }
            Op::Head(which, call) if !self.calls[which].is_empty() => {
                let call = call % self.calls[which].len();
                let (taken, began, head) = &mut self.calls[which][call];
                if head.is_none() {
                    *head = Some(self.now);
                    self.shares[which].head(taken, at(*began), at(self.now));
                    self.model.head(which, call, self.now);
                }
            }
            Op::End(which, call, outcome) if !self.calls[which].is_empty() => {
                self.end(which, call % self.calls[which].len(), outcome);
            }
            Op::Ends(which, outcome) => (0..self.calls[which].len()).for_each(|_| self.end(which, 0, outcome)),
            Op::Undo(which, call) if !self.calls[which].is_empty() => {
                let call = call % self.calls[which].len();
                // What has a head was made, and is not undone.
                if self.calls[which][call].2.is_none() {
                    self.shares[which].undo(self.calls[which].remove(call).0, at(self.now));
                    self.model.all[which].calls.remove(call);
                }
            }
            Op::End(..) | Op::Undo(..) | Op::Head(..) => {}
            Op::Resize(slots) => {
                self.pool.resize(slots).unwrap();
                self.model.slots = slots as f64;
            }
            Op::Pause(nanos) => self.now += nanos,
            Op::Work(which, calls, takes) => {
                for _ in 0..40 {
                    self.now += takes / calls as u64;
                    if self.calls[which].len() >= calls {
                        self.end(which, 0, Outcome::Success);
                    }
                    self.call(which)?;
                }
            }
        }
        self.agree()
    }

    fn agree(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(f64::from(self.pool.in_use()), self.model.held());
        for (share, known) in self.shares.iter().zip(&self.model.all) {
            prop_assert_eq!(share.in_use(), known.held());
            prop_assert!((share.guaranteed() - known.guarantee()).abs() < 1e-6);
            prop_assert_eq!(share.state() == PoolState::Contained, known.refused.is_some());
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Who comes in, what is guaranteed, and who is contained: all as the model says.
    #[test]
    fn a_pool_does_what_the_model_does(slots in 1..40_usize, ops in prop::collection::vec(op(), 0..120)) {
        let mut both = Both::new(slots);
        for op in ops {
            both.run(op)?;
        }
    }

    /// Whatever a sick one does, what the others are guaranteed is there for them.
    #[test]
    fn a_sick_one_never_takes_what_others_need(
        slots in 6..64_usize, first in 1..12_usize, second in 1..12_usize, tries in 1..100_usize,
    ) {
        let mut both = Both::new(slots);
        both.run(Op::Work(0, first, 20 * MS))?;
        both.run(Op::Work(1, second, 20 * MS))?;
        (0..2).for_each(|which| (0..both.calls[which].len()).for_each(|_| both.end(which, 0, Outcome::Success)));
        both.call(1)?;
        both.now += 100 * MS;
        (0..tries).try_for_each(|_| both.call(1))?;
        let free = slots as f64 - f64::from(both.pool.in_use());
        let all: f64 = both.shares.iter().map(PoolShare::guaranteed).sum();
        let cut = (slots as f64 / all).min(1.0);
        let needed: f64 = [0, 2].iter().map(|which| cut * both.shares[*which].guaranteed()).sum();
        // Its own part of the pool is never taken from it.
        let own = (both.shares[1].guaranteed() * slots as f64 / all).floor().max(1.0);
        prop_assert!(free >= needed || f64::from(both.shares[1].in_use()) <= own, "{free} are free, {needed} are needed");
    }
}
