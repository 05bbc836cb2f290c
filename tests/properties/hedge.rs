//! What a hedge learns, against plain arithmetic.

use std::time::Duration;

use cofferdam::hedge::Learner;
use proptest::{prelude::*, sample::select};

const MS: f64 = 1e6;

#[derive(Clone, Copy, Debug)]
enum Step {
    Seen(u64),
    InTime,
    Late,
    Won,
    Lost,
    Bounds(u64, u64),
    Reset,
}

/// The same in floating point, with the rules as they are written down.
struct Model {
    share: f64,
    shortest: f64,
    longest: f64,
    logarithm: f64,
    calls: u64,
    row: f64,
}

impl Model {
    /// How far it goes down and up: at first to where half of the calls get; and further down when it is far from all.
    fn steps(&self) -> (f64, f64) {
        let (gain, share) = match self.calls {
            0..50 => (0.4, 0.5),
            50..256 => (0.1, self.share),
            _ => (0.02, self.share),
        };
        let down = if self.row * self.share >= 6.0 { f64::max(gain, 0.1) } else { gain };
        (down * share, gain * (1.0 - share))
    }

    fn step(&mut self, step: Step) {
        let (down, up) = self.steps();
        let by = match step {
            Step::Seen(nanos) if self.calls == 0 => {
                self.logarithm = (nanos as f64).ln();
                0.0
            }
            Step::Seen(nanos) if (nanos as f64).ln() >= self.logarithm => {
                self.row = 0.0;
                up
            }
            Step::Late => {
                self.row = 0.0;
                up
            }
            Step::Seen(_) | Step::InTime => {
                self.row += 1.0;
                -down
            }
            Step::Won => up * (0.4 - 1.0),
            Step::Lost => up * (2.0 - 1.0),
            Step::Bounds(shortest, longest) => {
                (self.shortest, self.longest) = (shortest as f64 * MS, longest as f64 * MS);
                return;
            }
            Step::Reset => {
                (self.logarithm, self.calls, self.row) = (0.0, 0, 0.0);
                return;
            }
        };
        self.logarithm = (self.logarithm + by).clamp(self.shortest.ln(), self.longest.ln());
        if matches!(step, Step::Seen(_) | Step::InTime | Step::Late) {
            self.calls = (self.calls + 1).min(256);
        }
    }

    fn delay(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.logarithm.exp().clamp(self.shortest, self.longest))
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_000_000..10_000_000_000_u64).prop_map(Step::Seen),
        200 => Just(Step::InTime),
        20 => Just(Step::Late),
        8 => Just(Step::Won),
        8 => Just(Step::Lost),
        1 => (1..100_u64, 100..20_000_u64).prop_map(|(shortest, longest)| Step::Bounds(shortest, longest)),
    ];
    let reset = prop_oneof![400 => step, 1 => Just(Step::Reset)];
    (1_000_000..1_000_000_000_u64, prop::collection::vec(reset, 0..1_500)).prop_map(|(first, mut steps)| {
        steps.insert(0, Step::Seen(first));
        steps
    })
}

fn apply(learner: &Learner, share: f64, step: Step) {
    match step {
        Step::Seen(nanos) => learner.seen(Duration::from_nanos(nanos)),
        Step::InTime => learner.in_time(),
        Step::Late => learner.late(),
        Step::Won => learner.won(),
        Step::Lost => learner.lost(),
        Step::Bounds(shortest, longest) => {
            learner.set(share, Duration::from_millis(shortest), Duration::from_millis(longest)).unwrap();
        }
        Step::Reset => learner.reset(),
    }
}

proptest! {
    #[test]
    fn a_learner_does_what_the_model_does(steps in steps(), share in select(vec![0.001, 0.01, 0.02, 0.1, 0.5])) {
        let learner = Learner::new(share, Duration::from_millis(1), Duration::from_secs(10)).unwrap();
        let mut model = Model { share, shortest: MS, longest: 1e4 * MS, logarithm: 0.0, calls: 0, row: 0.0 };
        for step in steps {
            apply(&learner, share, step);
            model.step(step);
            prop_assert_eq!(learner.calls(), model.calls);
            prop_assert_eq!(learner.is_sure(), model.calls >= 50);
            match (learner.delay(), model.delay()) {
                (Some(delay), Some(expected)) => {
                    let off = delay.as_nanos() as f64 / expected - 1.0;
                    prop_assert!(off.abs() < 1e-5, "{step:?}: {delay:?} is not {expected}");
                }
                (None, None) => {}
                other => prop_assert!(false, "{step:?}: {other:?}"),
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Where all hedges win, twice the share of calls and a half reach the delay; where none does, half of it.
    #[test]
    fn useless_hedges_cost_five_times_as_much(seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut reach = |wins: Option<bool>| {
            let learner = Learner::new(0.02, Duration::from_millis(1), Duration::from_secs(10)).unwrap();
            let mut reached = 0;
            for call in 0..60_000_u32 {
                // Evenly spread up to 100 ms.
                let took = Duration::from_nanos(random.u64(1..100_000_000));
                let Some(delay) = learner.delay() else {
                    learner.seen(took);
                    continue;
                };
                if took < delay {
                    learner.in_time();
                } else {
                    learner.late();
                    reached += u32::from(call >= 20_000);
                    match wins {
                        Some(true) => learner.won(),
                        Some(false) => learner.lost(),
                        None => {}
                    }
                }
            }
            f64::from(reached) / 40_000.0
        };
        let (all, none, unsent) = (reach(Some(true)), reach(Some(false)), reach(None));
        prop_assert!((0.04..0.06).contains(&all), "{all}");
        prop_assert!((0.007..0.013).contains(&none), "{none}");
        prop_assert!((0.016..0.024).contains(&unsent), "{unsent}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let ms = Duration::from_millis;
    for (share, shortest, longest, field) in [
        (0.0, ms(1), ms(2), "share"),
        (0.6, ms(1), ms(2), "share"),
        (f64::NAN, ms(1), ms(2), "share"),
        (0.02, ms(0), ms(2), "shortest_delay"),
        (0.02, ms(1), Duration::MAX, "longest_delay"),
        (0.02, ms(3), ms(2), "longest_delay"),
    ] {
        assert_eq!(Learner::new(share, shortest, longest).unwrap_err().field(), field);
    }
}

#[test]
fn any_number_of_steps_stays_within_the_bounds() {
    let ms = Duration::from_millis;
    let learner = Learner::new(0.5, ms(1), ms(100)).unwrap();
    learner.seen(Duration::MAX);
    for step in [Step::Lost, Step::Won, Step::Late, Step::InTime] {
        for _ in 0..10_000 {
            apply(&learner, 0.5, step);
        }
        let delay = learner.delay().unwrap();
        assert!((Duration::from_micros(999)..ms(101)).contains(&delay), "{step:?}: {delay:?}");
    }
}

/// A hundred times as long for a while, and then as before: 4,600 calls would have to be in time by the usual steps to bring it to a
/// sixth of that, and these are a third as many.
#[test]
fn after_a_slow_time_the_delay_comes_down_sooner() {
    let learner = Learner::new(0.02, Duration::from_millis(1), Duration::from_secs(10)).unwrap();
    let ms = Duration::from_millis;
    let calls = |number: u32, took| (0..number).for_each(|_| learner.seen(ms(took)));
    calls(1_000, 10);
    calls(1_000, 1_000);
    assert!(learner.delay().unwrap() >= ms(800));
    calls(1_500, 10);
    assert!(learner.delay().unwrap() <= ms(160), "{:?}", learner.delay());
}

/// Calls take 10 ms, and one in a hundred twenty times as long. The first one is of these, or answered at once.
#[test]
fn whatever_the_first_call_took_the_delay_is_known_when_it_is_used() {
    for first in [0, 200_000, 20_000_000] {
        let learner = Learner::new(0.02, Duration::from_millis(1), Duration::from_secs(10)).unwrap();
        learner.seen(Duration::from_micros(first));
        for call in 1..100_u64 {
            assert_eq!(learner.is_sure(), call >= 50);
            learner.seen(Duration::from_millis(if call % 100 == 20 { 200 } else { 10 }));
        }
        let delay = learner.delay().unwrap();
        assert!((Duration::from_millis(8)..Duration::from_millis(13)).contains(&delay), "{first}: {delay:?}");
    }
}
