//! What really broke in load shedding, as far as an adaptive throttle sheds: one story for each.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

use std::time::Duration;

use cofferdam::{AdaptiveThrottle, Admit, Criticality, Ended, Instant, Outcome, TaskKey, ThrottleState, context::Rank};

fn rank(criticality: Criticality, task: u64) -> Rank {
    Rank::in_epoch(criticality, TaskKey::from_bits(task), 0)
}

fn throttle() -> AdaptiveThrottle<fn(&Rank) -> Rank> {
    let itself: fn(&Rank) -> Rank = |rank| *rank;
    AdaptiveThrottle::builder("search").rank(itself).build().unwrap()
}

fn at(millis: u64) -> Instant {
    Instant::ORIGIN.after(Duration::from_millis(millis))
}

/// Whether a call was sent; it is answered at once.
fn call<Request, P: Admit<Request>>(policy: &P, request: &Request, outcome: Outcome, millis: u64) -> bool {
    policy
        .admit(request, at(millis))
        .map(|token| policy.settle(token, &Ended::new(outcome, at(millis), at(millis))))
        .is_ok()
}

/// Ten times what the server takes is asked for, and nine tenths are cut: no health check is, which ranks highest.
#[test]
fn defect_161_health_checks_go_through_ten_times_too_much() {
    let throttle = throttle();
    let (mut sent, mut checks) = (0, 0);
    for millis in 5_000..35_000 {
        // A tenth of the calls is taken.
        let outcome = if millis % 10 == 0 { Outcome::Success } else { Outcome::Overload };
        sent += u32::from(call(&throttle, &rank(Criticality::Critical, millis), outcome, millis));
        if millis % 250 == 0 {
            checks += u32::from(call(&throttle, &rank(Criticality::CriticalPlus, millis), Outcome::Success, millis));
        }
    }
    assert_eq!(checks, 120, "all of them");
    assert!(sent < 10_000, "{sent} of 30,000");
}

/// Less is cut of what ranks higher, and a class that is all cut gets its turn when there is room: nobody is starved for good.
#[test]
fn defect_163_the_lowest_are_cut_first_and_come_back_when_there_is_room() {
    let throttle = throttle();
    let second = |from: u64, room: usize| {
        let mut sent = [0; 4];
        for millis in from..from + 1_000 {
            let mut taken = 0;
            for class in Criticality::ALL.into_iter().rev() {
                let outcome = if taken < room { Outcome::Success } else { Outcome::Overload };
                if call(&throttle, &rank(class, millis), outcome, millis) {
                    (sent[class as usize], taken) = (sent[class as usize] + 1, taken + 1);
                }
            }
        }
        sent
    };
    for from in 5..8 {
        second(from * 1_000, 2);
    }
    let sent = second(8_000, 2);
    // Some of the lowest find out now and then whether there is room again.
    assert!(sent.is_sorted() && sent[0] < 200 && sent[3] == 1_000, "{sent:?}");
    for from in 9..13 {
        second(from * 1_000, 4);
    }
    assert_eq!(second(13_000, 4), [1_000; 4]);
}

/// A request that says of itself in its headers that it matters most is cut like the others; what a layer believed of it, and put
/// into its extensions, is believed here.
#[cfg(feature = "http")]
#[test]
fn defect_164_what_a_stranger_claims_is_cut_like_the_rest() {
    use cofferdam::Context;
    use http::Request;

    let throttle = AdaptiveThrottle::builder("search").build().unwrap();
    let claims = Request::builder().header("x-request-criticality", "critical-plus").body(()).unwrap();
    let mut believed = Request::new(());
    believed.set_criticality(Criticality::CriticalPlus);
    let mut sent = [0, 0];
    for millis in 5_000..8_000 {
        // Half of it would be taken.
        for (nth, request) in [&claims, &believed].into_iter().enumerate() {
            let outcome = if millis % 2 == 0 { Outcome::Success } else { Outcome::Overload };
            sent[nth] += u32::from(call(&throttle, request, outcome, millis));
        }
    }
    assert!(sent[0] * 5 < sent[1], "{sent:?}");
}

/// What the throttle goes by may be missing, old or all over the place: it sends everything, forgets, and cuts no more than its cap.
/// A setting that is no number is refused.
#[test]
fn defect_167_a_signal_that_is_lost_old_or_wild_cuts_no_more_than_the_cap() {
    for (field, wrong) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
        .into_iter()
        .flat_map(|wrong| [("aggression", wrong), ("keen_aggression", wrong), ("cap", wrong)])
    {
        let builder = AdaptiveThrottle::builder("search");
        let invalid = match field {
            "aggression" => builder.aggression(wrong),
            "keen_aggression" => builder.keen_aggression(wrong),
            _ => builder.cap(wrong),
        };
        assert_eq!(invalid.build().unwrap_err().field(), field);
    }

    // There never is an answer.
    let silent = throttle();
    let low = rank(Criticality::Sheddable, 1);
    assert!((5_000..10_000).all(|millis| silent.admit(&low, at(millis)).is_ok()));

    // The last one is old.
    let old = throttle();
    for millis in 5_000..6_000 {
        call(&old, &low, Outcome::Overload, millis);
    }
    assert_eq!(old.state(), ThrottleState::Pressed);
    assert!(old.admit(&low, at(6_000 + 8 * 500)).is_ok());
    assert_eq!(old.state(), ThrottleState::Calm);

    // It changes all the time, fast and slowly.
    for period in [2, 20, 200, 2_000] {
        let wild = throttle();
        let outcome = |millis: u64| [Outcome::Overload, Outcome::Success][(millis / period % 2) as usize];
        let sent = (5_000..15_000).filter(|millis| call(&wild, &low, outcome(*millis), *millis)).count();
        assert!(sent >= 500, "{sent} of 10,000 when it changes every {period} ms");
    }
}
