//! What opens it.

use super::*;

/// Every count is a count: after years, and after buckets have been used over and over, it is not below nothing.
#[test]
fn defect_51_counts_do_not_drift() {
    let breaker = touchy().window(ms(1_000)).slow_calls(ms(10), 1.0).build().unwrap();
    breaker.disable();
    let mut now = 0;
    for step in [0, 1, 99, 100, 101, 999, 1_000, 1_001, 10_000, 31_536_000_000] {
        for outcome in [Outcome::Success, Outcome::Failure, Outcome::Overload] {
            let token = admit(&breaker, now).unwrap();
            breaker.settle(token, &Ended::new(outcome, at(now), at(now + 10)));
        }
        let counts = breaker.counts_at(at(now + 10));
        assert!(counts.calls >= 3 && counts.slow == counts.calls && counts.failures * 3 == counts.calls * 2);
        now += step;
    }
    let counts = breaker.counts_at(at(now + 1_000));
    assert_eq!((counts.calls, counts.failures, counts.slow), (0, 0, 0));
}

/// Five failures and five successes, of ten, at fifty percent: it opens with the tenth, which is a success. At the edge of
/// a bucket it is the same.
#[test]
fn defect_52_the_call_that_ends_is_part_of_the_decision() {
    for window in [touchy().window_calls(10), touchy().window(ms(1_000))] {
        let breaker = window.consecutive_failures(None).failure_ratio(0.5).minimum_calls(10).build().unwrap();
        for nth in 0..10 {
            assert_eq!(breaker.state(), BreakerState::Closed, "after {nth} calls");
            call(&breaker, if nth < 5 { Outcome::Failure } else { Outcome::Success }, 0);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }
    // The second failure comes a nanosecond before, at and after the edge of the bucket of the first.
    for offset in [99_999_999, 100_000_000, 100_000_001] {
        let breaker = touchy().consecutive_failures(None).minimum_calls(2).window(ms(1_000)).build().unwrap();
        call(&breaker, Outcome::Failure, 0);
        let now = Instant::ORIGIN.after(Duration::from_nanos(offset));
        let token = breaker.admit(&(), now).unwrap();
        breaker.settle(token, &Ended::new(Outcome::Failure, now, now));
        assert_eq!(breaker.state(), BreakerState::Open, "at {offset}");
    }
}

/// It closes after an outage: what was counted during the outage is not held against the dependency.
#[test]
fn defect_53_closing_begins_a_new_window() {
    let breaker = touchy().consecutive_failures(None).failure_ratio(0.5).minimum_calls(4).build().unwrap();
    for _ in 0..4 {
        call(&breaker, Outcome::Failure, 0);
    }
    assert_eq!(breaker.counts_at(at(0)).failures, 4, "while open it shows what opened it");
    call(&breaker, Outcome::Success, 1_000);
    assert_eq!(breaker.counts_at(at(1_000)).calls, 0);

    // Three failures are not enough for a verdict, the fourth is.
    for _ in 0..3 {
        call(&breaker, Outcome::Failure, 1_001);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
    call(&breaker, Outcome::Failure, 1_001);
    assert_eq!(breaker.state(), BreakerState::Open);
}

/// One call in five seconds, and all of them fail: a ratio over ten calls in ten seconds never sees enough of them, a run
/// of failures does.
#[test]
fn defect_55_at_low_traffic_a_run_of_failures_opens_it() {
    let rate = touchy().consecutive_failures(None).minimum_calls(10).window(ms(10_000)).build().unwrap();
    let both = touchy().consecutive_failures(5).minimum_calls(10).window(ms(10_000)).build().unwrap();
    for nth in 0..5 {
        assert_eq!(both.state(), BreakerState::Closed, "after {nth} failures");
        call(&both, Outcome::Failure, 5_000 * nth);
    }
    assert_eq!(both.state(), BreakerState::Open);
    for nth in 0..50 {
        call(&rate, Outcome::Failure, 5_000 * nth);
    }
    assert_eq!(rate.state(), BreakerState::Closed);
    // And one failed request of one is no outage.
    let fresh = CircuitBreaker::builder("payments").build().unwrap();
    call(&fresh, Outcome::Failure, 0);
    assert_eq!(fresh.state(), BreakerState::Closed);
}

/// A thousand small clients, one call a second each, of which one in twenty fails: none of them sees an outage.
#[test]
fn defect_67_small_samples_are_no_verdict() {
    // A generator of its own, so that it is the same in every run.
    let mut state = 1_u64;
    let mut fails = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).is_multiple_of(20)
    };
    for client in 0..1_000 {
        let breaker = CircuitBreaker::builder("payments")
            .failure_ratio(0.5)
            .minimum_calls(20)
            .window(ms(30_000))
            .build()
            .unwrap();
        for second in 0..60 {
            call(&breaker, if fails() { Outcome::Failure } else { Outcome::Success }, second * 1_000);
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "client {client}");
    }
}
