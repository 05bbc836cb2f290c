//! How much is cut when a server takes less than it is asked for, and how it flows again.

use super::*;

#[test]
fn while_nothing_is_rejected_everything_is_sent_and_nothing_is_counted() {
    let throttle = throttle();
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Abandoned] {
        assert_eq!(second_of(&throttle, outcome, 5_000), [1_000; 4]);
    }
    assert_eq!(throttle.state(), ThrottleState::Calm);
    assert_eq!(throttle.load_at(at(9_000)).demand, 0.0);
}

#[test]
fn one_overload_among_many_cuts_nothing() {
    let throttle = throttle();
    assert!(call(&throttle, rank(Criticality::Critical, 1), Outcome::Overload, 5_000));
    assert_eq!(throttle.state(), ThrottleState::Pressed);
    assert_eq!(second_of(&throttle, Outcome::Success, 5_000), [1_000; 4]);
}

/// The last share flows, from the top, and the rest is cut.
#[test]
fn a_server_that_takes_nothing_is_sent_what_the_cap_leaves() {
    let throttle = throttle();
    second_of(&throttle, Outcome::Overload, 5_000);
    let sent = second_of(&throttle, Outcome::Overload, 6_000);
    assert_eq!(sent[..3], [0, 0, 0], "what matters less is not sent");
    // A twentieth of four thousand calls.
    assert!((150..=250).contains(&sent[3]), "{sent:?}");
}

#[test]
fn after_an_outage_everything_flows_again_within_a_few_time_constants() {
    let throttle = throttle();
    for second in 5..65 {
        second_of(&throttle, Outcome::Overload, second * 1_000);
    }
    second_of(&throttle, Outcome::Success, 65_000);
    second_of(&throttle, Outcome::Success, 66_000);
    assert_eq!(second_of(&throttle, Outcome::Success, 67_000), [1_000; 4]);
    // And when there was no overload for eight of them, it is calm.
    second_of(&throttle, Outcome::Success, 69_500);
    assert_eq!(throttle.state(), ThrottleState::Calm);
}

/// Nothing is good for three seconds, which is six time constants. The first good answer opens it at once, and what is rejected within a
/// time constant from then on is not held against the server; after that it is.
#[test]
fn the_first_good_answer_after_a_total_outage_lets_everything_through() {
    let throttle = throttle();
    let (low, top) = (rank(Criticality::Sheddable, 1), rank(Criticality::CriticalPlus, 1));
    for second in 5..8 {
        second_of(&throttle, Outcome::Overload, second * 1_000);
    }
    assert!(!call(&throttle, low, Outcome::Overload, 8_000));
    let first = (8_000..8_500).find(|millis| call(&throttle, top, Outcome::Success, *millis)).unwrap();
    assert!((first..first + 490).all(|millis| call(&throttle, low, Outcome::Overload, millis)));
    second_of(&throttle, Outcome::Overload, first + 510);
    second_of(&throttle, Outcome::Overload, first + 1_510);
    let sent = second_of(&throttle, Outcome::Overload, first + 2_510);
    assert!(sent.iter().sum::<u32>() < 400, "{sent:?}");
}

/// A second and a half of rejections may be chance: then it opens step by step.
#[test]
fn a_good_answer_after_a_short_time_of_rejections_opens_nothing_at_once() {
    let throttle = throttle();
    second_of(&throttle, Outcome::Overload, 5_000);
    let millis =
        (6_500..7_000).find(|millis| call(&throttle, rank(Criticality::CriticalPlus, 1), Outcome::Success, *millis));
    let sent = (0..100).filter(|_| call(&throttle, rank(Criticality::Sheddable, 1), Outcome::Success, millis.unwrap()));
    assert!(sent.count() < 50);
}

#[test]
fn a_long_idle_time_forgets_the_pressure() {
    let throttle = throttle();
    second_of(&throttle, Outcome::Overload, 5_000);
    assert!(!call(&throttle, rank(Criticality::Sheddable, 1), Outcome::Success, 6_000));
    assert_eq!(throttle.state(), ThrottleState::Pressed);
    assert!(call(&throttle, rank(Criticality::Sheddable, 1), Outcome::Success, 60_000));
    assert_eq!(throttle.state(), ThrottleState::Calm);
}

/// Few calls are no reason to cut any: two in a time constant are always sent, so one that comes rarely is never cut.
#[test]
fn a_call_that_comes_rarely_is_always_sent() {
    let throttle = throttle();
    for nth in 0..100 {
        assert!(call(&throttle, rank(Criticality::Sheddable, nth), Outcome::Overload, 5_000 + 300 * nth));
    }
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
        call(&old, low, Outcome::Overload, millis);
    }
    assert_eq!(old.state(), ThrottleState::Pressed);
    assert!(old.admit(&low, at(6_000 + 8 * 500)).is_ok());
    assert_eq!(old.state(), ThrottleState::Calm);

    // It changes all the time, fast and slowly.
    for period in [2, 20, 200, 2_000] {
        let wild = throttle();
        let outcome = |millis: u64| [Outcome::Overload, Outcome::Success][(millis / period % 2) as usize];
        let sent = (5_000..15_000).filter(|millis| call(&wild, low, outcome(*millis), *millis)).count();
        assert!(sent >= 500, "{sent} of 10,000 when it changes every {period} ms");
    }
}
