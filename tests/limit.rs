//! The adaptive limit in front of a plant: so many workers, each of which takes so long.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

use std::{cmp::Reverse, collections::BinaryHeap, num::NonZeroU32, time::Duration};

use cofferdam::{
    AdaptiveLimit, Admit, Control, Ended, Fresh, Instant, Outcome, Policy, Weighted, Why,
    limit::{Aimd, Algorithm, Builder, Gradient, Gradient2, Plan, Sample, Vegas},
};
use proptest::{prelude::*, sample::select};
use tokio::time::advance;

/// Takes calls that come evenly, each millisecond some.
struct Plant<A: Algorithm, P: Policy = AdaptiveLimit<A>> {
    limit: AdaptiveLimit<A>,
    policy: P,
    /// What each call weighs, by its number: it needs as many workers at a time.
    weight: fn(u64) -> u32,
    /// Calls that weigh more than one take so many times as long.
    stretch: u64,
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
    tokens: std::collections::HashMap<u64, (P::Token, Instant, Outcome)>,
    /// The limit after each millisecond.
    limits: Vec<u32>,
    rejected: u64,
}

type Weigh = fn(&u32) -> NonZeroU32;

/// Each request says what it weighs.
fn by_weight<A: Algorithm>(limit: &AdaptiveLimit<A>) -> Weighted<AdaptiveLimit<A>, Weigh> {
    limit.clone().weighted(|weight: &u32| NonZeroU32::new(*weight).expect("something"))
}

impl<A: Algorithm> Plant<A> {
    fn new(workers: usize, latency: u64, limit: AdaptiveLimit<A>) -> Self {
        Self::with(workers, latency, limit.clone(), limit, |_| 1)
    }
}

impl<A: Algorithm> Plant<A, Weighted<AdaptiveLimit<A>, Weigh>> {
    fn weighted(workers: usize, latency: u64, limit: AdaptiveLimit<A>, weight: fn(u64) -> u32) -> Self {
        Self::with(workers, latency, by_weight(&limit), limit, weight)
    }
}

impl<A: Algorithm, P: Admit<u32>> Plant<A, P> {
    fn with(workers: usize, latency: u64, policy: P, limit: AdaptiveLimit<A>, weight: fn(u64) -> u32) -> Self {
        Self {
            limit,
            policy,
            weight,
            stretch: 1,
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
                self.policy.settle(token, &Ended::new(outcome, started, Instant::now()));
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
        let weight = (self.weight)(self.calls + self.rejected);
        let Ok(token) = self.policy.admit(&weight, now) else {
            self.rejected += 1;
            return;
        };
        self.calls += 1;
        let (took, outcome) = self.answer(weight);
        let (took, outcome) = if took > self.patience { (self.patience, Outcome::Abandoned) } else { (took, outcome) };
        self.running.push(Reverse((self.now + took, self.calls)));
        self.tokens.insert(self.calls, (token, now, outcome));
    }

    fn answer(&mut self, weight: u32) -> (u64, Outcome) {
        if self.hangs {
            return (u64::MAX, Outcome::Success);
        }
        if self.running.len() >= self.turns_away_above {
            return (1, Outcome::Overload);
        }
        if self.fails > 0 && self.calls.is_multiple_of(self.fails) {
            return (1, Outcome::Failure);
        }
        // Ten percent more or less, as nothing is quite the same twice.
        let stretch = if weight > 1 { self.stretch } else { 1 };
        let work = (stretch * self.latency * (90 + self.calls * 7 % 21)).div_ceil(100);
        // Those who are free first.
        let needed = weight as usize;
        let (_, last, _) = self.workers.select_nth_unstable(needed - 1);
        let done = (*last).max(self.now) + work;
        self.workers[..needed].fill(done);
        (done - self.now, Outcome::Success)
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

#[tokio::test(start_paused = true)]
async fn defect_96_a_call_heavier_than_the_limit_runs_alone() {
    let limit = builder().initial_limit(5).min_limit(5).max_limit(5).build().unwrap();
    let weighted = by_weight(&limit);
    let now = Instant::now();
    let ended = Ended::new(Outcome::Success, now, now);
    let heavy = weighted.admit(&50, now).expect("nothing is in flight");
    assert_eq!(limit.in_flight(), 50);
    for weight in [1, 5, 50, u32::MAX] {
        assert_eq!(weighted.admit(&weight, now).unwrap_err().why(), Why::Full);
    }
    assert!(limit.admit(&(), now).is_err());
    // Where there is room beside it later, there is.
    limit.configure(|settings| settings.min_limit(52).max_limit(52)).unwrap();
    let light = weighted.admit(&2, now).expect("50 and 2 are 52");
    assert!(weighted.admit(&1, now).is_err());
    limit.configure(|settings| settings.min_limit(5).max_limit(5)).unwrap();
    weighted.settle(heavy, &ended);
    assert_eq!(limit.in_flight(), 2);
    // Nor is it let in beside others, however few.
    assert!(weighted.admit(&50, now).is_err());
    weighted.settle(light, &ended);
    let heaviest = weighted.admit(&u32::MAX, now).expect("nothing is in flight");
    weighted.undo(heaviest, now);
    assert_eq!((limit.in_flight(), limit.limit()), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn with_weights_the_knee_is_found_in_slots() {
    // What the test without weights finds, by as much larger: from far below a single call, too.
    for (weight, initial) in [(5, 10), (5, 500), (30, 2), (30, 600)] {
        let weights: fn(u64) -> u32 = if weight == 5 { |_| 5 } else { |_| 30 };
        let mut plant = Plant::weighted(16 * weight, 20, builder().initial_limit(initial).build().unwrap(), weights);
        plant.run(20_000, 4.0).await;
        let calls = plant.mean(3000) / weight as f64;
        assert!((16.0..=40.0).contains(&calls), "of weight {weight} from {initial}: {calls}");
    }
    // One of ten is heavy: 64 workers are kept busy by fewer calls, and are not flooded.
    let mut plant = Plant::weighted(64, 20, builder().build().unwrap(), |call| if call % 10 == 0 { 20 } else { 1 });
    plant.run(20_000, 4.0).await;
    assert!((64.0..=160.0).contains(&plant.mean(3000)), "{}", plant.mean(3000));
}

#[tokio::test(start_paused = true)]
async fn all_algorithms_find_room_for_heavy_calls() {
    async fn check<A: Algorithm>(name: &str, algorithm: A) {
        let limit = builder().algorithm(algorithm).max_limit(1000).build().unwrap();
        let mut plant = Plant::weighted(160, 20, limit, |_| 10);
        plant.run(60_000, 4.0).await;
        assert!(plant.mean(10_000) >= 140.0, "{name}: {}", plant.mean(10_000));
    }
    check("AIMD", Aimd::default()).await;
    check("Vegas", Vegas::default()).await;
    check("Gradient", Gradient::default()).await;
    check("Gradient2", Gradient2::default()).await;
}

/// For half of the calls, and without any order.
fn odd(call: u64) -> bool {
    call.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40 & 1 == 1
}

/// Is told what calls of one and of nine slots add up to, in so many windows.
#[derive(Clone)]
struct Adding(u32);

impl Algorithm for Adding {
    fn begin(&mut self, limit: u32) -> Plan {
        Plan::limit(limit)
    }
    fn window(&mut self, sample: &Sample) -> Plan {
        // Half of the calls take 10 ms of one slot, and half 30 ms of nine: by the slot 28 ms, by the call 20.
        self.0 += 1;
        if self.0 > 3 {
            assert!((4.4..=5.6).contains(&sample.weight()), "{}", sample.weight());
            let millis = sample.latency.as_secs_f64() * 1e3;
            assert!((26.0..=30.0).contains(&millis), "{millis}");
            assert!(sample.fastest < Duration::from_millis(11), "{:?}", sample.fastest);
        }
        Plan::limit(sample.limit)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_learned_of_heavy_calls_is_what_they_hold() {
    // Few, all of which are timed, and many, of which some are.
    for calls in [0.5, 12.0] {
        let limit = builder().algorithm(Adding(0)).initial_limit(100_000).build().unwrap();
        let mut plant = Plant::weighted(3000, 10, limit.clone(), |call| if odd(call) { 9 } else { 1 });
        plant.stretch = 3;
        let (mut taken, mut looked) = (0.0, 0.0);
        for _ in 0..2000 {
            plant.run(1, calls).await;
            taken += f64::from(limit.in_flight());
            looked += 1.0;
        }
        // By Little's law: per millisecond so many calls, of five slots, for 28 ms.
        let (mean, expected) = (taken / looked, calls * 5.0 * 28.0);
        assert!((mean / expected - 1.0).abs() < 0.1, "{mean} and not {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_heavy_call_that_is_late_is_one_call() {
    let limit = builder().initial_limit(100).build().unwrap();
    let weighted = by_weight(&limit);
    for round in 0..20 {
        let began = Instant::now();
        let heavy = weighted.admit(&64, began).unwrap();
        let light: Vec<_> = (0..30).map(|_| weighted.admit(&1, began).unwrap()).collect();
        advance(Duration::from_millis(50)).await;
        for token in light {
            weighted.settle(token, &Ended::new(Outcome::Success, began, Instant::now()));
        }
        advance(Duration::from_secs(2)).await;
        let outcome = if round == 10 { Outcome::Abandoned } else { Outcome::Ignored };
        weighted.settle(heavy, &Ended::new(outcome, began, Instant::now()));
        assert!(limit.limit() >= 100, "in round {round}: {}", limit.limit());
    }
}

#[derive(Clone, Debug)]
enum Op {
    Admit(u32),
    Settle(usize, Outcome),
    Undo(usize),
    Limit(usize),
    Pause(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let weight = prop_oneof![8 => 1..9_u32, 1 => select(vec![100, u32::MAX - 1, u32::MAX])];
    let outcomes = vec![Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned];
    prop_oneof![
        5 => weight.prop_map(Op::Admit),
        4 => (any::<usize>(), select(outcomes)).prop_map(|(which, outcome)| Op::Settle(which, outcome)),
        1 => any::<usize>().prop_map(Op::Undo),
        1 => prop_oneof![6 => 1..20_usize, 1 => Just((u32::MAX >> 1) as usize)].prop_map(Op::Limit),
        2 => (0..2000_u64).prop_map(Op::Pause),
    ]
}

/// Wants what it has, so that the bounds alone say what the limit is.
#[derive(Clone)]
struct Fixed;

impl Algorithm for Fixed {
    fn begin(&mut self, limit: u32) -> Plan {
        Plan::limit(limit)
    }
    fn window(&mut self, sample: &Sample) -> Plan {
        // Nothing that was measured is impossible, whatever came.
        assert!(sample.slots >= sample.worked && sample.weight() >= 1.0);
        assert!(sample.worked == 0 || sample.latency <= sample.patience);
        Plan::limit(sample.limit)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A call comes in exactly when there is room for it or it would be alone; and what it took it gives back, whatever the
    /// limit has become. With and without weights, on the same limit.
    #[test]
    fn a_weighted_call_takes_and_gives_back_what_it_weighs(ops in prop::collection::vec(op(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let handle = builder().algorithm(Fixed).initial_limit(8).min_limit(8).max_limit(8).build().unwrap();
            let weighted = by_weight(&handle);
            let (mut limit, mut plain, mut held) = (8_u64, Vec::new(), Vec::new());
            for op in ops {
                let taken: u64 = held.iter().map(|(_, _, weight)| u64::from(*weight)).sum::<u64>() + plain.len() as u64;
                let now = Instant::now();
                let room = |weight: u32| taken == 0 || taken + u64::from(weight) <= limit;
                match op {
                    Op::Admit(1) => match handle.admit(&(), now) {
                        Ok(token) => {
                            prop_assert!(room(1));
                            plain.push((token, now));
                        }
                        Err(_) => prop_assert!(!room(1)),
                    },
                    Op::Admit(weight) => match weighted.admit(&weight, now) {
                        Ok(token) => {
                            prop_assert!(room(weight));
                            held.push((token, now, weight));
                        }
                        Err(rejected) => {
                            prop_assert!(!room(weight));
                            prop_assert_eq!(rejected.why(), Why::Full);
                        }
                    },
                    Op::Settle(which, outcome) if which % 2 == 0 && !plain.is_empty() => {
                        let (token, began) = plain.swap_remove(which / 2 % plain.len());
                        handle.settle(token, &Ended::new(outcome, began, now));
                    }
                    Op::Settle(which, outcome) if !held.is_empty() => {
                        let (token, began, _) = held.swap_remove(which / 2 % held.len());
                        weighted.settle(token, &Ended::new(outcome, began, now));
                    }
                    Op::Undo(which) if !held.is_empty() => {
                        weighted.undo(held.swap_remove(which % held.len()).0, now);
                    }
                    Op::Settle(..) | Op::Undo(_) => {}
                    Op::Limit(new) => {
                        handle.configure(|settings| settings.min_limit(new).max_limit(new)).unwrap();
                        limit = new as u64;
                    }
                    Op::Pause(millis) => advance(Duration::from_millis(millis)).await,
                }
                let taken: u64 = held.iter().map(|(_, _, weight)| u64::from(*weight)).sum::<u64>() + plain.len() as u64;
                prop_assert_eq!((u64::from(handle.limit()), u64::from(handle.in_flight())), (limit, taken));
            }
            Ok(())
        })?;
    }
}
