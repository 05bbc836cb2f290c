//! What patterns around one dependency tell each other of it.
#![allow(missing_docs)]
#![cfg(feature = "test-util")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cofferdam::{
    AdaptiveLimit, AdaptiveThrottle, Admit, Backoff, BoxError, BreakerState, CircuitBreaker, Dependency, Ended, Event,
    Fresh, GivenUp, Instant, LoadShed, Outcome, Policy, Retry, What, context::Rank, dependency::Fact, guard, observe,
};
use proptest::{prelude::*, sample::select};
use tower::{Layer, ServiceExt, service_fn};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn dependency() -> Dependency {
    Dependency::builder("dependency").build().unwrap()
}

/// A call that takes that long and ends like this.
fn ends<P: Policy + Admit<()>>(policy: &P, outcome: Outcome, took: Duration) {
    let started = Instant::now();
    if let Ok(token) = policy.admit(&(), started) {
        policy.settle(token, &Ended::new(outcome, started, started.after(took)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_not_closed_is_known_to_be_open() {
    let dependency = dependency();
    let breaker = CircuitBreaker::builder("open").consecutive_failures(2).probes(1).dependency(&dependency);
    let breaker = breaker.open_time(ms(100)).open_time_jitter(0.0).build().unwrap();
    ends(&breaker, Outcome::Failure, ms(0));
    assert!(!dependency.is_open());
    ends(&breaker, Outcome::Failure, ms(0));
    assert_eq!((breaker.state(), dependency.is_open()), (BreakerState::Open, true));

    // Half-open counts as not closed.
    tokio::time::advance(ms(101)).await;
    let started = Instant::now();
    let probe = breaker.admit(&(), started).unwrap();
    assert_eq!((breaker.state(), dependency.is_open()), (BreakerState::HalfOpen, true));
    breaker.settle(probe, &Ended::new(Outcome::Success, started, started));
    assert_eq!((breaker.state(), dependency.is_open()), (BreakerState::Closed, false));

    // Load comes back by degrees for half a second.
    assert_eq!(dependency.trouble(), Some(Fact::Pressed));
    tokio::time::advance(ms(501)).await;
    assert_eq!(dependency.trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_that_nobody_calls_or_that_is_gone_leaves_nothing_open() {
    let dependency = dependency();
    let breaker = || CircuitBreaker::builder("gone").dependency(&dependency).open_time_jitter(0.0).build().unwrap();
    let idle = breaker();
    (0..10).for_each(|_| ends(&idle, Outcome::Failure, ms(0)));
    assert!(dependency.is_open());
    // The open time, and the time that a probe may take.
    tokio::time::advance(ms(1_050 + 10_000 - 1)).await;
    assert!(dependency.is_open());
    tokio::time::advance(ms(1)).await;
    assert!(!dependency.is_open());

    let (one, other) = (breaker(), breaker());
    one.force_open();
    other.force_open();
    drop(one);
    assert!(dependency.is_open());
    drop(other);
    assert!(!dependency.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_does_not_answer_is_known_to_be_stalled_until_it_does() {
    let dependency = dependency();
    let breaker = CircuitBreaker::builder("stall").dependency(&dependency).build().unwrap();
    for _ in 0..50 {
        ends(&breaker, Outcome::Success, ms(10));
        tokio::time::advance(ms(10)).await;
    }
    // One call after a while is no stall, and another one long after it is.
    tokio::time::advance(ms(300)).await;
    let hangs = breaker.admit(&(), Instant::now()).unwrap();
    assert!(!dependency.is_stalled());
    tokio::time::advance(ms(300)).await;
    let started = Instant::now();
    let answered = breaker.admit(&(), started).unwrap();
    assert!(dependency.is_stalled() && !dependency.is_open());
    breaker.settle(answered, &Ended::new(Outcome::Success, started, started.after(ms(10))));
    assert!(!dependency.is_stalled());
    breaker.undo(hangs, Instant::now());
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_reached_is_pressure_for_a_second() {
    let dependency = dependency();
    let limit = AdaptiveLimit::builder("limit").initial_limit(1).max_limit(2).dependency(&dependency).build().unwrap();
    let first = limit.admit(&(), Instant::now()).unwrap();
    let second = limit.admit(&(), Instant::now());
    assert!(!dependency.is_under_pressure() || second.is_err());
    assert!(limit.admit(&(), Instant::now()).is_err());
    assert!(dependency.is_under_pressure());
    tokio::time::advance(ms(1_001)).await;
    assert!(!dependency.is_under_pressure());
    limit.undo(first, Instant::now());

    // In front of it, those who wait say so too.
    let (shed, dependency) = (AdaptiveLimit::builder("shed").initial_limit(1).build().unwrap(), self::dependency());
    let rank = |(): &()| Rank::of(cofferdam::Criticality::Critical, None);
    let shed = LoadShed::builder(shed).rank(rank).dependency(&dependency).build().unwrap();
    let held: Vec<_> = (0..2).filter_map(|_| shed.admit(&(), Instant::now()).ok()).collect();
    let layer = guard(shed.clone());
    let waits = layer.call(&(), || async { Ok::<_, BoxError>(()) });
    assert!(tokio::time::timeout(ms(1), waits).await.is_err());
    assert!(dependency.is_under_pressure());
    held.into_iter().for_each(|token| shed.undo(token, Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn a_pressed_throttle_is_pressure_until_it_is_calm() {
    let dependency = dependency();
    let rank = |(): &()| Rank::of(cofferdam::Criticality::Critical, None);
    let throttle = AdaptiveThrottle::builder("throttle").rank(rank).dependency(&dependency).build().unwrap();
    ends(&throttle, Outcome::Success, ms(1));
    assert!(!dependency.is_under_pressure());
    ends(&throttle, Outcome::Overload, ms(1));
    assert!(dependency.is_under_pressure());
    tokio::time::advance(ms(3_900)).await;
    assert!(dependency.is_under_pressure());
    // Eight time constants, with a call or without.
    tokio::time::advance(ms(200)).await;
    assert!(!dependency.is_under_pressure());
    ends(&throttle, Outcome::Overload, ms(1));
    throttle.reset();
    assert!(!dependency.is_under_pressure());
}

/// What is wrong with one key's share says nothing of the dependency.
#[tokio::test(start_paused = true)]
async fn defect_64_a_policy_of_one_key_states_nothing_of_all() {
    let dependency = dependency();
    let breaker = CircuitBreaker::builder("keys").dependency(&dependency).build().unwrap();
    let of_one_key = breaker.fresh();
    of_one_key.force_open();
    assert!(!dependency.is_open());
    let rank = |(): &()| Rank::of(cofferdam::Criticality::Critical, None);
    let throttle = AdaptiveThrottle::builder("keys").rank(rank).dependency(&dependency).build().unwrap().fresh();
    ends(&throttle, Outcome::Overload, ms(1));
    let limit = AdaptiveLimit::builder("keys").dependency(&dependency).build().unwrap().fresh();
    let held: Vec<_> = (0..20).map(|_| limit.admit(&(), Instant::now())).collect();
    assert!(limit.admit(&(), Instant::now()).is_err() && held.iter().all(Result::is_ok));
    assert!(!dependency.is_under_pressure());
}

/// The first attempt opens the breaker: nobody waits for a second one.
#[tokio::test(start_paused = true)]
async fn a_retry_gives_up_at_once_while_the_breaker_is_not_closed() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let writes = told.clone();
    let _subscription = observe(move |event: &Event| {
        if let What::Attempt { number, next, .. } = event.what
            && event.by.as_str() == "not closed"
        {
            writes.lock().unwrap().push((number, format!("{next:?}")));
        }
        if let What::GivenUp { number, why } = event.what
            && event.by.as_str() == "not closed"
        {
            writes.lock().unwrap().push((number, why.to_string()));
        }
    });
    let (dependency, calls) = (dependency(), Arc::new(AtomicU32::new(0)));
    let counted = calls.clone();
    let service = service_fn(move |(): ()| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err::<(), BoxError>("down".into()) }
    });
    let breaker = CircuitBreaker::builder("of a retry").consecutive_failures(1).dependency(&dependency);
    let breaker = breaker.build().unwrap();
    let retry = Retry::builder("not closed").backoff(Backoff::constant(ms(50))).dependency(&dependency);
    let layer = retry.build().unwrap();
    assert_eq!(layer.budget().name(), dependency.budget().name());
    let start = Instant::now();
    let service = layer.layer(breaker.clone().layer().layer(service));
    assert!(service.clone().oneshot(()).await.is_err());
    assert_eq!((calls.load(Ordering::SeqCst), Instant::now().since(start)), (1, ms(0)));

    // It opens while somebody waits: then it is seen after the wait.
    breaker.reset();
    let opens = tokio::spawn({
        let breaker = breaker.clone();
        async move {
            tokio::time::sleep(ms(20)).await;
            breaker.force_open();
        }
    });
    breaker.configure(|settings| settings.consecutive_failures(None).minimum_calls(1_000)).unwrap();
    assert!(service.oneshot(()).await.is_err());
    opens.await.unwrap();
    assert_eq!((calls.load(Ordering::SeqCst), Instant::now().since(start)), (2, ms(50)));
    let given_up = format!("GivenUp({:?})", GivenUp::Open);
    let expected = [(1, given_up), (1, format!("After({:?})", ms(50))), (1, "the circuit is not closed".to_owned())];
    assert_eq!(*told.lock().unwrap(), expected);
    assert_eq!(dependency.budget().balance(), 3.0);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Report,
    Drop(usize),
    State(usize, Fact, u64),
    TakeBack(usize, Fact),
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let fact = || select(Fact::ALL.to_vec());
    let step = prop_oneof![
        1 => Just(Step::Report),
        1 => (0..4_usize).prop_map(Step::Drop),
        5 => (0..4_usize, fact(), 0..3_000_u64).prop_map(|(who, fact, time)| Step::State(who, fact, time)),
        2 => (0..4_usize, fact()).prop_map(|(who, fact)| Step::TakeBack(who, fact)),
    ];
    prop::collection::vec((0..1_000_u64, step), 0..100)
}

proptest! {
    /// A fact holds as long as one of those who are there says so.
    #[test]
    fn a_fact_holds_as_long_as_somebody_says_so(steps in steps()) {
        let dependency = dependency();
        let mut reports = Vec::new();
        // Of each of them, until when what holds.
        let mut model: Vec<[u64; 3]> = Vec::new();
        let mut now = 1;
        let at = |millis| Instant::ORIGIN.after(ms(millis));
        for (pause, step) in steps {
            now += pause;
            match step {
                Step::Report if reports.len() < 4 => {
                    reports.push(dependency.report());
                    model.push([0; 3]);
                }
                Step::Drop(who) if who < reports.len() => {
                    drop(reports.swap_remove(who));
                    model.swap_remove(who);
                }
                Step::State(who, fact, time) if who < reports.len() => {
                    reports[who].state(fact, at(now + time));
                    model[who][fact as usize] = now + time;
                }
                Step::TakeBack(who, fact) if who < reports.len() => {
                    reports[who].take_back(fact);
                    model[who][fact as usize] = 0;
                }
                _ => {}
            }
            let holds = |fact: Fact| model.iter().any(|until| now < until[fact as usize]);
            for fact in Fact::ALL {
                prop_assert_eq!(dependency.is_at(fact, at(now)), holds(fact));
            }
            prop_assert_eq!(dependency.trouble_at(at(now)), Fact::ALL.into_iter().find(|fact| holds(*fact)));
        }
    }
}
