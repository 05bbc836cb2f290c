//! A throttle.

use cofferdam::{AdaptiveThrottle, Admit, Criticality, Ended, Outcome, Policy, TaskKey, ThrottleState, context::Rank};

use super::{at, beside, explore};

type Throttle = AdaptiveThrottle<fn(&()) -> Rank>;

fn throttle() -> Throttle {
    let top: fn(&()) -> Rank = |()| Rank::in_epoch(Criticality::CriticalPlus, TaskKey::from_bits(1), 0);
    AdaptiveThrottle::builder("loom").rank(top).build().unwrap()
}

fn call(throttle: &Throttle, outcome: Outcome, millis: u64) {
    let token = throttle.admit(&(), at(millis)).expect("so few calls are never cut");
    throttle.settle(token, &Ended::new(outcome, at(millis), at(millis)));
}

/// Two calls are counted while somebody looks at the counts: each is counted once, whoever it is that takes note of it.
#[test]
fn what_is_counted_while_somebody_looks_is_counted_once() {
    explore(2, || {
        let throttle = throttle();
        call(&throttle, Outcome::Overload, 1_000);
        let other = beside(&throttle, move |throttle| call(throttle, Outcome::Overload, 1_000));
        let seen = throttle.load_at(at(1_000));
        call(&throttle, Outcome::Success, 1_000);
        other.join().unwrap();
        let load = throttle.load_at(at(1_000));
        assert!(seen.demand <= 1.0);
        assert_eq!((load.demand, load.accepted), (2.0, 1.0));
    });
}

/// Two overloads at once make it pressed once, and a call that meets them is counted in that time of pressure or in none.
#[test]
fn two_overloads_press_it_once() {
    explore(2, || {
        let throttle = throttle();
        let other = beside(&throttle, move |throttle| call(throttle, Outcome::Overload, 1_000));
        call(&throttle, Outcome::Overload, 1_000);
        other.join().unwrap();
        assert_eq!(throttle.state(), ThrottleState::Pressed);
        let load = throttle.load_at(at(1_000));
        assert!(load.demand <= 1.0 && load.accepted == 0.0, "{load:?}");
    });
}

/// One finds that the pressure is over while another meets a new overload: that one counts, whoever comes first, and it can be
/// made calm again.
#[test]
fn calm_and_pressure_meet_and_no_overload_is_forgotten() {
    explore(2, || {
        let throttle = throttle();
        call(&throttle, Outcome::Overload, 1_000);
        let other = beside(&throttle, move |throttle| call(throttle, Outcome::Overload, 60_000));
        call(&throttle, Outcome::Success, 60_000);
        other.join().unwrap();
        assert_eq!(throttle.state(), ThrottleState::Pressed);
        call(&throttle, Outcome::Success, 120_000);
        assert_eq!(throttle.state(), ThrottleState::Calm);
    });
}
