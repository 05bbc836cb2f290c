//! The adaptive limit in front of a plant: so many workers, each of which takes so long.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use cofferdam::{
    AdaptiveLimit, Admit, Control, Ended, Fresh, Instant, Outcome, Policy, Why,
    limit::{Aimd, Algorithm, Builder, Gradient, Gradient2, Plan, Sample, Vegas},
};
use tokio::time::advance;

/// Takes calls that come evenly, each millisecond some.
struct Plant<A: Algorithm> {
    limit: AdaptiveLimit<A>,
    workers: Vec<u64>,
    /// In milliseconds.
    latency: u64,
    /// Beyond so many at a time it turns calls away at once.
    turns_away_above: usize,
    /// One of so many fails at once; zero for none.
    fails: u64,
    hangs: bool,
    /// Callers leave after so many milliseconds.
    patience: u64,
    now: u64,
    due: f64,
    calls: u64,
    running: BinaryHeap<Reverse<(u64, u64)>>,
    tokens: std::collections::HashMap<u64, (<AdaptiveLimit<A> as Policy>::Token, Instant, Outcome)>,
    /// The limit after each millisecond.
    limits: Vec<u32>,
    rejected: u64,
}

impl<A: Algorithm> Plant<A> {
    fn new(workers: usize, latency: u64, limit: AdaptiveLimit<A>) -> Self {
        Self {
            limit,
            workers: vec![0; workers],
            latency,
            turns_away_above: usize::MAX,
            fails: 0,
            hangs: false,
            patience: 1000,
            now: 0,
            due: 0.0,
            calls: 0,
            running: BinaryHeap::new(),
            tokens: std::collections::HashMap::new(),
            limits: Vec::new(),
            rejected: 0,
        }
    }

    /// For so many milliseconds, so many calls in each.
    async fn run(&mut self, millis: u64, calls: f64) {
        for _ in 0..millis {
            advance(Duration::from_millis(1)).await;
            self.now += 1;
            while let Some(Reverse((at, _))) = self.running.peek()
                && *at <= self.now
            {
                let Reverse((_, call)) = self.running.pop().unwrap();
                let (token, started, outcome) = self.tokens.remove(&call).unwrap();
                self.limit.settle(token, &Ended::new(outcome, started, Instant::now()));
            }
            self.due += calls;
            while self.due >= 1.0 {
                self.due -= 1.0;
                self.call();
            }
            self.limits.push(self.limit.limit());
        }
    }

    fn call(&mut self) {
        let now = Instant::now();
        let Ok(token) = self.limit.admit(&(), now) else {
            self.rejected += 1;
            return;
        };
        self.calls += 1;
        let (took, outcome) = self.answer();
        let (took, outcome) = if took > self.patience { (self.patience, Outcome::Abandoned) } else { (took, outcome) };
        self.running.push(Reverse((self.now + took, self.calls)));
        self.tokens.insert(self.calls, (token, now, outcome));
    }

    fn answer(&mut self) -> (u64, Outcome) {
        if self.hangs {
            return (u64::MAX, Outcome::Success);
        }
        if self.running.len() >= self.turns_away_above {
            return (1, Outcome::Overload);
        }
        if self.fails > 0 && self.calls.is_multiple_of(self.fails) {
            return (1, Outcome::Failure);
        }
        let worker = self.workers.iter_mut().min().unwrap();
        // Ten percent more or less, as nothing is quite the same twice.
        let work = (self.latency * (90 + self.calls * 7 % 21)).div_ceil(100);
        *worker = (*worker).max(self.now) + work;
        (*worker - self.now, Outcome::Success)
    }

    fn mean(&self, last: usize) -> f64 {
        let last = &self.limits[self.limits.len() - last..];
        last.iter().map(|limit| f64::from(*limit)).sum::<f64>() / last.len() as f64
    }
}

fn builder() -> Builder {
    AdaptiveLimit::builder("plant").patience(Duration::from_secs(1))
}

#[tokio::test(start_paused = true)]
async fn it_finds_the_knee_from_below_and_from_above() {
    // Up by more than half in a window; down by a fifth or more with each probe, and from the second on those follow
    // on each other for as long as they find that calls take less than was believed.
    for (initial, millis) in [(2, 5000), (20, 5000), (500, 20_000)] {
        let mut plant = Plant::new(16, 20, builder().initial_limit(initial).build().unwrap());
        plant.run(millis, 4.0).await;
        assert!((16.0..=40.0).contains(&plant.mean(3000)), "from {initial}: {}", plant.mean(3000));
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_it_rejects_at_once_and_every_slot_comes_back() {
    let limit = builder().initial_limit(3).build().unwrap();
    let tokens: Vec<_> = (0..3).map(|_| limit.admit(&(), Instant::now()).unwrap()).collect();
    let rejected = limit.admit(&(), Instant::now()).unwrap_err();
    assert_eq!((rejected.by().as_str(), rejected.why()), ("plant", Why::Full));
    let mut tokens = tokens.into_iter();
    limit.undo(tokens.next().unwrap(), Instant::now());
    for (token, outcome) in tokens.zip([Outcome::Ignored, Outcome::Abandoned]) {
        limit.settle(token, &Ended::new(outcome, Instant::now(), Instant::now()));
    }
    assert_eq!((limit.in_flight(), limit.limit()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn defect_79_after_a_blackout_the_limit_is_back_within_seconds() {
    let mut plant = Plant::new(100, 50, builder().build().unwrap());
    plant.run(10_000, 4.0).await;
    plant.hangs = true;
    plant.run(5000, 4.0).await;
    plant.hangs = false;
    plant.run(3000, 4.0).await;
    assert!(plant.mean(500) >= 80.0, "{}", plant.mean(500));
}

#[tokio::test(start_paused = true)]
async fn defect_80_fast_errors_do_not_change_what_is_learned_of_latency() {
    let mut without = Plant::new(16, 20, builder().build().unwrap());
    without.run(15_000, 4.0).await;
    let mut with = Plant::new(16, 20, builder().build().unwrap());
    with.fails = 2;
    with.run(15_000, 4.0).await;
    let ratio = with.mean(3000) / without.mean(3000);
    assert!((0.7..=1.4).contains(&ratio), "{ratio}");
}

#[tokio::test(start_paused = true)]
async fn defect_82_a_server_that_turns_calls_away_is_believed() {
    let mut plant = Plant::new(100, 50, builder().build().unwrap());
    plant.turns_away_above = 10;
    plant.run(20_000, 1.0).await;
    assert!((8.0..=12.0).contains(&plant.mean(5000)), "{}", plant.mean(5000));
}

#[tokio::test(start_paused = true)]
async fn defect_84_85_under_lasting_load_the_limit_does_not_drift() {
    let mut plant = Plant::new(16, 20, builder().build().unwrap());
    plant.run(20_000, 1.0).await;
    let early = plant.mean(5000);
    plant.run(600_000, 1.0).await;
    let late = plant.mean(5000);
    assert!((0.7..=1.3).contains(&(late / early)), "{early} and then {late}");
}

#[tokio::test(start_paused = true)]
async fn defect_87_a_service_that_becomes_slower_and_faster_is_followed() {
    let mut plant = Plant::new(64, 20, builder().build().unwrap());
    plant.run(10_000, 4.0).await;
    plant.latency = 60;
    plant.run(10_000, 4.0).await;
    assert!((64.0..=140.0).contains(&plant.mean(2000)), "slower: {}", plant.mean(2000));
    plant.latency = 20;
    plant.run(60_000, 4.0).await;
    assert!((64.0..=140.0).contains(&plant.mean(2000)), "faster: {}", plant.mean(2000));
}

#[tokio::test(start_paused = true)]
async fn defect_88_at_its_maximum_it_stays() {
    let mut plant = Plant::new(500, 20, builder().max_limit(50).build().unwrap());
    plant.run(10_000, 10.0).await;
    assert_eq!(plant.limits[9999], 50);
    assert!(plant.mean(5000) > 49.0);
}

#[tokio::test(start_paused = true)]
async fn defect_89_it_does_not_grow_while_it_is_not_in_use() {
    let mut plant = Plant::new(100, 50, builder().build().unwrap());
    plant.run(600_000, 0.002).await;
    assert_eq!(plant.limit.limit(), 20);
    plant.rejected = 0;
    for _ in 0..1000 {
        plant.call();
    }
    assert!(plant.rejected >= 980, "{}", plant.rejected);
}

#[tokio::test(start_paused = true)]
async fn defect_90_a_probe_rejects_nothing_at_half_load_and_keeps_the_floor() {
    let mut plant = Plant::new(16, 20, builder().min_limit(4).build().unwrap());
    plant.run(10_000, 4.0).await;
    (plant.rejected, plant.calls) = (0, 100_000);
    plant.run(60_000, 0.4).await;
    assert!(plant.rejected < 240, "{}", plant.rejected);
    assert!(plant.limits.iter().all(|limit| *limit >= 4));
}

#[tokio::test(start_paused = true)]
async fn defect_91_noise_moves_the_limit_little() {
    let mut plant = Plant::new(16, 20, builder().build().unwrap());
    plant.run(60_000, 4.0).await;
    let last = &plant.limits[20_000..];
    let mean = plant.mean(last.len());
    let variance = last.iter().map(|limit| (f64::from(*limit) - mean).powi(2)).sum::<f64>() / last.len() as f64;
    assert!(variance.sqrt() / mean < 0.25, "{} of {mean}", variance.sqrt());
}

#[tokio::test(start_paused = true)]
async fn defect_92_at_the_minimum_with_a_wrong_base_it_finds_its_way() {
    // It learns that work takes 2 ms, and then it takes ten times as long and there are ten times as many workers.
    let mut plant = Plant::new(4, 2, builder().build().unwrap());
    plant.run(10_000, 4.0).await;
    plant.latency = 20;
    plant.workers = vec![0; 40];
    plant.run(10_000, 4.0).await;
    assert!(plant.mean(1000) >= 38.0, "{}", plant.mean(1000));
}

#[tokio::test(start_paused = true)]
async fn defect_97_many_losses_at_once_cut_it_once() {
    let mut plant = Plant::new(200, 50, builder().initial_limit(100).build().unwrap());
    plant.run(2000, 4.0).await;
    let before = plant.limit.limit();
    plant.hangs = true;
    plant.run(40, 4.0).await;
    plant.hangs = false;
    plant.run(1100, 0.0).await;
    plant.run(50, 1.0).await;
    assert!(plant.limit.limit() >= before / 2 - 1, "{before} and then {}", plant.limit.limit());
}

#[tokio::test(start_paused = true)]
async fn all_algorithms_hold_their_bounds_and_let_work_be_done() {
    async fn check<A: Algorithm>(name: &str, algorithm: A) {
        let limit = builder().algorithm(algorithm).min_limit(2).max_limit(200).build().unwrap();
        let mut plant = Plant::new(16, 20, limit);
        plant.run(60_000, 4.0).await;
        assert!(plant.limits.iter().all(|limit| (2..=200).contains(limit)), "{name}");
        assert!(plant.mean(10_000) >= 14.0, "{name}: {}", plant.mean(10_000));
        // A blackout, and they are back.
        plant.hangs = true;
        plant.run(5000, 4.0).await;
        plant.hangs = false;
        plant.run(20_000, 4.0).await;
        assert!(plant.mean(1000) >= 12.0, "{name}, after a blackout: {}", plant.mean(1000));
    }
    check("AIMD", Aimd::default()).await;
    check("Vegas", Vegas::default()).await;
    check("Gradient", Gradient::default()).await;
    check("Gradient2", Gradient2::default()).await;
}

/// One of the user's own, which is told what was measured.
#[derive(Clone)]
struct Asserting;

impl Algorithm for Asserting {
    fn begin(&mut self, limit: u32) -> Plan {
        Plan::limit(limit).look_again(Duration::from_millis(100), 1, Duration::from_secs(1))
    }
    fn window(&mut self, sample: &Sample) -> Plan {
        // Half of the calls fail at once; the others take 20 ms, one every 2 ms.
        assert!(sample.throughput() < 600.0);
        assert!(sample.late == 0 && sample.overloaded == 0);
        if sample.worked > 20 {
            assert!(sample.latency >= Duration::from_millis(17) && sample.latency <= Duration::from_millis(23));
            assert!(sample.fastest <= sample.latency);
            assert!(sample.calls > sample.worked);
        }
        self.begin(sample.limit + 1)
    }
}

#[tokio::test(start_paused = true)]
async fn an_algorithm_is_told_what_was_measured_and_obeyed() {
    let mut plant = Plant::new(100, 20, builder().algorithm(Asserting).max_limit(30).build().unwrap());
    plant.fails = 2;
    plant.run(500, 1.0).await;
    assert!((23..=25).contains(&plant.limit.limit()), "{}", plant.limit.limit());
    plant.run(2000, 1.0).await;
    assert_eq!(plant.limit.limit(), 30);
}

#[tokio::test(start_paused = true)]
async fn operators_can_look_at_it_and_bound_it() {
    let limit = builder().build().unwrap();
    let control: &dyn Control = &limit;
    assert_eq!(control.state(), "0 of 20 taken");
    control.configure("max_limit", "10").unwrap();
    assert_eq!(limit.limit(), 10);
    assert_eq!(limit.fresh().limit(), 10);
    let invalid = control.configure("min_limit", "11").unwrap_err();
    assert_eq!(invalid.field(), "max_limit");
    assert!(control.force("open").is_err());
    let patience = control.settings().into_iter().find(|setting| setting.name == "patience").unwrap();
    assert_eq!(patience.value, "1s");
}

#[test]
fn what_cannot_be_is_not_built() {
    let field = |builder: Builder| builder.build().unwrap_err().field();
    assert_eq!(field(builder().initial_limit(0)), "initial_limit");
    assert_eq!(field(builder().min_limit(0)), "min_limit");
    assert_eq!(field(builder().max_limit(1)), "max_limit");
    assert_eq!(field(builder().patience(Duration::ZERO)), "patience");
    assert!(Aimd::new(f64::NAN).is_err() && Aimd::new(1.0).is_err());
}

#[test]
fn defect_95_under_threads_every_slot_comes_back() {
    let limit = AdaptiveLimit::builder("threads").initial_limit(8).max_limit(8).build().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let limit = limit.clone();
            scope.spawn(move || {
                for call in 0..20_000 {
                    let now = Instant::now();
                    assert!(limit.in_flight() <= 8);
                    if let Ok(token) = limit.admit(&(), now) {
                        let outcome = if (call + thread) % 3 == 0 { Outcome::Failure } else { Outcome::Success };
                        limit.settle(token, &Ended::new(outcome, now, Instant::now()));
                    }
                }
            });
        }
    });
    assert_eq!(limit.in_flight(), 0);
}
