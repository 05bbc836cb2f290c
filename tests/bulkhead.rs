//! What really broke in bulkheads, one story for each.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

use std::{
    future::{pending, ready},
    num::NonZeroU32,
    task::{Context, Poll, Waker},
};

use cofferdam::{Admit, BoxError, Bulkhead, Ended, Instant, Outcome, Policy, Refused, Rejected, Why};
use tower::{Layer, ServiceExt, service_fn};

fn slots(limit: usize) -> Bulkhead {
    Bulkhead::builder("payments").limit(limit).build().expect("a limit that may be")
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// No limit builds something that is dead or that overflows: it is refused, or it works.
#[test]
fn defect_68_every_limit_works_or_is_refused() {
    let largest = (u32::MAX >> 1) as usize;
    let semaphore = usize::MAX >> 3;
    for limit in [1, 2, largest - 1, largest] {
        let slots = slots(limit);
        assert!(Admit::admit(&slots, &(), Instant::ORIGIN).is_ok());
        assert_eq!(slots.in_flight(), 1);
    }
    for limit in [0, largest + 1, semaphore, semaphore + 1, usize::MAX] {
        let invalid = Bulkhead::builder("payments").limit(limit).build().unwrap_err();
        assert_eq!((invalid.field(), invalid.value().to_string()), ("limit", limit.to_string()));
        // The same goes for a change of a running one, which leaves it as it is.
        let slots = slots(3);
        assert!(slots.resize(limit).is_err());
        assert_eq!(slots.limit(), 3);
    }
}

/// A call needs the bulkhead that it is in a second time: it is told at once that there is no room, and does not wait for
/// itself.
#[tokio::test(start_paused = true)]
async fn defect_71_a_call_does_not_wait_for_itself() {
    let slots = slots(1);
    let guard = slots.clone().layer();
    let inner = guard.clone();
    let answer: Result<&str, Refused<&str>> = guard
        .call(&(), || async move {
            match inner.call(&(), || ready(Ok::<_, &str>(()))).await {
                Err(Refused::Rejected(rejected)) if rejected.why() == Why::Full => Ok("told"),
                _ => Err("let in"),
            }
        })
        .await;
    assert_eq!((answer, slots.in_flight()), (Ok("told"), 0));
}

/// A body is still on its way: by default it holds its slot to its end or its drop, and with `until_head` it does not.
#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn defect_72_a_body_holds_its_slot_or_does_not_as_one_chooses() {
    use bytes::Bytes;
    use cofferdam::Http;
    use http::{Request, Response, StatusCode};
    use http_body_util::{BodyExt, Full};

    let service = service_fn(|_: Request<()>| ready(Ok::<_, BoxError>(Response::new(Full::new(Bytes::from("hello"))))));
    let bodies = slots(3);
    let guarded = bodies.clone().layer().http().layer(service);
    let mut stalled = Vec::new();
    for _ in 0..3 {
        stalled.push(guarded.clone().oneshot(Request::new(())).await.unwrap());
    }
    // Three readers have stalled: there is no slot for a fourth.
    let fourth = guarded.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!((fourth.status(), bodies.in_flight()), (StatusCode::SERVICE_UNAVAILABLE, 3));
    // One of them goes away, and one reads to the end.
    drop(stalled.pop());
    assert_eq!(bodies.in_flight(), 2);
    stalled.pop().unwrap().into_body().collect().await.unwrap();
    assert_eq!(bodies.in_flight(), 1);
    drop(stalled);
    assert_eq!(bodies.in_flight(), 0);

    // To the head only: a body that is held holds nothing.
    let heads = slots(1);
    let guarded = heads.clone().layer().protocol(Http::new().until_head()).layer(service);
    let first = guarded.clone().oneshot(Request::new(())).await.unwrap();
    let second = guarded.oneshot(Request::new(())).await.unwrap();
    assert_eq!((first.status(), second.status(), heads.in_flight()), (StatusCode::OK, StatusCode::OK, 0));
}

/// The answer is here and the future that brought it still exists: the slot is free.
#[test]
fn defect_73_a_finished_future_holds_nothing() {
    let slots = slots(1);
    let guard = slots.clone().layer();
    let mut call = Box::pin(guard.call(&(), || ready(Ok::<_, &str>(1))));
    assert_eq!(slots.in_flight(), 1, "admitted, not yet polled");
    assert_eq!(poll_once(call.as_mut()), Poll::Ready(Ok(1)));
    assert_eq!(slots.in_flight(), 0);

    let service = guard.layer(service_fn(|()| ready(Ok::<_, BoxError>(1))));
    let mut call = Box::pin(service.oneshot(()));
    assert!(matches!(poll_once(call.as_mut()), Poll::Ready(Ok(1))));
    assert_eq!(slots.in_flight(), 0);
    drop(call);
    assert_eq!(slots.in_flight(), 0, "and it is given back once");
}

/// One layer over two routes: one limit for both. Two layers: one each.
#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn defect_76_one_layer_is_one_set_of_slots() {
    use axum::{Router, body::Body, routing::get};
    use http::{Request, StatusCode};

    let hangs = || pending::<&'static str>();
    let request = |path: &str| Request::get(path).body(Body::empty()).unwrap();

    let both = slots(1);
    let app = Router::new().route("/a", get(hangs)).route("/b", get(hangs)).layer(both.clone().layer().http());
    let mut first = Box::pin(app.clone().oneshot(request("/a")));
    assert!(poll_once(first.as_mut()).is_pending());
    // The other route has no slot left.
    assert_eq!(app.clone().oneshot(request("/b")).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(both.in_flight(), 1);

    let (one, two) = (slots(1), slots(1));
    let app = Router::new()
        .route("/a", get(hangs).layer(one.clone().layer().http()))
        .route("/b", get(hangs).layer(two.clone().layer().http()));
    let mut a = Box::pin(app.clone().oneshot(request("/a")));
    let mut b = Box::pin(app.oneshot(request("/b")));
    assert!(poll_once(a.as_mut()).is_pending() && poll_once(b.as_mut()).is_pending());
    assert_eq!((one.in_flight(), two.in_flight()), (1, 1));
    drop((a, b, first));
    assert_eq!((both.in_flight(), one.in_flight(), two.in_flight()), (0, 0, 0));
}

/// What is said to be in flight is what is in flight, at any quiet moment: rejections are not in it, and a change of the
/// limit shows at once.
#[test]
fn defect_77_the_gauges_tell_the_truth() {
    let slots = slots(2);
    let guard = slots.clone().layer();
    let hang = || Box::pin(guard.call(&(), pending::<Result<(), &str>>));
    let mut inside = vec![hang(), hang()];
    for _ in 0..100 {
        let rejected = poll_once(hang().as_mut());
        assert!(matches!(rejected, Poll::Ready(Err(Refused::Rejected(_)))));
        assert_eq!((slots.limit(), slots.in_flight()), (2, 2));
    }
    slots.resize(1).unwrap();
    assert_eq!((slots.limit(), slots.in_flight()), (1, 2), "those inside stay inside");
    inside.pop();
    assert_eq!((slots.limit(), slots.in_flight()), (1, 1));
    assert!(Admit::admit(&slots, &(), Instant::ORIGIN).is_err());
    inside.pop();
    assert!(Admit::admit(&slots, &(), Instant::ORIGIN).is_ok());
    slots.settle((), &Ended::new(Outcome::Success, Instant::ORIGIN, Instant::ORIGIN));
    assert_eq!(slots.in_flight(), 0);
}

/// A weight that panics is that call's misfortune: nothing is held by it.
#[test]
fn a_weight_that_panics_holds_nothing() {
    let slots = slots(2);
    let first = slots.clone().weighted(|_: &u32| NonZeroU32::MIN);
    let second = slots.clone().weighted(|weight: &u32| NonZeroU32::new(*weight).expect("in the weight"));
    let service = first.and(second).layer().layer(service_fn(|_: u32| ready(Ok::<_, Rejected>(()))));
    let call = |request: u32| {
        let mut service = service.clone();
        move || tower::Service::call(&mut service, request)
    };
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call(0)));
    assert!(panicked.is_err());
    assert_eq!(slots.in_flight(), 0, "the first policy's slot is given back");
    assert!(matches!(poll_once(std::pin::pin!(call(1)())), Poll::Ready(Ok(()))));
}
