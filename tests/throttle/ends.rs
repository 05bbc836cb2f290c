//! What an end of a call says of the server, and what it does not.

use super::*;

/// Calls that are sent count as taken until somebody says otherwise; timeouts and failures do not say so.
#[test]
fn only_overloads_take_acceptance_back() {
    for outcome in [Outcome::Failure, Outcome::Abandoned, Outcome::Success] {
        let throttle = throttle();
        call(&throttle, rank(Criticality::Critical, 1), Outcome::Overload, 5_000);
        assert_eq!(second_of(&throttle, outcome, 5_000), [1_000; 4], "{outcome:?}");
        let load = throttle.load_at(at(6_000));
        assert!(load.demand > 1_500.0 && (load.demand - load.accepted).abs() < 1.5, "{load:?}");
    }
}

/// A call that a policy further in rejected did not get to the server: it counts neither way. So does one that was taken back.
#[test]
fn a_call_that_was_never_made_is_not_counted() {
    let throttle = throttle();
    let top = rank(Criticality::CriticalPlus, 1);
    call(&throttle, top, Outcome::Overload, 5_000);
    for _ in 0..1_000 {
        call(&throttle, top, Outcome::Ignored, 5_000);
        throttle.undo(throttle.admit(&top, at(5_000)).unwrap(), at(5_000));
    }
    let load = throttle.load_at(at(5_000));
    assert_eq!((load.demand, load.accepted), (0.0, 0.0));
}

/// What was sent before the pressure began takes nothing back of what was counted since.
#[test]
fn an_end_belongs_to_the_time_of_pressure_in_which_it_began() {
    let throttle = throttle();
    let top = rank(Criticality::CriticalPlus, 1);
    let early: Vec<_> = (0..100).map(|_| throttle.admit(&top, at(5_000)).unwrap()).collect();
    call(&throttle, top, Outcome::Overload, 5_000);
    let second: Vec<_> = (0..100).map(|_| throttle.admit(&top, at(5_000)).unwrap()).collect();
    early.into_iter().for_each(|token| settle(&throttle, token, Outcome::Overload, 5_000));
    assert_eq!(throttle.load_at(at(5_000)).accepted, 100.0);
    throttle.reset();
    assert_eq!(throttle.state(), ThrottleState::Calm);
    call(&throttle, top, Outcome::Overload, 5_000);
    second.into_iter().for_each(|token| settle(&throttle, token, Outcome::Overload, 5_000));
    assert!(call(&throttle, top, Outcome::Success, 5_000));
    assert_eq!(throttle.load_at(at(5_000)).accepted, 1.0);
}

/// What was sent during an outage and is rejected after it takes nothing back of what was counted since.
#[test]
fn a_rejection_of_a_call_from_before_the_restart_is_not_counted() {
    let throttle = throttle();
    let top = rank(Criticality::CriticalPlus, 1);
    call(&throttle, top, Outcome::Overload, 5_000);
    let old = throttle.admit(&top, at(7_500)).unwrap();
    assert!(call(&throttle, top, Outcome::Success, 7_500));
    // The calls from before are forgotten with the outage.
    assert_eq!(throttle.load_at(at(7_500)).demand, 0.0);
    assert!(call(&throttle, top, Outcome::Success, 7_500));
    settle(&throttle, old, Outcome::Overload, 7_500);
    assert_eq!(throttle.load_at(at(7_500)).accepted, 1.0);
}

/// A lasting answer is one with its head: what is heard of it later counts neither way.
#[test]
fn a_lasting_answer_counts_once_and_by_its_head() {
    let top = rank(Criticality::CriticalPlus, 1);
    for (head, accepted) in [(Outcome::Success, 1.0), (Outcome::Overload, 0.0), (Outcome::Ignored, 0.0)] {
        for end in [Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned] {
            let throttle = throttle();
            call(&throttle, top, Outcome::Overload, 5_000);
            let mut token = throttle.admit(&top, at(5_000)).unwrap();
            throttle.lasts(&mut token, &Ended::new(head, at(5_000), at(5_000)));
            let load = throttle.load_at(at(5_000));
            assert_eq!(load.accepted, accepted, "{head:?}");
            settle(&throttle, token, end, 5_000);
            assert_eq!(throttle.load_at(at(5_000)), load, "{head:?}, then {end:?}");
        }
    }
    // Nor does the end of one that began while all was calm begin a time of pressure.
    let throttle = throttle();
    let mut token = throttle.admit(&top, at(5_000)).unwrap();
    throttle.lasts(&mut token, &Ended::new(Outcome::Success, at(5_000), at(5_000)));
    settle(&throttle, token, Outcome::Overload, 5_000);
    assert_eq!(throttle.state(), ThrottleState::Calm);
}
