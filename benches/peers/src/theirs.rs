//! The peers, with their defaults.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use cofferdam::Rejected;
use failsafe::futures::CircuitBreaker as _;
use little_loadshedder::LoadShedLayer;
use recloser::{AsyncRecloser, Recloser};
use tower::{Layer, Service, service_fn};
use tower_acc::{ConcurrencyLimitLayer, Vegas};
use tower_resilience::{bulkhead::BulkheadLayer, circuitbreaker::CircuitBreakerLayer};

use crate::{
    SLOTS,
    support::{
        drive::{Work, call_once, poll_once},
        pair::Pair,
        subject::Subject,
    },
};

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn admitted() -> Vec<Subject> {
    let mut subjects = layers();
    subjects.extend(wrappers(false));
    subjects
}

pub(crate) fn rejected() -> Vec<Subject> {
    let mut subjects = vec![Subject::service("tower-resilience breaker", open_breaker())];
    subjects.extend(wrappers(true));
    subjects
}

/// Without those whose second caller waits for the first, which takes a runtime.
pub(crate) fn pairs() -> Vec<Pair> {
    let (recloser, failsafe) = (AsyncRecloser::from(recloser(false)), failsafe(false));
    vec![
        Pair::new("tower-resilience bulkhead", bulkhead_layer(SLOTS).layer(Work)),
        Pair::new("tower-acc", ConcurrencyLimitLayer::new(Vegas::default()).layer(Work)),
        Pair::new("recloser, future", service_fn(move |n| recloser.call(answer(n)))),
        Pair::new("failsafe, future", service_fn(move |n| failsafe.call(answer(n)))),
    ]
}

fn layers() -> Vec<Subject> {
    vec![
        Subject::service("tower-resilience breaker", breaker_layer().layer(Work)),
        Subject::service("tower-resilience bulkhead", BulkheadLayer::builder().build().expect("valid").layer(Work)),
        Subject::service("tower-resilience bulkhead, at once", bulkhead_layer(SLOTS).layer(Work)),
        Subject::service("tower-acc", ConcurrencyLimitLayer::new(Vegas::default()).layer(Work)),
        Subject::service("little-loadshedder", shedder().layer(Work)),
    ]
}

/// Around the same work, as a closure and as a future; closed, or opened by failures.
fn wrappers(open: bool) -> Vec<Subject> {
    let (sync, future) = (recloser(open), AsyncRecloser::from(recloser(open)));
    let (closure, wrapped) = (failsafe(open), failsafe(open));
    vec![
        Subject::calls("recloser, closure", move |n| sync.call(|| done(n))),
        Subject::calls("recloser, future", move |n| poll_once(future.call(answer(n)))),
        Subject::calls("failsafe, closure", move |n| failsafe::CircuitBreaker::call(&closure, || done(n))),
        Subject::calls("failsafe, future", move |n| poll_once(wrapped.call(answer(n)))),
    ]
}

fn done(n: u64) -> Result<u64, Rejected> {
    Ok(n)
}

fn answer(n: u64) -> Ready<Result<u64, Rejected>> {
    ready(Ok(n))
}

fn recloser(open: bool) -> Recloser {
    let recloser = Recloser::custom().open_wait(HOUR).build();
    // It judges from the call after the one that fills its window.
    for _ in 0..if open { 101 } else { 0 } {
        let _ = recloser.call(|| Err::<(), ()>(()));
    }
    assert_eq!(open, recloser.call(|| Ok::<(), ()>(())).is_err());
    recloser
}

type Failsafe = failsafe::StateMachine<
    failsafe::failure_policy::OrElse<
        failsafe::failure_policy::SuccessRateOverTimeWindow<failsafe::backoff::Constant>,
        failsafe::failure_policy::ConsecutiveFailures<failsafe::backoff::Constant>,
    >,
    (),
>;

/// Its two default policies, which open for an hour.
fn failsafe(open: bool) -> Failsafe {
    use failsafe::{FailurePolicy as _, backoff, failure_policy};
    let pause = backoff::constant(HOUR);
    let rate = failure_policy::success_rate_over_time_window(0.8, 5, Duration::from_secs(30), pause.clone());
    let policy = rate.or_else(failure_policy::consecutive_failures(5, pause));
    let breaker = failsafe::Config::new().failure_policy(policy).build();
    for _ in 0..if open { 5 } else { 0 } {
        breaker.on_error();
    }
    assert_eq!(open, !breaker.is_call_permitted());
    breaker
}

fn breaker_layer() -> CircuitBreakerLayer {
    CircuitBreakerLayer::builder().wait_duration_in_open(HOUR).build().expect("the settings are valid")
}

fn open_breaker() -> impl Service<u64, Response = u64> + 'static {
    let mut service = breaker_layer().layer(Work);
    poll_once(service.force_open());
    assert!(call_once(&mut service, 0).is_err());
    service
}

/// Its own example's average, and a target that is never reached.
fn shedder() -> LoadShedLayer {
    LoadShedLayer::new(0.25, Duration::from_secs(1))
}

/// One that rejects when it is full, rather than wait.
fn bulkhead_layer(slots: usize) -> BulkheadLayer {
    let builder = BulkheadLayer::builder().max_concurrent_calls(slots).reject_when_full();
    builder.build().expect("the settings are valid")
}
