//! cofferdam, with its defaults.

use std::{
    future::{pending, ready},
    mem,
    time::Duration,
};

use cofferdam::{Bulkhead, CircuitBreaker, Policy, Rejected, guard};
use tower::Layer;

use crate::{
    SLOTS,
    support::{
        drive::{Work, poll_once},
        pair::Pair,
        subject::Subject,
    },
};

pub(crate) fn admitted() -> Vec<Subject> {
    let called = guard(breaker());
    vec![
        Subject::service("cofferdam breaker", guard(breaker()).layer(Work)),
        Subject::service("cofferdam breaker, 100 calls", guard(counting()).layer(Work)),
        Subject::calls("cofferdam breaker, by guard.call", move |n| {
            poll_once(called.call(&n, || ready(Ok::<_, Rejected>(n))))
        }),
        Subject::service("cofferdam bulkhead", guard(bulkhead(SLOTS)).layer(Work)),
        Subject::service("cofferdam breaker + bulkhead", guard((breaker(), bulkhead(SLOTS))).layer(Work)),
    ]
}

pub(crate) fn rejected() -> Vec<Subject> {
    let (open, called) = (guard(open()), guard(open()));
    let refused = move |n| poll_once(called.call(&n, || ready(Ok::<_, Rejected>(n))));
    vec![
        Subject::service("cofferdam breaker", open.layer(Work)),
        Subject::calls("cofferdam breaker, by guard.call", refused),
        Subject::service("cofferdam bulkhead", guard(full()).layer(Work)),
    ]
}

pub(crate) fn pairs() -> Vec<Pair> {
    vec![
        Pair::new("cofferdam breaker", guard(breaker()).layer(Work)),
        Pair::new("cofferdam bulkhead", guard(bulkhead(SLOTS)).layer(Work)),
    ]
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("peers").build().expect("the defaults are valid")
}

/// Over a window of as many calls as the peers'.
fn counting() -> CircuitBreaker {
    CircuitBreaker::builder("peers").window_calls(100).build().expect("the settings are valid")
}

fn open() -> CircuitBreaker {
    let hour = Duration::from_secs(3600);
    let builder = CircuitBreaker::builder("peers").consecutive_failures(1).open_time(hour).open_time_max(hour);
    let breaker = builder.build().expect("the settings are valid");
    let _ = poll_once(breaker.clone().layer().call(&(), || ready(Err::<(), ()>(()))));
    assert_eq!(breaker.state(), cofferdam::BreakerState::Open);
    breaker
}

fn bulkhead(slots: usize) -> Bulkhead {
    Bulkhead::builder("peers").limit(slots).build().expect("the limit is valid")
}

fn full() -> Bulkhead {
    let bulkhead = bulkhead(1);
    // Its slot is never given back.
    mem::forget(bulkhead.clone().layer().call(&(), pending::<Result<(), ()>>));
    bulkhead
}
