//! The policies that are measured, with their defaults.

use std::{
    future::{Ready, pending, ready},
    mem,
    task::{Context, Waker},
    time::Duration,
};

use cofferdam::{
    AdaptiveLimit, AdaptiveThrottle, Admit, BreakerState, Bulkhead, CircuitBreaker, Criticality, Drain, Ended, Instant,
    LoadShed, Outcome, Policy, Pool, PoolShare,
    breaker::Builder,
    bulkhead::Queue,
    context::{NoDeadline, Rank},
    drain::Nobody,
    limit::Knee,
};

use crate::support::drive::poll_once;

/// Two breakers and two counters of slots.
pub(crate) type Four = (CircuitBreaker, Bulkhead, CircuitBreaker, Bulkhead);

/// Slots for every service that counts them.
pub(crate) const SLOTS: usize = 64;

pub(crate) fn breaker() -> CircuitBreaker {
    breaker_with(|builder| builder)
}

pub(crate) fn breaker_with(settings: impl FnOnce(Builder) -> Builder) -> CircuitBreaker {
    settings(CircuitBreaker::builder("bench")).build().expect("the settings are valid")
}

pub(crate) fn bulkhead() -> Bulkhead {
    Bulkhead::builder("bench").limit(SLOTS).build().expect("the limit is valid")
}

/// For requests of any type.
pub(crate) fn drain() -> Drain<Nobody> {
    Drain::builder("bench").grace(Duration::ZERO).exempt_nobody().build().expect("the settings are valid")
}

/// Nothing is let in any more.
pub(crate) fn drained() -> Drain<Nobody> {
    let drain = drain();
    drop(drain.begin());
    drain
}

/// With a line in which nobody stands.
pub(crate) fn queued() -> Bulkhead<Queue> {
    Bulkhead::builder("bench").limit(SLOTS).queue(SLOTS).build().expect("the settings are valid")
}

pub(crate) fn adaptive_limit() -> AdaptiveLimit {
    AdaptiveLimit::builder("bench").build().expect("the settings are valid")
}

/// What requests of the benches matter.
pub(crate) type OfNumber = fn(&u64) -> Rank;

fn rank(_: &u64) -> Rank {
    Rank::of(Criticality::Sheddable, None)
}

pub(crate) fn load_shed() -> LoadShed<Knee, NoDeadline, OfNumber> {
    LoadShed::builder(adaptive_limit()).rank(rank as OfNumber).build().expect("the settings are valid")
}

/// One whose only slot is taken, and whose line is full of what matters more.
pub(crate) fn full_load_shed() -> LoadShed<Knee, NoDeadline, OfNumber> {
    let limit = AdaptiveLimit::builder("bench").initial_limit(1).min_limit(1).max_limit(1).build();
    let shed = LoadShed::builder(limit.expect("the settings are valid"));
    let shed = shed.rank(grave_or_not as OfNumber).max_queue(1).build().expect("the settings are valid");
    for grave in [u64::MAX; 2] {
        let guard = shed.clone().layer();
        let mut call = Box::pin(guard.call(Box::leak(Box::new(grave)), pending::<Result<(), ()>>));
        let _ = call.as_mut().poll(&mut context());
        // Its slot and its place are never given back.
        mem::forget(call);
    }
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (1, 1));
    shed
}

/// One request is grave.
fn grave_or_not(request: &u64) -> Rank {
    Rank::of(if *request == u64::MAX { Criticality::CriticalPlus } else { Criticality::Sheddable }, None)
}

pub(crate) fn throttle() -> AdaptiveThrottle<OfNumber> {
    AdaptiveThrottle::builder("bench").rank(rank as OfNumber).build().expect("the settings are valid")
}

/// A throttle whose server takes nothing.
pub(crate) fn pressed_throttle() -> AdaptiveThrottle<OfNumber> {
    let hour = Duration::from_secs(3600);
    let throttle = AdaptiveThrottle::builder("bench").rank(rank as OfNumber).time_constant(hour).cap(0.999).build();
    let throttle = throttle.expect("the settings are valid");
    let guard = throttle.clone().layer().classify(|_: Result<&(), &cofferdam::Rejected>| cofferdam::Outcome::Overload);
    for _ in 0..10_000 {
        let _ = poll_once(guard.call(&0, || ready(Ok::<_, cofferdam::Rejected>(()))));
    }
    // It looks at what it has counted once in 28 seconds.
    let _ = throttle.load_at(Instant::now().after(Duration::from_secs(60)));
    throttle
}

/// A share of a pool with eight dependencies.
pub(crate) fn share() -> PoolShare {
    let pool = Pool::builder("bench").slots(SLOTS).build().expect("the settings are valid");
    for name in ["1", "2", "3", "4", "5", "6", "7"] {
        mem::forget(pool.share(name).expect("there is room"));
    }
    pool.share("bench").expect("there is room")
}

/// One that holds its own part of the pool, and owes an answer since the beginning of time.
pub(crate) fn contained_share() -> PoolShare {
    let share = share();
    for _ in 0..20 {
        let taken = share.admit(&(), Instant::ORIGIN).expect("all is well");
        share.settle(taken, &Ended::new(Outcome::Success, Instant::ORIGIN, Instant::ORIGIN));
    }
    while share.in_use() < share.pool().slots() {
        let _ = share.admit(&(), Instant::ORIGIN);
    }
    share
}

pub(crate) fn four() -> Four {
    (breaker(), bulkhead(), breaker(), bulkhead())
}

/// A breaker that failures have opened, and that stays so for longer than anybody measures.
pub(crate) fn open_breaker() -> CircuitBreaker {
    let hour = Duration::from_secs(3600);
    let breaker = breaker_with(|builder| builder.open_time(hour).open_time_max(hour));
    record(&breaker, 10, 1);
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

/// A bulkhead whose only slot is taken.
pub(crate) fn full_bulkhead() -> Bulkhead {
    let bulkhead = Bulkhead::builder("bench").limit(1).build().expect("the limit is valid");
    let held = bulkhead.clone().layer().call(&(), pending::<Result<(), ()>>);
    // Its slot is never given back.
    mem::forget(held);
    assert_eq!(bulkhead.in_flight(), 1);
    bulkhead
}

/// More permits than anybody measures.
#[cfg(feature = "rate-limit")]
pub(crate) fn rate_limit() -> cofferdam::RateLimit {
    let rate = cofferdam::Rate::per_second(1_000_000).expect("the rate is valid");
    cofferdam::RateLimit::builder("bench", rate).burst(u32::MAX).build().expect("the settings are valid")
}

/// A rate limit whose only permit of the day is taken.
#[cfg(feature = "rate-limit")]
pub(crate) fn used_rate_limit() -> cofferdam::RateLimit {
    let rate = cofferdam::Rate::per(1, Duration::from_secs(24 * 60 * 60)).expect("the rate is valid");
    let limit = cofferdam::RateLimit::builder("bench", rate).build().expect("the settings are valid");
    assert!(poll_once(limit.clone().layer().call(&(), || ready(Ok::<_, ()>(())))).is_ok());
    limit
}

/// Lets the breaker see that many calls, one in `failing` of which fails.
pub(crate) fn record(breaker: &CircuitBreaker, calls: u64, failing: u64) {
    let guard = breaker.clone().layer();
    for call in 1..=calls {
        let answer =
            |()| -> Ready<Result<(), ()>> { ready(if call.is_multiple_of(failing) { Err(()) } else { Ok(()) }) };
        let _ = poll_once(guard.call(&(), || answer(())));
    }
}

/// A waker that does nothing, in the form that services ask for.
pub(crate) fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
