//! Admitting, rejecting and settling.

use std::num::NonZeroU32;

use super::*;

fn weight_of(weight: &u32) -> NonZeroU32 {
    NonZeroU32::new(*weight).expect("something")
}

fn open() -> CircuitBreaker {
    let breaker = patient();
    breaker.force_open();
    breaker
}

/// Opened by failures, for longer than any test lasts.
fn tripped() -> CircuitBreaker {
    let hour = Duration::from_secs(3600);
    let breaker = CircuitBreaker::builder("payments")
        .consecutive_failures(1)
        .open_time(hour)
        .open_time_max(hour)
        .build()
        .unwrap();
    let now = Instant::now();
    let token = breaker.admit(&(), now).unwrap();
    breaker.settle(token, &Ended::new(Outcome::Failure, now, now));
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

/// Half-open, with its probe on its way.
fn probing() -> CircuitBreaker {
    let breaker = CircuitBreaker::builder("payments")
        .consecutive_failures(1)
        .open_time(Duration::from_nanos(1))
        .probes(1)
        .build()
        .unwrap();
    let now = Instant::now();
    let token = breaker.admit(&(), now).unwrap();
    breaker.settle(token, &Ended::new(Outcome::Failure, now, now));
    breaker.admit(&(), now.after(Duration::from_nanos(1))).unwrap();
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    breaker
}

fn drained() -> Drain<Nobody> {
    let drain = drain();
    drop(drain.begin());
    drain
}

/// A share that holds one slot of two, the other of which is somebody else's, and owes an answer for long.
fn contained() -> cofferdam::PoolShare {
    let pool = cofferdam::Pool::builder("front").slots(2).build().unwrap();
    std::mem::forget(pool.share("search").unwrap());
    let share = pool.share("payments").unwrap();
    for _ in 0..20 {
        let token = share.admit(&(), Instant::ORIGIN).unwrap();
        share.settle(token, &Ended::new(Outcome::Success, Instant::ORIGIN, Instant::ORIGIN));
    }
    share.admit(&(), Instant::ORIGIN).unwrap();
    share
}

#[test]
fn a_share_of_a_pool_allocates_nothing() {
    let pool = cofferdam::Pool::builder("front").build().unwrap();
    let share = || pool.share("payments").unwrap();
    succeeds_for_nothing("share of a pool", share());
    succeeds_for_nothing("share of a pool and breaker", share().and(patient()));
    rejects_for_nothing("share of a pool", Why::Reserved, contained());
    rejects_for_nothing("share of a pool and full bulkhead", Why::Full, share().and(full()));
    assert_eq!(pool.in_use(), 0);
}

/// Per second, with a burst of that many.
#[cfg(feature = "rate-limit")]
fn rate(burst: u32) -> cofferdam::RateLimit {
    cofferdam::RateLimit::builder("payments", cofferdam::Rate::per_second(1).unwrap()).burst(burst).build().unwrap()
}

#[cfg(feature = "rate-limit")]
#[test]
fn a_rate_limit_allocates_nothing() {
    const MANY: u32 = 1_000_000;
    succeeds_for_nothing("rate limit", rate(MANY));
    succeeds_for_nothing("rate limit with weights", rate(MANY).weighted(weight_of));
    succeeds_for_nothing("rate limit that warms up", {
        let limit = rate(MANY);
        limit.configure(|settings| settings.warm_up(Duration::from_secs(3600))).unwrap();
        limit
    });
    succeeds_for_nothing("rate limit of a key", Keyed::builder(rate(MANY)).by(|n: &u32| n / 8).build().unwrap());
    let used = || {
        let limit = rate(1);
        Admit::admit(&limit, &(), Instant::now()).unwrap();
        limit
    };
    rejects_for_nothing("rate limit", Why::RateLimited, used());
    rejects_for_nothing("rate limit with weights", Why::TooMuch, used().weighted(weight_of));
    rejects_for_nothing("breaker and rate limit", Why::RateLimited, patient().and(used()));
    // A call that a later policy rejects takes its permits back.
    let limit = rate(MANY);
    rejects_for_nothing("rate limit and bulkhead", Why::Full, limit.clone().and(full()));
    assert_eq!(limit.free(), MANY);

    let queued = cofferdam::RateLimit::builder("payments", cofferdam::Rate::per_second(1).unwrap());
    let mut service = guard(queued.burst(MANY).queue(16).build().unwrap()).layer(echo());
    allocates_nothing("rate limit with a queue, success", || assert_eq!(call(&mut service, 2), Ok(2)));
}

/// Successes and failures under a policy, as a service and as a plain call.
fn succeeds_for_nothing<E: Ends, P: Policy<Kind = Immediate<E>> + Admit<u32>>(what: &str, policy: P) {
    let guard = guard(policy);
    let mut service = guard.layer(echo());
    allocates_nothing(&format!("{what}, success"), || assert_eq!(call(&mut service, 2), Ok(2)));
    allocates_nothing(&format!("{what}, failure and success"), || {
        assert_eq!(call(&mut service, 1), Err(Error::Odd));
        assert_eq!(call(&mut service, 2), Ok(2));
    });
    allocates_nothing(&format!("{what}, clone and call"), || assert_eq!(call(&mut service.clone(), 2), Ok(2)));
    allocates_nothing(&format!("{what}, cancelled"), || drop(service.call(2)));
    allocates_nothing(&format!("{what}, guard.call"), || {
        assert_eq!(now_or_never(guard.call(&2, || answer(2))), Ok(2));
    });
}

/// Rejections by a policy, as a service and as a plain call.
fn rejects_for_nothing<E: Ends, P: Policy<Kind = Immediate<E>> + Admit<u32>>(what: &str, why: Why, policy: P) {
    let guard = guard(policy);
    let mut service = guard.layer(echo());
    allocates_nothing(&format!("{what}, rejection"), || match call(&mut service, 2) {
        Err(Error::Rejected(rejected)) => assert_eq!(rejected.why(), why),
        other => panic!("{other:?}"),
    });
    allocates_nothing(&format!("{what}, rejection by guard.call"), || {
        match now_or_never(guard.call(&2, || answer(2))) {
            Err(Refused::Rejected(rejected)) => assert_eq!(rejected.why(), why),
            other => panic!("{other:?}"),
        }
    });
}

/// A line costs nothing while nobody stands in it.
#[test]
fn a_success_under_a_queue_allocates_nothing() {
    let slots = Bulkhead::builder("payments").limit(16).queue(16).build().unwrap();
    let guard = guard((patient(), slots));
    let mut service = guard.layer(echo());
    allocates_nothing("queue, success", || assert_eq!(call(&mut service, 2), Ok(2)));
    allocates_nothing("queue, clone and call", || assert_eq!(call(&mut service.clone(), 2), Ok(2)));
    allocates_nothing("queue, cancelled", || drop(service.call(2)));
    allocates_nothing("queue, guard.call", || assert_eq!(now_or_never(guard.call(&2, || answer(2))), Ok(2)));
}

#[test]
fn a_success_allocates_nothing() {
    succeeds_for_nothing("nothing", ());
    succeeds_for_nothing("breaker", patient());
    succeeds_for_nothing("keyed breaker", Keyed::builder(patient()).by(|n: &u32| n / 8).build().unwrap());
    succeeds_for_nothing("keyed slots", Keyed::builder(slots()).by_text(|_: &u32| "acme").build().unwrap());
    succeeds_for_nothing("breaker over the last calls", {
        let builder = CircuitBreaker::builder("payments").failure_ratio(1.0).consecutive_failures(None);
        builder.window_calls(50).build().unwrap()
    });
    succeeds_for_nothing("breaker that is disabled", {
        let breaker = patient();
        breaker.disable();
        breaker
    });
    succeeds_for_nothing("breaker that is forced closed", {
        let breaker = patient();
        breaker.force_closed();
        breaker
    });
    succeeds_for_nothing("bulkhead", slots());
    succeeds_for_nothing("bulkhead with weights", slots().weighted(weight_of));
    succeeds_for_nothing("drain", drain());
    succeeds_for_nothing("some", Some(slots()));
    succeeds_for_nothing("none", None::<Bulkhead>);
    succeeds_for_nothing("dry run", Shadow::new(patient()));
    succeeds_for_nothing("dry run that would reject", Shadow::new(full()));
    succeeds_for_nothing("two", patient().and(slots()));
    succeeds_for_nothing(
        "four",
        (patient(), slots(), Shadow::new(open()), Some(slots().weighted(|_: &u32| NonZeroU32::MIN.saturating_add(2)))),
    );
}

#[test]
fn a_rejection_allocates_nothing() {
    rejects_for_nothing("breaker that is forced open", Why::Open, open());
    rejects_for_nothing("breaker that has opened", Why::Open, tripped());
    rejects_for_nothing("breaker that probes", Why::Probing, probing());
    rejects_for_nothing("bulkhead", Why::Full, full());
    rejects_for_nothing("bulkhead with weights", Why::Full, full().weighted(weight_of));
    rejects_for_nothing("drain", Why::Draining, drained());
    rejects_for_nothing("some", Why::Full, Some(full()));
    rejects_for_nothing("two, by the first", Why::Open, open().and(slots()));
    rejects_for_nothing("two, by the second", Why::Full, patient().and(full()));
    rejects_for_nothing("four, by the last", Why::Full, (patient(), slots(), Some(slots()), full()));
}

/// The state changes with every turn, and with it the memory of probes: that may allocate, calls may not.
#[test]
fn late_ends_allocate_nothing() {
    let breaker = tripped();
    let (stale, now) = (patient().admit(&(), Instant::now()).unwrap(), Instant::now());
    allocates_nothing("an end from another generation", || {
        breaker.settle(stale, &Ended::new(Outcome::Failure, now, now))
    });
}

/// A word more in each of these is a word more in every task of a server.
#[test]
fn what_is_carried_along_is_small() {
    assert_eq!(size_of::<Name>(), 4);
    assert_eq!(size_of::<Option<cofferdam::Criticality>>(), 1);
    assert_eq!(size_of::<Option<cofferdam::Attempt>>(), 4);
    assert_eq!(size_of::<(cofferdam::Deadline, cofferdam::TaskKey)>(), 16);
    assert_eq!(size_of::<Instant>(), 8);
    assert_eq!(size_of::<Ratio>(), 8);
    assert_eq!(size_of::<Rejected>(), 8);
    assert_eq!(size_of::<Option<Rejected>>(), 8);

    /// What a guard adds to the future of the service.
    fn added<E: Ends, P: Policy<Kind = Immediate<E>> + Admit<u32>>(_: &P) -> usize {
        size_of::<<Guarded<Echo, P, cofferdam::Plain> as Service<u32>>::Future>() - size_of::<Answer>()
    }
    let (breaker, slots) = (patient(), slots());
    assert!(added(&slots) <= 48, "bulkhead: {}", added(&slots));
    assert!(added(&breaker) <= 64, "breaker: {}", added(&breaker));
    let two = breaker.and(slots);
    assert!(added(&two) <= 80, "both: {}", added(&two));
}

/// Whatever is asked matters the least.
fn sheddable(_: &u32) -> Rank {
    Rank::of(Criticality::Sheddable, None)
}

#[test]
fn a_limit_that_finds_itself_allocates_nothing_and_neither_does_shedding() {
    let limit = || AdaptiveLimit::builder("limit").build().unwrap();
    let mut limited = guard(limit()).layer(echo());
    allocates_nothing("a limited call", || assert_eq!(call(&mut limited, 2), Ok(2)));
    allocates_nothing("one that fails", || assert_eq!(call(&mut limited, 1), Err(Error::Odd)));
    let weigh = weight_of;
    let mut weighted = guard(limit().weighted(weigh)).layer(echo());
    allocates_nothing("a limited call with a weight", || assert_eq!(call(&mut weighted, 2), Ok(2)));

    let shed = LoadShed::builder(limit()).rank(sheddable as fn(&u32) -> Rank).build().unwrap();
    let mut shedding = guard(shed).layer(echo());
    allocates_nothing("a call that finds a slot", || assert_eq!(call(&mut shedding, 2), Ok(2)));
    let shed = LoadShed::builder(limit()).rank(sheddable as fn(&u32) -> Rank).build().unwrap();
    let mut weighted = guard(shed.weighted(weigh)).layer(echo());
    allocates_nothing("one that finds a few", || assert_eq!(call(&mut weighted, 2), Ok(2)));

    let throttle = AdaptiveThrottle::builder("throttle").rank(sheddable as fn(&u32) -> Rank).build().unwrap();
    let mut throttled = guard(throttle).layer(echo());
    allocates_nothing("a call that is sent", || assert_eq!(call(&mut throttled, 2), Ok(2)));
}
