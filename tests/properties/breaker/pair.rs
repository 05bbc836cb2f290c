//! What may happen to both.

use std::time::Duration;

use cofferdam::{CircuitBreaker, Ended, Outcome, Policy, Rejected, Why};
use proptest::{prelude::*, sample::select};

use super::{
    Breaker, LATEST, MS, SECOND, Token, YEAR, admit, at,
    model::{Model, ModelToken, Phase, Says},
    nanos,
    rules::{Change, Rules, Span, change},
};

#[derive(Clone, Debug)]
pub(super) enum Op {
    Admit,
    Settle {
        which: usize,
        outcome: Outcome,
        took: Option<u64>,
        head: Option<u64>,
        retry_after: Option<u64>,
    },
    /// The same, by the head of an answer that goes on.
    Lasts {
        which: usize,
        outcome: Outcome,
        took: Option<u64>,
    },
    /// The last of those that go on ends like this.
    Leave {
        outcome: Outcome,
        took: Option<u64>,
    },
    Undo {
        which: usize,
    },
    Forward(u64),
    Back(u64),
    Look,
    ForceOpen,
    ForceClosed,
    Disable,
    Reset,
    Configure(Change),
}

pub(super) fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Success),
        4 => Just(Outcome::Failure),
        1 => Just(Outcome::Overload),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Abandoned),
    ]
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    // How long a call took: as long as it did, or this long.
    let took = || select(vec![None, None, Some(0), Some(0), Some(0), Some(50 * MS - 1), Some(50 * MS), Some(SECOND)]);
    let head = select(vec![None, None, None, Some(0), Some(50 * MS)]);
    let asked = select(vec![None, None, None, Some(0), Some(200 * MS), Some(2 * SECOND), Some(YEAR)]);
    let settle = (any::<usize>(), outcome(), took(), head, asked)
        .prop_map(|(which, outcome, took, head, retry_after)| Op::Settle { which, outcome, took, head, retry_after });
    let forward = || {
        let step =
            vec![0, 1, MS / 10, 7 * MS, 10 * MS, 50 * MS, 100 * MS, 750 * MS, SECOND, 3 * SECOND, 11 * SECOND, YEAR];
        select(step).prop_map(Op::Forward)
    };
    prop_oneof![
        12 => Just(Op::Admit),
        12 => settle,
        3 => (any::<usize>(), outcome(), took()).prop_map(|(which, outcome, took)| Op::Lasts { which, outcome, took }),
        2 => (outcome(), took()).prop_map(|(outcome, took)| Op::Leave { outcome, took }),
        1 => any::<usize>().prop_map(|which| Op::Undo { which }),
        6 => forward(),
        1 => select(vec![1, 10 * MS, SECOND, YEAR]).prop_map(Op::Back),
        2 => Just(Op::Look),
        1 => change().prop_map(Op::Configure),
        1 => prop_oneof![4 => Just(Op::Reset), 1 => Just(Op::ForceOpen), 1 => Just(Op::ForceClosed), 1 => Just(Op::Disable)],
    ]
}

/// Both of them, the calls in flight, and the time.
pub(super) struct Pair {
    pub(super) breaker: Breaker,
    pub(super) model: Model,
    pub(super) calls: Vec<(Token, ModelToken, u64)>,
    /// Those that were settled by their heads: the model knows nothing of them any more.
    lasting: Vec<Token>,
    pub(super) now: u64,
}

impl Pair {
    pub(super) fn new(rules: Rules, now: u64) -> Self {
        let breaker = rules.apply(CircuitBreaker::builder("properties")).build().expect("the rules make sense");
        Self { breaker, model: Model::new(rules), calls: Vec::new(), lasting: Vec::new(), now }
    }

    pub(super) fn step(&mut self, op: &Op) {
        match *op {
            Op::Admit => self.admit(),
            Op::Settle { which, outcome, took, head, retry_after } => {
                let Some((token, model, started)) = self.take(which) else { return };
                let started = took.map_or(started, |took| self.now.saturating_sub(took));
                let mut end = Ended::new(outcome, at(started), at(self.now));
                end.head = head.map(|after| at(started + after));
                end.retry_after = retry_after.map(nanos);
                self.breaker.settle(token, &end);
                self.model.settle(model, &end, self.now);
            }
            Op::Lasts { which, outcome, took } => {
                let Some((mut token, model, started)) = self.take(which) else { return };
                let started = took.map_or(started, |took| self.now.saturating_sub(took));
                let mut end = Ended::new(outcome, at(started), at(self.now));
                end.head = Some(at(self.now));
                self.breaker.lasts(&mut token, &end);
                self.model.settle(model, &end, self.now);
                self.lasting.push(token);
            }
            Op::Leave { outcome, took } => {
                let Some(token) = self.lasting.pop() else { return };
                let started = self.now.saturating_sub(took.unwrap_or(SECOND));
                self.breaker.settle(token, &Ended::new(outcome, at(started), at(self.now)));
            }
            Op::Undo { which } => {
                let Some((token, model, _)) = self.take(which) else { return };
                self.breaker.undo(token, at(self.now));
                self.model.undo(model, self.now);
            }
            Op::Forward(time) => self.now = (self.now + time).min(LATEST),
            Op::Back(time) => self.now = self.now.saturating_sub(time),
            Op::Look => self.look(),
            Op::ForceOpen => {
                self.breaker.force_open();
                self.model.enter(Phase::ForcedOpen);
            }
            Op::ForceClosed => {
                self.breaker.force_closed();
                self.model.enter(Phase::ForcedClosed);
            }
            Op::Disable => {
                self.breaker.disable();
                self.model.enter(Phase::Disabled);
            }
            Op::Reset => {
                self.breaker.reset();
                self.model.reset();
            }
            Op::Configure(ref change) => {
                let rules = change.apply(&self.model.rules);
                // What makes no sense is refused, and changes nothing.
                if self.breaker.configure(|settings| rules.apply(settings)).is_ok() {
                    self.model.rules = rules;
                    if let Span::Calls(_) = rules.span {
                        self.model.look(self.now);
                    }
                }
            }
        }
        assert_eq!(self.breaker.state(), self.model.state());
    }

    pub(super) fn admit(&mut self) {
        let (real, says) = (admit(&self.breaker, self.now), self.model.admit(self.now));
        match (real, says) {
            (Ok(token), Says::Admit(model)) => self.calls.push((token, model, self.now)),
            (Err(rejected), Says::Reject(why)) => {
                assert_eq!(rejected.why(), why);
                self.check_retry_after(rejected);
            }
            (Ok(token), Says::Either(model)) => {
                self.model.ramped(true);
                self.calls.push((token, model, self.now));
            }
            (Err(rejected), Says::Either(_)) => {
                assert_eq!(rejected.why(), Why::Ramping);
                self.model.ramped(false);
            }
            (real, says) => panic!("the breaker says {real:?}, the model {says:?}"),
        }
    }

    /// A caller is told when it is worth another try, in milliseconds, rounded up.
    fn check_retry_after(&self, rejected: Rejected) {
        if let Phase::Open { until } = self.model.phase {
            let left = Duration::from_millis((until - self.now).div_ceil(MS).min(u64::from(u32::MAX) - 1));
            assert_eq!(rejected.retry_after(), Some(left));
        }
    }

    fn take(&mut self, which: usize) -> Option<(Token, ModelToken, u64)> {
        if self.calls.is_empty() { None } else { Some(self.calls.swap_remove(which % self.calls.len())) }
    }

    pub(super) fn look(&mut self) {
        self.model.look(self.now);
        let counts = self.breaker.counts_at(at(self.now));
        assert_eq!((counts.calls, counts.failures, counts.slow), self.model.counts());
    }
}
