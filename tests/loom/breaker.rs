//! A breaker: its phases, its probes and its windows.

use std::time::Duration;

use cofferdam::{Admit, BreakerState, CircuitBreaker, Ended, Outcome, Policy, breaker::Builder};

use super::{at, beside, explore};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

type Token = <CircuitBreaker as Policy>::Token;

fn admit(breaker: &CircuitBreaker, millis: u64) -> Option<Token> {
    breaker.admit(&(), at(millis)).ok()
}

fn settle(breaker: &CircuitBreaker, token: Token, outcome: Outcome, millis: u64) {
    breaker.settle(token, &Ended::new(outcome, at(millis), at(millis)));
}

/// So many calls that have begun.
fn begun<const CALLS: usize>(breaker: &CircuitBreaker) -> [Token; CALLS] {
    std::array::from_fn(|_| admit(breaker, 0).expect("it is closed"))
}

/// Admitted and ended in the same moment.
fn call(breaker: &CircuitBreaker, outcome: Outcome, millis: u64) {
    if let Some(token) = admit(breaker, millis) {
        settle(breaker, token, outcome, millis);
    }
}

/// Opens for 100 ms at the first failure, and closes with the first success after that, at once.
fn touchy() -> Builder {
    CircuitBreaker::builder("loom")
        .failure_ratio(None)
        .no_slow_calls()
        .consecutive_failures(1)
        .open_time(ms(100))
        .open_time_jitter(0.0)
        .probes(1)
        .ramp(None)
}

/// The open time is over and two callers come: one is the probe, the other is turned away.
#[test]
fn one_probe_is_one_probe() {
    explore(3, || {
        let breaker = touchy().build().unwrap();
        call(&breaker, Outcome::Failure, 0);
        let other = beside(&breaker, move |breaker| admit(breaker, 100));
        let mine = admit(&breaker, 100);
        let admitted = [mine, other.join().unwrap()];
        assert_eq!(admitted.iter().flatten().count(), 1);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);

        // Its success closes the breaker, and nobody else's did.
        for token in admitted.into_iter().flatten() {
            settle(&breaker, token, Outcome::Success, 101);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    });
}

/// One call trips the breaker while another one ends well and a third one comes: in no order is it found closed after
/// that, and in no order does it stay open for good.
#[test]
fn whoever_comes_first_the_failure_opens_and_the_probe_closes() {
    explore(2, || {
        let breaker = touchy().build().unwrap();
        let (fails, succeeds) = (admit(&breaker, 0).unwrap(), admit(&breaker, 0).unwrap());
        let threads = [
            beside(&breaker, move |breaker| settle(breaker, fails, Outcome::Failure, 1)),
            beside(&breaker, move |breaker| settle(breaker, succeeds, Outcome::Success, 1)),
        ];
        // Comes in the middle of it, with a time before or after the end of the open time.
        let early = admit(&breaker, 1);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(breaker.state(), BreakerState::Open);
        if let Some(early) = early {
            settle(&breaker, early, Outcome::Success, 2);
        }
        assert_eq!(breaker.state(), BreakerState::Open, "it was admitted before, and closes nothing");
        assert!(admit(&breaker, 100).is_none(), "the open time counts from the failure, at 1");
        let probe = admit(&breaker, 101).expect("a probe after the open time");
        settle(&breaker, probe, Outcome::Success, 101);
        assert_eq!(breaker.state(), BreakerState::Closed);
    });
}

/// A failure from before the opening ends while the probe ends well, on another thread: the probe alone decides, and the
/// new window knows nothing of the old failure.
#[test]
fn a_stale_end_decides_nothing() {
    explore(2, || {
        let breaker = touchy().build().unwrap();
        let (stale, fails) = (admit(&breaker, 0).unwrap(), admit(&breaker, 0).unwrap());
        settle(&breaker, fails, Outcome::Failure, 0);
        let probe = admit(&breaker, 100).unwrap();
        let other = beside(&breaker, move |breaker| settle(breaker, stale, Outcome::Failure, 100));
        settle(&breaker, probe, Outcome::Success, 100);
        other.join().unwrap();
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(breaker.counts_at(at(100)).calls, 0);
    });
}

/// A failure ends while another one opens the breaker and a probe closes it again: however slowly it gets there, the
/// breaker that has closed in the meantime is not the one that it was admitted by.
#[test]
fn a_slow_end_does_not_open_the_next_generation() {
    explore(2, || {
        let breaker = touchy().build().unwrap();
        let (slow, fails) = (admit(&breaker, 0).unwrap(), admit(&breaker, 0).unwrap());
        let other = beside(&breaker, move |breaker| settle(breaker, slow, Outcome::Failure, 0));
        settle(&breaker, fails, Outcome::Failure, 0);
        let probe = admit(&breaker, 100).expect("open since 0, whoever opened it");
        settle(&breaker, probe, Outcome::Success, 100);
        other.join().unwrap();
        assert_eq!(breaker.state(), BreakerState::Closed);
    });
}

/// A probe is given up by its caller while another caller comes: no place is lost, none is made up.
#[test]
fn a_probe_that_is_taken_back_leaves_its_place() {
    explore(2, || {
        let breaker = touchy().build().unwrap();
        call(&breaker, Outcome::Failure, 0);
        let probe = admit(&breaker, 100).unwrap();
        let other = beside(&breaker, move |breaker| breaker.undo(probe, at(101)));
        let mine = admit(&breaker, 101);
        other.join().unwrap();
        let next = admit(&breaker, 102);
        assert_eq!([mine, next].iter().flatten().count(), 1);
    });
}

/// An operator forces it open while a probe closes it: forced it stays.
#[test]
fn forced_open_it_stays_open() {
    explore(2, || {
        let breaker = touchy().build().unwrap();
        call(&breaker, Outcome::Failure, 0);
        let probe = admit(&breaker, 100).unwrap();
        let other = beside(&breaker, move |breaker| breaker.force_open());
        settle(&breaker, probe, Outcome::Success, 100);
        other.join().unwrap();
        assert_eq!(breaker.state(), BreakerState::ForcedOpen);
        assert!(admit(&breaker, u64::from(u32::MAX)).is_none());
    });
}

/// Six calls wait for an answer, and one that comes meets a seventh that would find a stall: whichever was first, the breaker goes
/// on from there, and a success closes it.
#[test]
fn an_answer_meets_whoever_finds_a_stall() {
    explore(2, || {
        let breaker = touchy().stall((ms(250), 8.0)).build().unwrap();
        (1..=20).for_each(|millis| call(&breaker, Outcome::Success, millis));
        let mut waiting: Vec<Token> = (0..6).filter_map(|_| admit(&breaker, 1_000)).collect();
        assert_eq!(waiting.len(), 6);
        let answered = waiting.pop().unwrap();
        let other = beside(&breaker, move |breaker| settle(breaker, answered, Outcome::Success, 1_300));
        let seventh = admit(&breaker, 1_300);
        other.join().unwrap();
        assert_eq!(breaker.state(), if seventh.is_some() { BreakerState::Closed } else { BreakerState::Open });
        call(&breaker, Outcome::Success, 1_500);
        assert_eq!(breaker.state(), BreakerState::Closed);
        // No suspicion is left of what was before.
        assert!((0..5).all(|_| admit(&breaker, 1_800).is_some()));
    });
}

/// Two threads count across the edge of a bucket: nothing is lost and nothing is counted twice.
///
/// It is for a call that has read the old bucket while another one turns to the next, and for two that would both turn to it: one
/// of each is enough, as who comes later finds it turned. Calls have begun before, as nothing of that is in how they begin.
#[test]
fn a_time_window_loses_nothing_at_the_edge_of_a_bucket() {
    for millis in [0, 1] {
        explore(2, move || {
            let breaker = touchy().consecutive_failures(None).stall(None).window(ms(10)).build().unwrap();
            call(&breaker, Outcome::Success, 0);
            let [first, second] = begun(&breaker);
            let other = beside(&breaker, move |breaker| settle(breaker, first, Outcome::Failure, millis));
            settle(&breaker, second, Outcome::Failure, 1);
            other.join().unwrap();
            let counts = breaker.counts_at(at(1));
            assert_eq!((counts.calls, counts.failures, counts.slow), (3, 2, 0));
            // And nothing is left of it when the window is over.
            assert_eq!(breaker.counts_at(at(11)).calls, 0);
        });
    }
}

/// A bucket with one failure in four calls leaves the window while another thread adds it up: it is seen as a whole or
/// not at all, so no share comes out that never was.
#[test]
fn a_time_window_is_never_seen_half_emptied() {
    explore(2, || {
        let breaker = touchy().consecutive_failures(None).stall(None).window(ms(10)).build().unwrap();
        for outcome in [Outcome::Success, Outcome::Success, Outcome::Success, Outcome::Failure] {
            call(&breaker, outcome, 0);
        }
        assert_eq!(breaker.counts_at(at(9)).calls, 4);
        let other = beside(&breaker, move |breaker| breaker.counts_at(at(10)).calls);
        let counts = breaker.counts_at(at(9));
        assert!(matches!((counts.calls, counts.failures), (4, 1) | (0, 0)), "{counts:?}");
        assert_eq!(other.join().unwrap(), 0);
    });
}

/// A window of two calls, with one failure that is overwritten at once: the totals never go below nothing.
#[test]
fn a_count_window_never_counts_below_nothing() {
    explore(2, || {
        let breaker = touchy()
            .consecutive_failures(None)
            .stall(None)
            .failure_ratio(1.0)
            .minimum_calls(2)
            .window_calls(2)
            .build()
            .unwrap();
        call(&breaker, Outcome::Success, 0);
        call(&breaker, Outcome::Success, 0);
        let other = beside(&breaker, move |breaker| call(breaker, Outcome::Failure, 0));
        call(&breaker, Outcome::Success, 0);
        call(&breaker, Outcome::Success, 0);
        other.join().unwrap();
        assert_eq!(breaker.state(), BreakerState::Closed, "never did both calls fail");
        call(&breaker, Outcome::Success, 0);
        call(&breaker, Outcome::Success, 0);
        let counts = breaker.counts_at(at(0));
        assert_eq!((counts.calls, counts.failures), (2, 0));
    });
}

/// A window of calls shrinks while calls are counted: its totals are those of what it holds, so they are gone when that
/// was overwritten.
///
/// It is for a call that has read the old size and goes to the place beyond the new end: whether it gets there before that place
/// is swept, meanwhile, or after. For that two places are enough, if it is the second one's turn.
#[test]
fn a_count_window_keeps_its_totals_while_it_shrinks() {
    explore(2, || {
        let breaker = touchy().consecutive_failures(None).stall(None).minimum_calls(1).window_calls(2).build().unwrap();
        for _ in 0..3 {
            call(&breaker, Outcome::Failure, 0);
        }
        let [fourth] = begun(&breaker);
        let other = beside(&breaker, move |breaker| settle(breaker, fourth, Outcome::Failure, 0));
        breaker.configure(|settings| settings.window_calls(1)).unwrap();
        other.join().unwrap();
        call(&breaker, Outcome::Success, 0);
        let counts = breaker.counts_at(at(0));
        assert_eq!((counts.calls, counts.failures, counts.slow), (1, 0, 0));
    });
}
