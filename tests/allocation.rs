//! What a call costs in memory: nothing is allocated when it succeeds or is rejected with a typed error, and what is
//! carried along is small.
#![allow(missing_docs)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use cofferdam::{
    AdaptiveLimit, AdaptiveThrottle, Admit, BreakerState, Bulkhead, Carries, CircuitBreaker, Criticality, Drain, Ended,
    Ends, Guarded, Immediate, Instant, Keyed, LoadShed, Name, Outcome, Policy, Ratio, Refused, Rejected, Shadow,
    Timeout, Why, context::Rank, drain::Nobody, guard,
};
use tower::{Layer, Service, service_fn};

/// Counts what each thread allocates: the tests run next to each other.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Bytes that this thread has allocated and not given back, and the most there ever were.
    static HELD: Cell<(i64, i64)> = const { Cell::new((0, 0)) };
}

fn hold(bytes: i64) {
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        held.set((now + bytes, most.max(now + bytes)));
    });
}

fn count() {
    // A thread that is on its way out has no counter any more, and nobody who asks.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: everything is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size() as i64);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size() as i64);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        hold(size as i64 - layout.size() as i64);
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        hold(-(layout.size() as i64));
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CALLS: usize = 1_000;

/// Runs it a few times to warm up, and then a thousand times in which nothing may be allocated.
fn allocates_nothing(what: &str, mut run: impl FnMut()) {
    (0..64).for_each(|_| run());
    let before = ALLOCATIONS.get();
    (0..CALLS).for_each(|_| run());
    let allocated = ALLOCATIONS.get() - before;
    assert_eq!(allocated, 0, "{what}: {allocated} allocations in {CALLS} calls");
}

/// The answer of a future that has it at once.
fn now_or_never<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future has no answer yet"),
    }
}

/// Ready, and called.
fn call<S: Service<u32>>(service: &mut S, request: u32) -> Result<S::Response, S::Error> {
    match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => now_or_never(service.call(request)),
        Poll::Ready(Err(error)) => Err(error),
        Poll::Pending => panic!("the service is not ready"),
    }
}

/// What a guarded service may answer: itself, a rejection, or its own failure (of odd numbers).
#[derive(Debug, PartialEq)]
enum Error {
    Rejected(Rejected),
    Odd,
}

impl Carries for Error {
    fn carry(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }

    fn carried(&self) -> Option<&Rejected> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Odd => None,
        }
    }
}

type Answer = std::future::Ready<Result<u32, Error>>;

fn answer(request: u32) -> Answer {
    std::future::ready(if request.is_multiple_of(2) { Ok(request) } else { Err(Error::Odd) })
}

type Echo = tower::util::ServiceFn<fn(u32) -> Answer>;

fn echo() -> Echo {
    service_fn(answer as fn(u32) -> Answer)
}

/// Every second call may fail.
fn patient() -> CircuitBreaker {
    CircuitBreaker::builder("payments").failure_ratio(1.0).consecutive_failures(None).build().unwrap()
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

fn slots() -> Bulkhead {
    Bulkhead::builder("payments").limit(16).build().unwrap()
}

fn drain() -> Drain<Nobody> {
    Drain::builder("payments").grace(Duration::ZERO).exempt_nobody().build().unwrap()
}

fn drained() -> Drain<Nobody> {
    let drain = drain();
    drop(drain.begin());
    drain
}

fn full() -> Bulkhead {
    let slots = Bulkhead::builder("payments").limit(1).build().unwrap();
    Admit::admit(&slots, &(), Instant::now()).unwrap();
    slots
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
    succeeds_for_nothing("rate limit with weights", rate(MANY).weighted(|weight: &u32| *weight));
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
    rejects_for_nothing("rate limit with weights", Why::TooMuch, used().weighted(|weight: &u32| *weight));
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

/// What is left of a call that waits, so that it can be cut, goes where that of an earlier one was.
#[test]
fn a_call_that_waits_under_a_drain_allocates_nothing() {
    let (drain, mut context) = (drain(), std::task::Context::from_waker(std::task::Waker::noop()));
    let guard = drain.clone().layer();
    allocates_nothing("drain, a call that waits", || {
        let mut call = std::pin::pin!(guard.call(&2, std::future::pending::<Result<u32, Error>>));
        assert!(call.as_mut().poll(&mut context).is_pending());
        assert!(call.as_mut().poll(&mut context).is_pending());
        assert_eq!(drain.in_flight(), 1);
    });
    assert_eq!(drain.in_flight(), 0);
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
    succeeds_for_nothing("bulkhead with weights", slots().weighted(|weight: &u32| *weight));
    succeeds_for_nothing("drain", drain());
    succeeds_for_nothing("some", Some(slots()));
    succeeds_for_nothing("none", None::<Bulkhead>);
    succeeds_for_nothing("dry run", Shadow::new(patient()));
    succeeds_for_nothing("dry run that would reject", Shadow::new(full()));
    succeeds_for_nothing("two", patient().and(slots()));
    succeeds_for_nothing("four", (patient(), slots(), Shadow::new(open()), Some(slots().weighted(|_: &u32| 3))));
}

#[test]
fn a_rejection_allocates_nothing() {
    rejects_for_nothing("breaker that is forced open", Why::Open, open());
    rejects_for_nothing("breaker that has opened", Why::Open, tripped());
    rejects_for_nothing("breaker that probes", Why::Probing, probing());
    rejects_for_nothing("bulkhead", Why::Full, full());
    rejects_for_nothing("bulkhead with weights", Why::Full, full().weighted(|weight: &u32| *weight));
    rejects_for_nothing("drain", Why::Draining, drained());
    rejects_for_nothing("some", Why::Full, Some(full()));
    rejects_for_nothing("two, by the first", Why::Open, open().and(slots()));
    rejects_for_nothing("two, by the second", Why::Full, patient().and(full()));
    rejects_for_nothing("four, by the last", Why::Full, (patient(), slots(), Some(slots()), full()));
}

#[test]
fn a_timeout_over_what_answers_at_once_allocates_nothing() {
    let minute = Duration::from_secs(60);
    let timeout = Timeout::builder("payments").attempt(minute).build().unwrap();
    let mut service = timeout.layer(echo());
    allocates_nothing("timeout, success", || assert_eq!(call(&mut service, 2), Ok(2)));

    // The whole stack: breaker and bulkhead as one, around a timeout.
    let mut stack = guard((patient(), slots())).layer(timeout.layer(echo()));
    allocates_nothing("stack, success", || assert_eq!(call(&mut stack, 2), Ok(2)));
    let mut stack = guard((patient(), full())).layer(timeout.layer(echo()));
    allocates_nothing("stack, rejection", || assert!(matches!(call(&mut stack, 2), Err(Error::Rejected(_)))));
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

#[cfg(feature = "http")]
#[test]
fn an_http_answer_allocates_nothing() {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::Response;
    use http_body_util::{BodyExt, Empty, Full};

    fn policies() -> (CircuitBreaker, Bulkhead) {
        (patient(), slots())
    }

    // No body: the call ends with the head.
    let empty = |_: u32| std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
    let mut service = guard(policies()).http().layer(service_fn(empty));
    allocates_nothing("http, empty body", || assert!(call(&mut service, 2).unwrap().status().is_success()));

    // A body in one piece: the call ends with the last frame.
    let body = Full::new(Bytes::from_static(b"hello"));
    let full = move |_: u32| std::future::ready(Ok::<_, Infallible>(Response::new(body.clone())));
    let policies = policies();
    let mut service = guard(policies.clone()).http().layer(service_fn(full));
    allocates_nothing("http, one frame", || {
        let mut response = call(&mut service, 2).unwrap();
        let frame = now_or_never(response.body_mut().frame()).unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap().len(), 5);
        assert_eq!(policies.1.in_flight(), 0);
    });
}

/// Text from outside is whatever somebody sends, however much of it: reading it takes no memory.
#[test]
fn reading_and_writing_a_context_allocates_nothing() {
    use cofferdam::{Deadline, context::Trust};

    let (trust, long, deadline) = (Trust::default(), "9".repeat(100_000), Deadline::after(Duration::from_secs(60)));
    for text in ["250m", "17", "CRITICAL_PLUS", "order 4711", "00000000000000ff", "ß", "", &long] {
        allocates_nothing(text.get(..20).unwrap_or(text), || {
            let deadlines = (trust.deadline(text), trust.deadline_in_millis(text));
            let attempts = (trust.attempt(text), trust.attempt_after(text));
            std::hint::black_box((deadlines, attempts, trust.criticality(text), trust.task(text)));
        });
    }
    allocates_nothing("the time that is left", || {
        std::hint::black_box(deadline.to_timeout().as_str());
    });
    #[cfg(feature = "http")]
    {
        use cofferdam::{Context as _, Criticality, TaskKey};

        let mut caller = http::Request::new(());
        caller.set_deadline(deadline);
        caller.set_criticality(Criticality::Sheddable);
        caller.set_task(TaskKey::of("order 4711"));
        allocates_nothing("what an HTTP request carries", || {
            let carried = (caller.deadline(), caller.criticality(), caller.attempt(), caller.task());
            std::hint::black_box(carried);
        });
    }
}

/// What a hop needs besides the maps: nothing to read, and to write, the text of each header whose text is not always there.
#[cfg(feature = "http")]
#[test]
fn a_hop_allocates_the_text_of_what_it_writes() {
    use cofferdam::{Context as _, ContextHeaders, Criticality, Deadline, TaskKey, context::Carried, context::Trust};
    use http::{HeaderMap, HeaderValue};

    /// Allocations of writing this over what is there.
    fn written(headers: &ContextHeaders, carried: &Carried, map: &mut HeaderMap) -> u64 {
        for name in ["x-request-criticality", "x-request-timeout-ms", "x-request-task", "x-timeout"] {
            map.insert(name, HeaderValue::from_static("unreadable"));
        }
        let before = ALLOCATIONS.get();
        headers.write(carried, map);
        ALLOCATIONS.get() - before
    }

    let (headers, mut map) = (ContextHeaders::builder().timeout("x-timeout").build().unwrap(), HeaderMap::new());
    let mut carried = Carried::default();
    carried.set_criticality(Criticality::Sheddable);
    assert_eq!(written(&headers, &carried, &mut map), 0);
    carried.set_task(TaskKey::random());
    assert_eq!(written(&headers, &carried, &mut map), 1);
    carried.set_deadline(Deadline::after(Duration::from_secs(60)));
    assert_eq!(written(&headers, &carried, &mut map), 3);

    let trust = Trust::default();
    written(&headers, &carried, &mut map);
    let before = ALLOCATIONS.get();
    assert_eq!(headers.take(&mut map, &trust).task(), carried.task());
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

#[cfg(feature = "grpc")]
#[test]
fn a_grpc_answer_allocates_nothing() {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::{HeaderMap, HeaderName, HeaderValue, Response};
    use http_body_util::{BodyExt, Empty, Full};

    // What a service makes of its own is made before: a status for each call.
    fn statuses() -> Vec<HeaderMap> {
        let status = || (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
        (0..64 + CALLS).map(|_| HeaderMap::from_iter([status()])).collect()
    }
    let policies = (patient(), slots());

    // The status in the head: the call ends with it.
    let mut heads = statuses();
    let empty = move |_: u32| {
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.headers_mut() = heads.pop().unwrap();
        std::future::ready(Ok::<_, Infallible>(response))
    };
    let mut service = guard(policies.clone()).grpc().layer(service_fn(empty));
    allocates_nothing("grpc, trailers only", || {
        let _response = call(&mut service, 2).unwrap();
        assert_eq!(policies.1.in_flight(), 0);
    });

    // A message, and the status in the trailers.
    let mut trailers = statuses();
    let message = Full::new(Bytes::from_static(b"hello"));
    let unary = move |_: u32| {
        let trailers = std::future::ready(Some(Ok::<_, Infallible>(trailers.pop().unwrap())));
        std::future::ready(Ok::<_, Infallible>(Response::new(message.clone().with_trailers(trailers))))
    };
    let mut service = guard(policies.clone()).grpc().layer(service_fn(unary));
    allocates_nothing("grpc, one message", || {
        let mut response = call(&mut service, 2).unwrap();
        assert!(now_or_never(response.body_mut().frame()).unwrap().unwrap().is_data());
        assert_eq!(policies.1.in_flight(), 1);
        assert!(now_or_never(response.body_mut().frame()).unwrap().unwrap().is_trailers());
        assert_eq!(policies.1.in_flight(), 0);
    });
    assert_eq!(policies.0.counts().failures, 0);
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
    let weigh = |weight: &u32| std::num::NonZeroU32::new(*weight).expect("something");
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

#[test]
fn a_million_rejections_leave_memory_as_it_was() {
    let limit = AdaptiveLimit::builder("limit").initial_limit(1).min_limit(1).max_limit(1).build().unwrap();
    let held = limit.admit(&(), Instant::now()).unwrap();
    let before = ALLOCATIONS.get();
    for _ in 0..1_000_000 {
        assert_eq!(limit.admit(&(), Instant::now()).unwrap_err().why(), Why::Full);
    }
    assert_eq!(ALLOCATIONS.get(), before);
    limit.undo(held, Instant::now());
    assert_eq!((limit.in_flight(), limit.limit()), (0, 1));
}

#[test]
fn a_million_calls_that_are_shed_leave_memory_as_it_was() {
    let limit = AdaptiveLimit::builder("limit").initial_limit(1).min_limit(1).max_limit(1).build().unwrap();
    let by_number =
        |request: &u32| Rank::of(if *request == 0 { Criticality::CriticalPlus } else { Criticality::Sheddable }, None);
    let shed = LoadShed::builder(limit).rank(by_number).max_queue(1).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let waits = guard(shed.clone());
    let runs = shed.admit(&0, Instant::now()).unwrap();
    let mut first = pin!(waits.call(&0, || std::future::ready(Ok::<_, ()>(()))));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());

    let before = ALLOCATIONS.get();
    for _ in 0..1_000_000 {
        assert_eq!(shed.admit(&1, Instant::now()).unwrap_err().why(), Why::Shed);
    }
    assert_eq!(ALLOCATIONS.get(), before);
    assert_eq!(shed.waiting(), 1);
    shed.undo(runs, Instant::now());
}

#[test]
fn a_call_that_a_retry_need_not_mend_allocates_nothing() {
    let layer = cofferdam::Retry::builder("payments").build().unwrap();
    let mut service = layer.layer(echo());
    allocates_nothing("retry", || assert_eq!(call(&mut service, 2), Ok(2)));
}

#[test]
fn a_call_that_is_not_hedged_allocates_nothing() {
    let layer = cofferdam::Hedge::builder("payments").build().unwrap();
    let mut service = layer.layer(echo());
    allocates_nothing("hedge, answered at once", || assert_eq!(call(&mut service, 2), Ok(2)));

    // Its timer is set, and it is answered before that fires.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let mut service = layer.layer(service_fn(|number: u32| Later { number, polled: false }));
    let mut context = Context::from_waker(Waker::noop());
    allocates_nothing("hedge, armed", || {
        assert!(Service::<u32>::poll_ready(&mut service, &mut context).is_ready());
        let mut call = pin!(service.call(2));
        assert!(call.as_mut().poll(&mut context).is_pending());
        assert_eq!(layer.in_flight(), 1);
        assert_eq!(now_or_never(call), Ok(2));
    });
    assert_eq!((layer.counts().sent, layer.in_flight()), (0, 0));
}

/// Has its answer when it is polled for the second time.
struct Later {
    number: u32,
    polled: bool,
}

impl Future for Later {
    type Output = Result<u32, Error>;

    fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::replace(&mut self.polled, true) { Poll::Ready(Ok(self.number)) } else { Poll::Pending }
    }
}

/// What a request costs that may be sent again, besides the clone of its head: the tape, if there is a body.
#[cfg(feature = "http")]
#[test]
fn a_body_costs_its_tape_and_nothing_if_it_is_sent_once() {
    use bytes::Bytes;
    use cofferdam::{http::Replayed, retry::Repeat};
    use http::Request;
    use http_body_util::{BodyExt, Full};

    // The source, its box, those who read, the two lists, and the copy of the one frame.
    for (method, text, allocated) in [("PUT", "", 0), ("POST", "hello", 0), ("PUT", "hello", 6)] {
        let replayed = Replayed::<cofferdam::http::ByMethod>::default();
        let send = || {
            let request =
                Request::builder().method(method).body(Full::new(Bytes::from_static(text.as_bytes()))).unwrap();
            let before = ALLOCATIONS.get();
            let (mut request, _kept) = replayed.keep(request);
            while now_or_never(request.body_mut().frame()).is_some() {}
            ALLOCATIONS.get() - before
        };
        send();
        assert_eq!(send(), allocated, "{method} with {text:?}");
    }
}

/// In frames of any size, with and without others who read it as well: what is held is the limit, and a little more.
#[cfg(feature = "http")]
#[test]
fn defect_103_a_gigabyte_is_uploaded_in_little_memory() {
    use std::convert::Infallible;

    use bytes::{Buf, Bytes};
    use cofferdam::Replay;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};

    const LIMIT: usize = 64 * 1024;

    // A frame of so many bytes holds on to a buffer of so many; that many come.
    for (len, buffer, frames) in [(64 * 1024, 64 * 1024, 16 * 1024), (1, 8 * 1024, 100_000), (1024, 8 * 1024, 100_000)]
    {
        for (tape_stays, others) in [(true, 0), (false, 0), (true, 1), (false, 1)] {
            let (before, _) = HELD.get();
            HELD.set((before, before));
            let mut left = frames;
            let body = StreamBody::new(stream::poll_fn(move |_| {
                left -= 1;
                let frame = || Ok::<_, Infallible>(Frame::data(Bytes::from(vec![7; buffer]).split_to(len)));
                Poll::Ready((left >= 0).then(frame))
            }));
            let (mut first, tape) = Replay::new(body, LIMIT);
            let tape = tape.unwrap();
            let stalled: Vec<_> = (0..others).map(|_| tape.again().unwrap()).collect();
            let tape = tape_stays.then_some(tape);
            let mut sent = 0;
            while let Some(frame) = now_or_never(first.frame()) {
                sent += frame.unwrap().into_data().unwrap().remaining();
            }
            assert_eq!(sent, len * frames as usize, "all of it arrives");
            let held = HELD.get().1 - before;
            // Lists that double, and the frame in hand.
            let most = (2 * LIMIT + 2 * LIMIT + 2 * buffer) as i64;
            assert!(held <= most, "{held} bytes are held of frames of {len}, tape {tape_stays}, others {others}");
            drop((tape, stalled));
        }
    }
}
