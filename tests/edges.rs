//! What somebody may do who is careless, unlucky or hostile, and what must not come of it.
#![allow(missing_docs)]
#![cfg(feature = "test-util")]

mod support;

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    AdaptiveLimit, AdaptiveThrottle, Admit, BoxError, Budget, Bulkhead, CircuitBreaker, Control, Criticality, Deadline,
    Drain, Ended, Event, Hedge, Instant, LoadShed, Outcome, Policy, Pool, Refused, Retry, Timeout, What, Why, guard,
    limit::{Algorithm, Plan, Sample},
    observe,
    presets::Config,
};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use support::{Ask, poll};
use tokio::time::{advance, sleep};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Is ready when it is told to be.
#[derive(Clone, Default)]
struct Gated(Arc<Mutex<bool>>);

impl Service<Duration> for Gated {
    type Response = ();
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if *self.0.lock().unwrap() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, takes: Duration) -> Self::Future {
        Box::pin(async move {
            sleep(takes).await;
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_that_somebody_waited_who_has_left_is_nobody_elses() {
    let gated = Gated::default();
    let layer = Timeout::builder("gated").attempt(ms(300)).build().unwrap();
    let service = Arc::new(tokio::sync::Mutex::new(layer.layer(gated.clone())));

    // Given a caller that waits for a service to become ready, and leaves
    let shared = Arc::clone(&service);
    let left = tokio::spawn(async move { shared.lock().await.ready().await.map(drop) });
    sleep(ms(10)).await;
    left.abort();
    let _ = left.await;

    // When another one comes after most of that time, and the service is ready by then
    sleep(ms(250)).await;
    *gated.0.lock().unwrap() = true;
    let shared = Arc::clone(&service);
    let next = tokio::spawn(async move { shared.lock().await.ready().await?.call(ms(200)).await });
    // Then it has all of the time
    next.await.unwrap().unwrap();

    // And so has one that comes long after somebody has left, if it has to wait as well
    *gated.0.lock().unwrap() = false;
    assert!(tokio::time::timeout(ms(10), service.lock().await.ready()).await.is_err());
    sleep(Duration::from_secs(60)).await;
    let opens = gated.clone();
    tokio::spawn(async move {
        sleep(ms(100)).await;
        *opens.0.lock().unwrap() = true;
    });
    let start = Instant::now();
    let mut service = service.lock().await;
    let ready = async {
        loop {
            if let Poll::Ready(ready) = poll(pin!(service.ready())) {
                break ready.map(drop);
            }
            sleep(ms(20)).await;
        }
    };
    ready.await.unwrap();
    assert!(Instant::now().since(start) >= ms(100), "it was not told that it had waited for a minute");
    service.call(ms(50)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn any_future_is_bounded_without_a_service() {
    let layer = Timeout::builder("query").attempt(ms(100)).build().unwrap();
    let why = |answer: Result<u32, Refused<&'static str>>| answer.unwrap_err().rejected().unwrap().why();

    assert_eq!(layer.call(&(), || async { Ok::<_, &str>(1) }).await, Ok(1));
    assert_eq!(layer.call(&(), || async { Err::<u32, _>("no table") }).await, Err(Refused::Inner("no table")));

    let start = Instant::now();
    assert_eq!(why(layer.call(&(), pending::<Result<u32, &str>>).await), Why::TimedOut);
    assert_eq!(Instant::now().since(start), ms(100));

    // The setting can be changed while it runs.
    layer.configure("attempt", "1s").unwrap();
    assert_eq!(why(layer.call(&(), pending::<Result<u32, &str>>).await), Why::TimedOut);
    assert_eq!(Instant::now().since(start), ms(1_100));

    // Of a request that carries a deadline, what is left of it holds; after it, nothing is run.
    let layer = Timeout::builder("query").deadline().build().unwrap();
    let mut request = Ask { deadline: Some(Deadline::after(ms(50))), ..Ask::default() };
    assert_eq!(why(layer.call(&request, pending::<Result<u32, &str>>).await), Why::DeadlineExceeded);
    request.deadline = Some(Deadline::after(Duration::ZERO));
    let unrun = || -> std::future::Ready<Result<u32, &'static str>> { panic!("it is not run") };
    assert_eq!(why(layer.call(&request, unrun).await), Why::Expired);

    // It is a failure of whoever is around it, and one error is made of both.
    let breaker = CircuitBreaker::builder("query").build().unwrap().layer();
    let layer = Timeout::builder("query").attempt(ms(100)).build().unwrap();
    let answer = breaker.call(&(), || layer.call(&(), pending::<Result<u32, &str>>)).await;
    assert_eq!(why(answer.map_err(Refused::flatten)), Why::TimedOut);
    assert_eq!(breaker.policy().counts().failures, 1);
    let spawned = tokio::spawn(async move { layer.call(&(), || async { Ok::<_, BoxError>(1) }).await.is_ok() });
    assert!(spawned.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_told_of_as_a_call_whose_time_is_up() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let writes = Arc::clone(&heard);
    let _subscription = observe(move |event: &Event| {
        if let (What::Rejected(rejected), "stalls") = (event.what, event.by.as_str()) {
            writes.lock().unwrap().push(rejected.why());
        }
    });
    let stalls = || {
        let first = futures_util::stream::iter([Ok::<_, BoxError>(Frame::data(Bytes::from("begun")))]);
        StreamBody::new(futures_util::StreamExt::chain(first, futures_util::stream::pending()))
    };
    let layer = Timeout::builder("stalls").http().between_frames(ms(100)).build().unwrap();
    let service =
        layer.layer(service_fn(move |_: Request<()>| async move { Ok::<_, BoxError>(Response::new(stalls())) }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(*heard.lock().unwrap(), [Why::TimedOut]);
}

#[test]
fn settings_that_bound_each_other_are_put_back_whole() {
    // Given bounds that another pair of bounds lies below, or above
    for (min, max) in [("50", "100"), ("500", "1000")] {
        let stack = cofferdam::http::server("shop").set("shedding.min_limit", "200").build().unwrap();
        stack.apply(&Config::default().set("shedding.min_limit", "200").set("shedding.max_limit", "400")).unwrap();
        let before = stack.explain().to_string();
        // When one of several changes cannot be
        let change = |first: (&str, &str), second: (&str, &str)| {
            let config = Config::default().set(first.0, first.1).set(second.0, second.1).set("shedding.max_queue", "0");
            stack.apply(&config).unwrap_err().path()
        };
        let (min, max) = (("shedding.min_limit", min), ("shedding.max_limit", max));
        let path = if min.1 == "50" { change(min, max) } else { change(max, min) };
        // Then all are as they were
        assert_eq!(path, "shedding.max_queue");
        assert_eq!(stack.explain().to_string(), before);
    }
}

/// All that can be changed in text.
fn controls() -> Vec<Box<dyn Control>> {
    let pool = Pool::builder("edges").build().unwrap();
    vec![
        Box::new(CircuitBreaker::builder("edges").build().unwrap()),
        Box::new(Bulkhead::builder("edges").build().unwrap()),
        Box::new(Bulkhead::builder("edges").queue(10).build().unwrap()),
        Box::new(AdaptiveLimit::builder("edges").build().unwrap()),
        Box::new(LoadShed::builder(AdaptiveLimit::builder("edges").build().unwrap()).build().unwrap()),
        Box::new(AdaptiveThrottle::builder("edges").build().unwrap()),
        Box::new(pool.share("edges").unwrap()),
        Box::new(pool),
        Box::new(Drain::builder("edges").build().unwrap()),
        Box::new(Budget::builder("edges").build().unwrap()),
        Box::new(Retry::builder("edges").build().unwrap()),
        Box::new(Hedge::builder("edges").build().unwrap()),
        Box::new(Timeout::builder("edges").attempt(ms(10)).build().unwrap()),
        #[cfg(feature = "rate-limit")]
        Box::new(cofferdam::RateLimit::builder("edges", cofferdam::Rate::per_second(10).unwrap()).build().unwrap()),
        #[cfg(feature = "rate-limit")]
        Box::new(
            cofferdam::RateLimit::builder("edges", cofferdam::Rate::per_second(10).unwrap()).queue(5).build().unwrap(),
        ),
    ]
}

#[test]
fn no_text_is_taken_for_a_setting_that_it_is_not() {
    const TEXTS: [&str; 40] = [
        "",
        " ",
        "0",
        "-0",
        "-1",
        "1",
        "1.5",
        "+1",
        "00",
        "0x10",
        "1_000",
        "NaN",
        "-NaN",
        "inf",
        "-inf",
        "infinity",
        "1e400",
        "1e-400",
        "1e9",
        "4294967295",
        "4294967296",
        "2147483648",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
        "0s",
        "0ns",
        "1ns",
        "584y",
        "18446744073709551615s",
        "18446744073709551615h",
        "100ms",
        "876000h",
        "none",
        "yes",
        "fifo",
        "adaptive 0s",
        "adaptive 18446744073709551615s",
        "1ns 0",
        "1ns NaN",
    ];
    for control in controls() {
        for setting in control.settings() {
            for text in TEXTS {
                let before = control.settings();
                if control.configure(setting.name, text).is_err() {
                    assert_eq!(control.settings(), before, "{}: {text:?} changed something", setting.name);
                    continue;
                }
                // What it says it is set to is what it can be set to, and is then the same.
                let after = control.settings();
                for now in after.iter().filter(|now| now.name == setting.name) {
                    assert!(!now.value.contains("NaN") && !now.value.contains("inf"), "{now}");
                    control.configure(now.name, &now.value).unwrap();
                }
                assert_eq!(control.settings(), after, "{}: {text:?}", setting.name);
                let _ = control.state();
            }
            control.configure(setting.name, &setting.value).or_else(|_| control.configure(setting.name, "none")).ok();
        }
    }
}

#[test]
fn a_pool_is_read_while_calls_hold_more_than_a_number_has_room_for() {
    let pool = Pool::builder("wide").slots(10).build().unwrap();
    let heavy = |name: &str| pool.share(name).unwrap().weighted(|weight: &u32| *weight);
    let (first, second) = (heavy("first"), heavy("second"));
    let now = Instant::now();
    let held = (first.admit(&u32::MAX, now).unwrap(), second.admit(&u32::MAX, now).unwrap());
    assert_eq!(pool.in_use(), u32::MAX);
    first.undo(held.0, now);
    second.undo(held.1, now);
    assert_eq!(pool.in_use(), 0);
}

/// Panics in its second window.
#[derive(Clone)]
struct Breaks(Arc<AtomicU32>);

impl Algorithm for Breaks {
    fn begin(&mut self, limit: u32) -> Plan {
        Plan::limit(limit).measure(1, 2).probe().look_again(ms(10), 1, Duration::MAX)
    }

    fn window(&mut self, sample: &Sample) -> Plan {
        let windows = self.0.fetch_add(1, Ordering::Relaxed);
        assert!(windows != 1, "this algorithm is wrong");
        Plan::limit(sample.limit + 1).look_again(ms(10), 1, Duration::MAX)
    }
}

#[tokio::test(start_paused = true)]
async fn an_algorithm_that_panics_harms_the_call_that_it_is_told_of_and_is_asked_again() {
    let windows = Arc::new(AtomicU32::new(0));
    let limit =
        AdaptiveLimit::builder("breaks").algorithm(Breaks(Arc::clone(&windows))).initial_limit(4).build().unwrap();
    let mut panics = 0;
    for _ in 0..100 {
        let now = Instant::now();
        let token = limit.admit(&(), now).unwrap();
        advance(ms(5)).await;
        let end = || limit.settle(token, &Ended::new(Outcome::Success, now, Instant::now()));
        panics += u32::from(catch_unwind(AssertUnwindSafe(end)).is_err());
    }
    assert_eq!(panics, 1);
    assert_eq!(limit.in_flight(), 0, "no slot is lost");
    assert!(windows.load(Ordering::Relaxed) > 10 && limit.limit() > 10, "it goes on to learn: {}", limit.limit());
}

#[tokio::test]
async fn an_error_says_by_itself_why_a_call_was_rejected() {
    let slots = Bulkhead::builder("reports").limit(1).build().unwrap();
    let service =
        ServiceBuilder::new().layer(slots.clone().layer()).service(service_fn(|()| pending::<Result<(), BoxError>>()));
    let mut first = pin!(service.clone().oneshot(()));
    assert!(poll(first.as_mut()).is_pending());
    let error = service.oneshot(()).await.unwrap_err();
    assert_eq!(error.to_string(), "the call was not answered: no slot is free");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_in_a_group_twice_ends_in_a_rejection_and_not_in_a_loop() {
    // Given a group in which a call has to have two slots of the one there is
    let slots = Bulkhead::builder("twice").limit(1).queue(4).max_wait(ms(100)).build().unwrap();
    let service = guard((slots.clone(), slots.clone())).layer(service_fn(|()| async { Ok::<_, BoxError>(()) }));
    let start = Instant::now();
    // Then it waits for as long as one may
    let error = service.clone().oneshot(()).await.unwrap_err();
    assert_eq!(error.to_string(), "the call was not answered: no slot became free in time");
    assert!((ms(100)..=ms(110)).contains(&Instant::now().since(start)), "{:?}", Instant::now().since(start));
    assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
    // And comes in if there are two
    let call = tokio::spawn(service.oneshot(()));
    sleep(ms(50)).await;
    slots.resize(2).unwrap();
    call.await.unwrap().unwrap();
    assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
}

#[test]
fn what_is_printed_of_a_handle_can_be_read() {
    let stack = cofferdam::http::server("shop").build().unwrap();
    let breaker = CircuitBreaker::builder("shop").build().unwrap();
    for text in [format!("{:?}", breaker.clone().layer()), format!("{breaker:?}"), format!("{stack:?}")] {
        assert!(text.len() < 8_000, "{} bytes: {text}", text.len());
    }
}

#[test]
fn a_service_that_was_waited_for_on_a_runtime_that_is_gone_works_on_another_one() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (gated, layer) = (Gated::default(), Timeout::builder("gated").attempt(ms(5_000)).build().unwrap());
    let mut service = layer.layer(gated.clone());
    runtime().block_on(async {
        assert!(tokio::time::timeout(ms(1), service.ready()).await.is_err());
    });
    runtime().block_on(async {
        assert!(tokio::time::timeout(ms(1), service.ready()).await.is_err());
        *gated.0.lock().unwrap() = true;
        service.ready().await.unwrap().call(ms(1)).await.unwrap();
    });
}

/// Calls that begin and end at these times, in an order that no clock keeps.
fn at_any_time<P: Admit<()>>(policy: &P) {
    let times: Vec<Instant> = (0..64).map(|bit| Instant::ORIGIN.after(Duration::from_nanos(1 << bit))).collect();
    let times: Vec<Instant> = times.into_iter().chain([Instant::ORIGIN, Instant::NEVER, Instant::now()]).collect();
    let outcomes = [Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned];
    let mut chosen = 1_usize;
    let mut choose = |from: usize| {
        chosen = chosen.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
        (chosen >> 8) % from
    };
    for _ in 0..20_000 {
        let (began, head, ended) = (times[choose(67)], times[choose(67)], times[choose(67)]);
        let _ = policy.shut(|| began);
        let Ok(token) = policy.admit(&(), began) else { continue };
        match choose(4) {
            0 => policy.undo(token, ended),
            1 => policy.settle(token, &Ended::new(outcomes[choose(5)], began, ended)),
            _ => {
                policy.head(&token, began, head);
                let mut ended = Ended::new(outcomes[choose(5)], began, ended);
                ended.head = Some(head);
                policy.settle(token, &ended);
            }
        }
    }
}

#[test]
fn no_time_that_a_policy_is_told_is_too_much_for_it() {
    at_any_time(&CircuitBreaker::builder("time").build().unwrap());
    at_any_time(&CircuitBreaker::builder("time").window(ms(1)).build().unwrap());
    let throttle =
        AdaptiveThrottle::builder("time").rank(|(): &()| cofferdam::context::Rank::of(Criticality::Critical, None));
    at_any_time(&throttle.build().unwrap());
    let limit = AdaptiveLimit::builder("time").build().unwrap();
    at_any_time(&limit);
    let pool = Pool::builder("time").build().unwrap();
    at_any_time(&pool.share("time").unwrap());
    assert_eq!((limit.in_flight(), pool.in_use()), (0, 0));
    #[cfg(feature = "rate-limit")]
    for warm_up in [None, Some(Duration::from_secs(60))] {
        let limit = cofferdam::RateLimit::builder("time", cofferdam::Rate::per_second(10).unwrap());
        let limit = warm_up.map_or_else(|| limit.clone().build(), |warm_up| limit.clone().warm_up(warm_up).build());
        at_any_time(&limit.unwrap());
    }
}

/// A client over gRPC that keeps to the time it is told, and then says that the call was cancelled: as a Tonic `Channel` does.
#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn whoever_is_first_to_see_that_time_is_up_it_is_a_deadline_exceeded() {
    use cofferdam::{Replay, context::Trust, rejection};
    use http_body_util::Empty;

    let channel = service_fn(|request: Request<Replay<Empty<Bytes>>>| async move {
        let told =
            request.headers().get("grpc-timeout").and_then(|told| Trust::default().deadline(told.to_str().unwrap()));
        sleep(told.map_or(ms(1), Deadline::remaining)).await;
        Err::<Response<Empty<Bytes>>, BoxError>("cancelled".into())
    });
    // Given a stack that tells it how much time there is
    let stack = cofferdam::grpc::client("greeter").timeout(ms(500)).build().unwrap();
    let response = stack.layer(channel).oneshot(Request::new(Empty::new())).await.unwrap();
    // Then the rejection is the answer, and not its error
    assert_eq!(response.headers()["grpc-status"], "4");
    assert_eq!(rejection(&response).map(|rejected| rejected.why()), Some(Why::TimedOut));
    assert_eq!(stack.breaker().unwrap().counts().failures, 1);

    // And an error at any other time is what it is, as it is under other protocols
    let quick = service_fn(|_: Request<Empty<Bytes>>| async {
        sleep(ms(400)).await;
        Err::<Response<Empty<Bytes>>, BoxError>("reset".into())
    });
    let timeout = Timeout::builder("greeter").attempt(ms(500)).grpc().build().unwrap();
    let answer = timeout.layer(quick).oneshot(Request::new(Empty::new())).await;
    assert_eq!(answer.map(drop).unwrap_err().to_string(), "reset");
    let timeout = Timeout::builder("greeter").attempt(ms(400)).http().build().unwrap();
    let answer = timeout.layer(quick).oneshot(Request::new(Empty::new())).await;
    assert_eq!(answer.map(drop).unwrap_err().to_string(), "reset");
}
