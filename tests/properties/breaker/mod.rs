//! The breaker against a naive model of it: whatever happens to both, in whatever order and at whatever time, they
//! decide the same, are in the same state and have counted the same.

mod model;
mod pair;
mod rules;

use std::time::Duration;

use cofferdam::{Admit, BreakerState, CircuitBreaker, Ended, Instant, Outcome, Policy, Rejected};
use pair::{Op, Pair, op, outcome};
use proptest::{prelude::*, sample::select};
use rules::rules;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const YEAR: u64 = 365 * 24 * 3600 * SECOND;
/// Steps of years do not lead beyond the end of time, where every moment is the same.
const LATEST: u64 = 300 * YEAR;

type Breaker = CircuitBreaker;
type Token = <Breaker as Policy>::Token;

fn at(nanos: u64) -> Instant {
    Instant::ORIGIN.after(Duration::from_nanos(nanos))
}

fn nanos(time: u64) -> Duration {
    Duration::from_nanos(time)
}

fn admit(breaker: &Breaker, now: u64) -> Result<Token, Rejected> {
    breaker.admit(&(), at(now))
}

/// The call took no time and ended like this.
fn settle(breaker: &Breaker, token: Token, outcome: Outcome, now: u64) {
    breaker.settle(token, &Ended::new(outcome, at(now), at(now)));
}

/// Four times as many cases as usual, however many that are.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases * 4, failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    /// The breaker and the model see the same calls and are never found to differ; and at the end, whatever state they
    /// were brought to, the breaker closes again when the dependency works again.
    #[test]
    fn the_breaker_does_what_the_model_does_and_recovers(
        rules in rules(),
        start in select(vec![0, 1, 5 * SECOND, 3 * YEAR]),
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let mut pair = Pair::new(rules, start);
        for op in &ops {
            pair.step(op);
        }
        pair.look();

        // A forced state is kept until a reset, by contract.
        if matches!(pair.breaker.state(), BreakerState::ForcedOpen | BreakerState::ForcedClosed | BreakerState::Disabled) {
            pair.step(&Op::Reset);
        }
        // The calls in flight never end. Time goes by, callers come, and the dependency answers them at once.
        let longest = [rules.lease, rules.open_time_max, 5 * SECOND, 2 * YEAR].into_iter().max().unwrap();
        for round in 1..=2 {
            pair.now = LATEST + round * longest;
            for _ in 0..12 {
                pair.admit();
                if let Some((token, model, _)) = pair.calls.pop() {
                    let end = Ended::new(Outcome::Success, at(pair.now), at(pair.now));
                    pair.breaker.settle(token, &end);
                    pair.model.settle(model, &end, pair.now);
                }
            }
        }
        // A threshold of a nanosecond calls nothing slow that took no time; so nothing is in the way of closing.
        prop_assert_eq!(pair.breaker.state(), BreakerState::Closed);
        let admitted = admit(&pair.breaker, pair.now + longest);
        prop_assert!(admitted.is_ok(), "closed, and past its ramp, it lets calls through");
    }

    /// Open, and a crowd comes at the end of the open time: exactly one probe goes through, and another when its lease is
    /// over, whatever the others are told. After its success it is exactly so many.
    #[test]
    fn exactly_so_many_probes_are_out(
        probes in select(vec![1_u32, 2, 10, 1_000]),
        crowd in 1..50_u32,
        periods in 1..5_u64,
    ) {
        let breaker = CircuitBreaker::builder("properties").consecutive_failures(1).open_time(nanos(750 * MS)).open_time_jitter(0.0).probes(probes)
            .probe_failure_ratio(0.5).build().unwrap();
        let token = admit(&breaker, 0).unwrap();
        settle(&breaker, token, Outcome::Failure, 0);
        prop_assert_eq!(breaker.state(), BreakerState::Open);

        // One nanosecond before the end of the open time nobody gets through.
        prop_assert!(admit(&breaker, 750 * MS - 1).is_err());
        for period in 0..periods {
            let now = 750 * MS + period * 10 * SECOND;
            let admitted = (0..probes + crowd).filter(|_| admit(&breaker, now).is_ok()).count();
            prop_assert_eq!(admitted, 1);
            // And not one more as long as they are out.
            prop_assert!(admit(&breaker, now + 10 * SECOND - 1).is_err());
        }
        let now = 750 * MS + periods * 10 * SECOND;
        let first = admit(&breaker, now).unwrap();
        settle(&breaker, first, Outcome::Success, now);
        if probes > 1 {
            let admitted = (0..probes + crowd).filter(|_| admit(&breaker, now).is_ok()).count();
            prop_assert_eq!(admitted, probes as usize - 1);
        }
    }

    /// Calls that were admitted before the breaker changed its state end in any way and at any time: nothing follows.
    #[test]
    fn late_ends_change_nothing(ends in prop::collection::vec((outcome(), 0..3 * SECOND, 0..YEAR), 3..60), ratio in 0.01..1.0) {
        let breaker = CircuitBreaker::builder("properties").failure_ratio(ratio).minimum_calls(1).open_time(nanos(750 * MS)).open_time_jitter(0.0)
            .probes(2).probe_failure_ratio(1.0).ramp(None).build().unwrap();
        // All of them are admitted while closed; then one failure opens the breaker.
        let mut tokens: Vec<_> = ends.iter().map(|_| admit(&breaker, 0).unwrap()).collect();
        let first = admit(&breaker, 0).unwrap();
        settle(&breaker, first, Outcome::Failure, 0);
        prop_assert_eq!(breaker.state(), BreakerState::Open);

        // A third of the ends come while it is open, a third while half-open, the rest when it is closed again.
        let mut late = |count: usize, now: u64| {
            for (outcome, took, asked) in ends.iter().take(count) {
                if let Some(token) = tokens.pop() {
                    let mut end = Ended::new(*outcome, at(now.saturating_sub(*took)), at(now));
                    end.retry_after = Some(nanos(*asked));
                    breaker.settle(token, &end);
                }
            }
        };
        late(ends.len() / 3, 10 * MS);
        prop_assert_eq!(breaker.state(), BreakerState::Open);
        let one = admit(&breaker, 750 * MS).expect("nothing has put off the end of the open time");
        late(ends.len() / 3, 750 * MS);
        prop_assert_eq!(breaker.state(), BreakerState::HalfOpen);
        prop_assert!(admit(&breaker, 750 * MS).is_err(), "no place was added");
        settle(&breaker, one, Outcome::Success, 751 * MS);
        prop_assert_eq!(breaker.state(), BreakerState::Closed);
        late(ends.len(), 752 * MS);
        prop_assert_eq!(breaker.state(), BreakerState::Closed);
        prop_assert_eq!(breaker.counts_at(at(752 * MS)).calls, 0);
    }

    /// Over a whole ramp, calls at a steady pace get through in the share that is stated: a fifth at first and all at
    /// last, so three fifths on the whole.
    #[test]
    fn a_ramp_lets_the_stated_share_through(calls in 20..2_000_u64, length in select(vec![MS, 500 * MS, 60 * SECOND])) {
        let breaker = CircuitBreaker::builder("properties").consecutive_failures(1).open_time(nanos(750 * MS)).open_time_jitter(0.0).probes(1)
            .ramp(nanos(length)).build().unwrap();
        let token = admit(&breaker, 0).unwrap();
        settle(&breaker, token, Outcome::Failure, 0);
        let probe = admit(&breaker, 750 * MS).unwrap();
        settle(&breaker, probe, Outcome::Success, 750 * MS);

        let through = (0..calls).filter(|call| admit(&breaker, 750 * MS + call * length / calls).is_ok()).count() as f64;
        let stated = calls as f64 * 0.6;
        prop_assert!((through - stated).abs() <= 2.0, "{through} of {calls} calls, rather than {stated}");
        // Past its end everybody gets through.
        prop_assert!((0..100).all(|_| admit(&breaker, 750 * MS + length).is_ok()));
    }
}

/// A quarter of four open times is one: from then on each is a quarter longer.
#[test]
fn an_open_time_does_not_grow_before_it_is_that_share_of_the_outage() {
    let breaker = CircuitBreaker::builder("properties")
        .consecutive_failures(1)
        .open_time(nanos(80 * MS))
        .open_time_growth(1.25)
        .open_time_jitter(0.0)
        .build()
        .unwrap();
    let mut now = 0;
    let times = [(); 6].map(|()| {
        let token = admit(&breaker, now).unwrap();
        settle(&breaker, token, Outcome::Failure, now);
        let time = admit(&breaker, now).unwrap_err().retry_after().unwrap();
        now += time.as_nanos() as u64;
        time
    });
    assert_eq!(times, [80, 80, 80, 80, 100, 125].map(|time| nanos(time * MS)));
}

/// The same open times again: they grow with each opening of an outage, up to the longest, and start anew after ten
/// seconds without one.
#[test]
fn open_times_grow_within_an_outage_and_start_anew_after_it() {
    let breaker = CircuitBreaker::builder("properties")
        .consecutive_failures(1)
        .open_time(nanos(100 * MS))
        .open_time_growth(2.0)
        .open_time_max(nanos(500 * MS))
        .open_time_jitter(0.0)
        .probes(1)
        .ramp(None)
        .build()
        .unwrap();
    let mut now = 0;
    let fail = |now: u64| {
        let token = admit(&breaker, now).unwrap();
        settle(&breaker, token, Outcome::Failure, now);
        admit(&breaker, now).unwrap_err().retry_after().unwrap().as_millis()
    };
    // The first failure opens it, and each probe after that fails.
    let mut times = Vec::new();
    for _ in 0..5 {
        let time = fail(now);
        times.push(time);
        now += time as u64 * MS;
    }
    assert_eq!(times, [100, 200, 400, 500, 500]);

    // The probe succeeds, and it fails again within ten seconds: that is still the same outage.
    let probe = admit(&breaker, now).unwrap();
    settle(&breaker, probe, Outcome::Success, now);
    now += 10 * SECOND - 1;
    assert_eq!(fail(now), 500);

    // The next time it holds for ten seconds: what comes then is another outage.
    now += 500 * MS;
    let probe = admit(&breaker, now).unwrap();
    settle(&breaker, probe, Outcome::Success, now);
    now += 10 * SECOND;
    assert_eq!(fail(now), 100);
}
