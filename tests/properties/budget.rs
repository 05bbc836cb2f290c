//! A budget against a list of all that ever happened, and what a budget must not do.

use std::time::Duration;

use cofferdam::{Budget, Instant, budget::NoExtra};
use proptest::{prelude::*, sample::select};

const SECOND: u64 = 1_000_000_000;

fn at(nanos: u64) -> Instant {
    Instant::ORIGIN.after(Duration::from_nanos(nanos))
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Success,
    Failure,
    Extra,
    End,
}

/// Millionths of tokens, and every success by its time.
struct Model {
    ratio: u128,
    most: Option<usize>,
    tokens: u128,
    row: u32,
    in_flight: usize,
    successes: Vec<u64>,
}

impl Model {
    fn cap(&self, now: u64) -> u128 {
        let window = 10 * SECOND;
        let of = |number: u64| self.successes.iter().filter(|at| *at / window == number).count() as u128;
        let number = now / window;
        let before = if number == 0 { 0 } else { of(number - 1) };
        let left = u128::from(window - now % window);
        let sum = of(number) * self.ratio + before * self.ratio * left / u128::from(window);
        sum.clamp(3_000_000, 1_000_000_000)
    }

    fn step(&mut self, step: Step, now: u64) -> Option<Result<(), NoExtra>> {
        match step {
            Step::Success => {
                self.row = 0;
                self.successes.push(now);
                self.tokens = (self.tokens + self.ratio).min(self.cap(now));
            }
            Step::Failure => self.row += 1,
            Step::End => self.in_flight = self.in_flight.saturating_sub(1),
            Step::Extra => {
                if self.row >= 3 {
                    return Some(Err(NoExtra::Failing));
                }
                if self.most.is_some_and(|most| self.in_flight >= most) {
                    return Some(Err(NoExtra::Full));
                }
                let left = self.tokens.min(self.cap(now));
                if left < 1_000_000 {
                    return Some(Err(NoExtra::Empty));
                }
                self.tokens = left - 1_000_000;
                self.in_flight += 1;
                return Some(Ok(()));
            }
        }
        None
    }
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let pause = prop_oneof![
        8 => 0..SECOND / 10,
        2 => 0..25 * SECOND,
        1 => select(vec![10 * SECOND, 20 * SECOND, 365 * 24 * 3600 * SECOND]),
    ];
    let step = prop_oneof![
        8 => Just(Step::Success),
        2 => Just(Step::Failure),
        4 => Just(Step::Extra),
        2 => Just(Step::End),
    ];
    prop::collection::vec((pause, step), 0..400)
}

proptest! {
    #[test]
    fn a_budget_does_what_the_model_does(
        steps in steps(),
        millionths in select(vec![1u32, 70_000, 100_000, 333_333, 600_000, 1_000_000, 12_000_000, 1_000_000_000]),
        most in select(vec![None, Some(1), Some(3)]),
    ) {
        let budget = Budget::builder("model").ratio(f64::from(millionths) / 1e6).in_flight(most).build().unwrap();
        let mut model = Model {
            ratio: u128::from(millionths),
            most: most.map(|most| most as usize),
            tokens: 3_000_000,
            row: 0,
            in_flight: 0,
            successes: Vec::new(),
        };
        let (mut now, mut extras, mut paid) = (0, Vec::new(), 0_u64);
        for (pause, step) in steps {
            now += pause;
            let expected = model.step(step, now);
            match step {
                Step::Success => budget.succeeded_at(at(now)),
                Step::Failure => budget.failed(),
                Step::End => drop(extras.pop()),
                Step::Extra => {
                    let got = budget.extra_at(at(now)).map(|extra| extras.push(extra));
                    paid += u64::from(got.is_ok());
                    prop_assert_eq!(Some(got), expected);
                }
            }
            prop_assert_eq!(budget.in_flight() as usize, extras.len());
            let left = model.tokens.min(model.cap(now)) as f64 / 1e6;
            prop_assert_eq!(budget.balance_at(at(now)), left);
        }
        let most = 3.0 + f64::from(millionths) / 1e6 * model.successes.len() as f64;
        prop_assert!(paid as f64 <= most + 1e-6);
    }

    #[test]
    fn defect_106_any_ratio_is_kept(ratio in 0.000_001..1000.0_f64) {
        let budget = Budget::builder("ratio").ratio(ratio).build().unwrap();
        let mut paid = 0;
        for _ in 0..2_000 {
            budget.succeeded_at(at(1));
            // No more than is sent in one go: what is not used is not kept for ever.
            while paid < 100_000 && budget.extra_at(at(1)).is_ok() {
                paid += 1;
            }
        }
        prop_assert!(f64::from(paid) <= 3.0 + ratio * 2_000.0 + 1e-6);
        // All of it, where the cap does not cut it.
        if ratio < 1.0 {
            prop_assert!(f64::from(paid) >= (2.0 + (ratio - 1e-6) * 2_000.0).floor());
        }
    }
}

#[test]
fn defect_107_threads_spend_what_there_is_and_no_more() {
    let budget = Budget::builder("threads").ratio(1.0).build().unwrap();
    for _ in 0..500 {
        budget.succeeded_at(at(1));
    }
    assert_eq!(budget.balance_at(at(1)), 500.0);
    let paid: usize = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..64).map(|_| scope.spawn(|| (0..20).filter(|_| budget.extra_at(at(1)).is_ok()).count())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((paid, budget.in_flight()), (500, 0));
}

#[test]
fn defect_108_each_setting_does_something() {
    let balance = |ratio| {
        let budget = Budget::builder("ratio").ratio(ratio).build().unwrap();
        let _ = (budget.extra_at(at(1)), budget.extra_at(at(1)));
        budget.succeeded_at(at(1));
        budget.balance_at(at(1))
    };
    assert_eq!((balance(0.1), balance(0.5)), (1.1, 1.5));

    let budget = Budget::builder("most").in_flight(1).build().unwrap();
    let extra = budget.extra_at(at(1)).unwrap();
    assert_eq!(budget.extra_at(at(1)).unwrap_err(), NoExtra::Full);
    budget.set_in_flight(2).unwrap();
    let other = budget.extra_at(at(1)).unwrap();
    assert_eq!(budget.in_flight(), 2);
    drop((extra, other));

    budget.set_ratio(1.0).unwrap();
    budget.succeeded_at(at(1));
    assert_eq!(budget.balance_at(at(1)), 2.0);
    assert!(budget.set_ratio(f64::NAN).is_err() && budget.set_in_flight(0).is_err());
}

#[test]
fn defect_110_it_recovers_with_the_first_successes() {
    let budget = Budget::builder("recovers").build().unwrap();
    while budget.extra_at(at(1)).is_ok() {}
    for _ in 0..1_000 {
        budget.failed();
    }
    assert!(budget.is_failing());
    let later = at(3600 * SECOND);
    for _ in 0..10 {
        budget.succeeded_at(later);
    }
    assert!(budget.extra_at(later).is_ok());
}

#[test]
fn years_without_a_call_are_forgotten_like_minutes() {
    let year = 365 * 24 * 3600 * SECOND;
    for years in 1..12 {
        let budget = Budget::builder("years").ratio(1000.0).build().unwrap();
        budget.succeeded_at(at(1));
        assert_eq!(budget.balance_at(at(1)), 1000.0);
        assert_eq!(budget.balance_at(at(years * year)), 3.0, "{years}");
    }
}
