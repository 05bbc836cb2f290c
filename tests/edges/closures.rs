//! Functions that users hand over, and that panic: whoever runs one, nothing is held afterwards, and the next call is served.

use std::{
    future::pending,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    AdaptiveLimit, AdaptiveThrottle, Backoff, BoxError, Bulkhead, Criticality, Drain, Keyed, LoadShed, Policy, Replay,
    Retry, Why, context::Rank, http::ProblemDetails, rejection, shed::Gauge,
};
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::poll;

/// Panics while it is told to.
#[derive(Clone, Default)]
struct Trap(Arc<AtomicBool>);

impl Trap {
    fn set(&self, set: bool) {
        self.0.store(set, Ordering::Relaxed);
    }

    fn step(&self) {
        assert!(!self.0.load(Ordering::Relaxed), "this function is wrong");
    }
}

type Answer = Result<(), BoxError>;

/// Calls a service while the function panics, and then when it does not.
async fn harms_one_call<S>(service: S, trap: &Trap)
where
    S: Service<u32, Response = (), Error = BoxError> + Clone,
{
    trap.set(true);
    let harmed = AssertUnwindSafe(service.clone().oneshot(1)).catch_unwind().await;
    assert!(harmed.is_err(), "it was not asked");
    trap.set(false);
    service.oneshot(1).await.expect("the next call is served");
}

fn works() -> impl Service<u32, Response = (), Error = BoxError, Future: Send> + Clone {
    service_fn(|_: u32| async { Answer::Ok(()) })
}

#[tokio::test(start_paused = true)]
async fn ranks_and_keys_and_gauges() {
    let trap = Trap::default();
    let rank = || {
        let trap = trap.clone();
        move |_: &u32| {
            trap.step();
            Rank::of(Criticality::Critical, None)
        }
    };

    // A rank is asked for when there is no slot.
    let limit = AdaptiveLimit::builder("ranks").initial_limit(1).max_limit(1).min_limit(1).build().unwrap();
    let shed = LoadShed::builder(limit).rank(rank()).build().unwrap();
    let hangs = shed.clone().layer().layer(service_fn(|_: u32| pending::<Answer>()));
    let mut first = Box::pin(hangs.clone().oneshot(1));
    assert!(poll(first.as_mut()).is_pending());
    trap.set(true);
    assert!(AssertUnwindSafe(hangs.clone().oneshot(1)).catch_unwind().await.is_err());
    trap.set(false);
    let mut waits = pin!(hangs.oneshot(1));
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (1, 1));
    drop(first);
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (1, 0));

    // And by a throttle when there was an overload.
    let throttle = AdaptiveThrottle::builder("ranks").rank(rank()).build().unwrap();
    let service = throttle.clone().layer().classify(|answer: Result<&(), &BoxError>| match answer {
        Ok(()) => cofferdam::Outcome::Success,
        Err(_) => cofferdam::Outcome::Overload,
    });
    service.layer(service_fn(|_: u32| async { Answer::Err("not now".into()) })).oneshot(1).await.unwrap_err();
    harms_one_call(service.layer(works()), &trap).await;

    // A key is asked for by each call.
    let asks = trap.clone();
    let key = move |number: &u32| {
        asks.step();
        *number
    };
    let keyed = Keyed::builder(Bulkhead::builder("keys").limit(1).build().unwrap()).by(key).build().unwrap();
    harms_one_call(keyed.clone().layer().layer(works()), &trap).await;
    assert_eq!(keyed.len(), 1);
    assert!(keyed.snapshot().iter().all(|key| !key.busy && key.policy.in_flight() == 0));

    // A gauge is read ten times a second.
    let asks = trap.clone();
    let gauge = Gauge::new(1.0, move || {
        asks.step();
        0.0
    });
    let limit = AdaptiveLimit::builder("gauges").build().unwrap();
    let shed = LoadShed::builder(limit).rank(rank()).signal(gauge.unwrap()).build().unwrap();
    harms_one_call(shed.clone().layer().layer(works()), &trap).await;
    assert_eq!(shed.limit().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn exemptions_and_waits() {
    let trap = Trap::default();
    let asks = trap.clone();
    let exempt = move |_: &u32| {
        asks.step();
        true
    };
    let drain = Drain::builder("exempt").grace(Duration::ZERO).exempt(exempt).build().unwrap();
    drop(drain.begin());
    harms_one_call(drain.clone().layer().layer(works()), &trap).await;
    assert_eq!(drain.in_flight(), 0);

    let asks = trap.clone();
    let backoff = Backoff::custom(Duration::from_secs(1), move |_| {
        asks.step();
        Duration::ZERO
    });
    let retry = Retry::builder("waits").backoff(backoff).attempts(2).build().unwrap();
    let fails_once = |failed: Arc<AtomicBool>| {
        service_fn(move |_: u32| {
            let fails = !failed.swap(true, Ordering::Relaxed);
            async move { if fails { Answer::Err("once".into()) } else { Ok(()) } }
        })
    };
    harms_one_call(retry.layer(fails_once(Arc::default())), &trap).await;
    retry.layer(fails_once(Arc::default())).oneshot(1).await.expect("it is tried again");
    assert_eq!(retry.budget().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn words_and_bodies() {
    type Web = Response<Full<Bytes>>;
    let trap = Trap::default();
    let asks = trap.clone();
    let slots = Bulkhead::builder("words").limit(1).build().unwrap();
    let layer = slots.clone().layer().http().problem(move |rejected| {
        asks.step();
        ProblemDetails::of(rejected)
    });
    let hangs = layer.layer(service_fn(|_: Request<()>| pending::<Result<Web, BoxError>>()));
    let mut first = Box::pin(hangs.clone().oneshot(Request::new(())));
    assert!(poll(first.as_mut()).is_pending());
    trap.set(true);
    assert!(AssertUnwindSafe(hangs.clone().oneshot(Request::new(()))).catch_unwind().await.is_err());
    trap.set(false);
    let rejected = hangs.oneshot(Request::new(())).await.unwrap();
    assert_eq!(rejection(&rejected).map(|rejected| rejected.why()), Some(Why::Full));
    drop(first);
    assert_eq!(slots.in_flight(), 0);

    // The body of the second attempt is made by a function.
    let asks = trap.clone();
    let map = move |body: Replay<Full<Bytes>>| {
        asks.step();
        body
    };
    let fails = trap.clone();
    let stack = cofferdam::http::client("bodies").map_body(map).without_hedge().build().unwrap();
    let service = stack.layer(service_fn(move |_: Request<Replay<Full<Bytes>>>| {
        fails.set(true);
        let mut response = Web::default();
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        async move { Ok::<_, BoxError>(response) }
    }));
    let request = || Request::get("/").body(Full::new(Bytes::from("some"))).unwrap();
    assert!(AssertUnwindSafe(service.clone().oneshot(request())).catch_unwind().await.is_err());
    assert_eq!(stack.budget().in_flight(), 0);
}
