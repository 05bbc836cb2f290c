//! Answers in place of the service's own: for which causes, from where, and who still gets to know.
#![allow(missing_docs)]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cofferdam::{BoxError, Bulkhead, Cause, CircuitBreaker, Failed, Fallback, Policy, Rejected, Timeout, Why};
use support::{Ask, Asks, Broken, Probe, Script, controlled, poll, settled, within};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Answer = Result<u32, BoxError>;

fn breaker(name: &str) -> CircuitBreaker {
    CircuitBreaker::builder(name).build().unwrap()
}

/// The causes that a fallback was asked for.
type Learnt = Arc<std::sync::Mutex<Vec<(Cause, Option<Why>)>>>;

/// A layer that answers with what it learnt of the cause, and the causes it was asked for.
fn learning() -> (Learnt, impl Fn(Failed<u32, BoxError>) -> Answer + Clone) {
    let causes = Arc::new(std::sync::Mutex::new(Vec::new()));
    let learnt = Arc::clone(&causes);
    let answer = move |failed: Failed<u32, BoxError>| {
        learnt.lock().unwrap().push((failed.cause(), failed.rejected().map(Rejected::why)));
        Ok(7)
    };
    (causes, answer)
}

#[tokio::test]
async fn each_cause_is_told_by_its_name() {
    let (causes, answer) = learning();
    let layer = Fallback::function(answer);
    let learnt = || std::mem::take(&mut *causes.lock().unwrap());

    // The service's own error
    let probe = Probe::<Asks>::new(Script::Err);
    assert_eq!(layer.clone().layer(probe.clone()).oneshot(Ask::default()).await.unwrap(), 7);
    assert_eq!(learnt(), [(Cause::Failure, None)]);

    // A rejection by a breaker, and by a bulkhead
    let open = breaker("open");
    open.force_open();
    let service = ServiceBuilder::new().layer(layer.clone()).layer(open.layer()).service(probe.clone());
    assert_eq!(service.oneshot(Ask::default()).await.unwrap(), 7);
    assert_eq!(learnt(), [(Cause::Rejected, Some(Why::Open))]);
    let full = Bulkhead::builder("full").limit(1).build().unwrap().layer();
    let _held = full.call(&Ask::default(), std::future::pending::<Result<(), BoxError>>);
    let service = ServiceBuilder::new().layer(layer.clone()).layer(full.clone()).service(probe.clone());
    assert_eq!(service.oneshot(Ask::default()).await.unwrap(), 7);
    assert_eq!(learnt(), [(Cause::Rejected, Some(Why::Full))]);

    // Time that is up
    probe.does(Script::Never);
    let timeout = Timeout::builder("short").attempt(Duration::from_millis(1)).build().unwrap();
    let service = ServiceBuilder::new().layer(layer.clone()).layer(timeout).service(probe.clone());
    assert_eq!(within("the timeout", service.oneshot(Ask::default())).await.unwrap(), 7);
    assert_eq!(learnt(), [(Cause::TimedOut, Some(Why::TimedOut))]);

    // A service that never becomes ready
    probe.does(Script::ReadyError);
    assert_eq!(layer.clone().layer(probe.clone()).oneshot(Ask::default()).await.unwrap(), 7);
    assert_eq!(learnt(), [(Cause::NotReady, None)]);

    // And for an answer that is good nobody asks
    probe.does(Script::Ok);
    assert_eq!(layer.layer(probe).oneshot(Ask::default()).await.unwrap(), 1);
    assert_eq!(learnt(), []);
}

#[test]
fn only_the_causes_it_was_put_on_are_answered() {
    // Given a fallback for rejections only
    let open = breaker("open");
    let probe = Probe::<Asks>::new(Script::Err);
    let service = ServiceBuilder::new()
        .layer(Fallback::value(7).on([Cause::Rejected]))
        .layer(open.clone().layer())
        .service(probe.clone());

    // Then a failure is passed on as it is
    assert!(settled(service.clone().oneshot(Ask::default())).unwrap_err().downcast_ref::<Broken>().is_some());

    // And so is an error of readiness, from `poll_ready` itself
    probe.does(Script::ReadyError);
    let mut not_ready = service.clone();
    assert!(settled(not_ready.ready()).map(|_| ()).unwrap_err().downcast_ref::<Broken>().is_some());

    // But a rejection is answered
    open.force_open();
    assert_eq!(settled(service.oneshot(Ask::default())).unwrap(), 7);
}

#[test]
fn when_chooses_by_whom() {
    // Given a fallback for what the shop rejected, around two breakers
    let (shop, bank) = (breaker("shop"), breaker("bank"));
    let by_shop = |failed: &Failed<u32, BoxError>| failed.rejected().is_some_and(|by| by.by().as_str() == "shop");
    let service = ServiceBuilder::new()
        .layer(Fallback::value(7).when(by_shop))
        .layer(bank.clone().layer())
        .layer(shop.clone().layer())
        .service(Probe::<Asks>::new(Script::Err));

    // Then it does not answer for the service, nor for the bank
    assert!(settled(service.clone().oneshot(Ask::default())).is_err());
    bank.force_open();
    let error = settled(service.clone().oneshot(Ask::default())).unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().by().as_str(), "bank");

    // But it does for the shop
    bank.reset();
    shop.force_open();
    assert_eq!(settled(service.clone().oneshot(Ask::default())).unwrap(), 7);

    // Two conditions must both hold, and `on` comes before either
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let picky = Fallback::value(7)
        .when(by_shop)
        .when(move |_: &Failed<u32, BoxError>| {
            count.fetch_add(1, Ordering::Relaxed);
            false
        })
        .on([Cause::Rejected]);
    assert!(settled(picky.clone().layer(service.clone()).oneshot(Ask::default())).is_ok()); // The inner one has answered.
    let rejected =
        ServiceBuilder::new().layer(picky.clone()).layer(shop.layer()).service(Probe::<Asks>::new(Script::Ok));
    assert!(settled(rejected.oneshot(Ask::default())).is_err());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert!(settled(picky.layer(Probe::<Asks>::new(Script::Err)).oneshot(Ask::default())).is_err());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_function_may_leave_the_answer_as_it_was() {
    let layer = Fallback::function(|failed: Failed<u32, BoxError>| {
        assert!(failed.answer().is_err_and(|error| error.to_string() == "broken"));
        failed.into_answer()
    });
    let error = settled(layer.layer(Probe::<Asks>::new(Script::Err)).oneshot(Ask::default())).unwrap_err();
    assert!(error.downcast_ref::<Broken>().is_some());
}

#[test]
fn only_what_is_kept_of_a_request_is_there_for_the_answer() {
    // Given requests that are not Clone, of which a number is kept
    struct Order(u32, #[allow(dead_code)] std::cell::Cell<u8>);
    let kept = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&kept);
    let layer = Fallback::keeping(
        move |order: &Order| {
            counter.fetch_add(1, Ordering::Relaxed);
            order.0
        },
        |_: Failed<String, BoxError>, number| Ok(format!("order {number} is being looked at")),
    );
    let service = layer.layer(service_fn(|order: Order| async move {
        if order.0 == 1 { Ok("done".to_owned()) } else { Err(BoxError::from("down")) }
    }));

    // Then each answer is for its own request, and it was looked at once
    assert_eq!(settled(service.clone().oneshot(Order(1, Default::default()))).unwrap(), "done");
    let answer = settled(service.oneshot(Order(2, Default::default()))).unwrap();
    assert_eq!(answer, "order 2 is being looked at");
    assert_eq!(kept.load(Ordering::Relaxed), 2);
}

#[test]
fn defect_13_another_service_is_made_ready_on_a_clone_of_its_own() {
    // Given a second service for when the first one fails
    let (first, second) = (Probe::<Asks>::new(Script::Err), Probe::<Asks>::new(Script::Ok));
    let service = Fallback::service(|_: &Ask| Ask::default(), second.clone()).layer(first.clone());

    // Then it is made ready once for each call that needs it, and by nothing else: a probe panics otherwise
    for calls in 1..=10 {
        assert_eq!(settled(service.clone().oneshot(Ask::default())).unwrap(), 1);
        assert_eq!((second.ready_polls(), second.calls()), (calls, calls));
    }
    first.does(Script::Ok);
    assert_eq!(settled(service.clone().oneshot(Ask::default())).unwrap(), 1);
    assert_eq!(second.ready_polls(), 10);

    // While it is not ready the caller waits
    first.does(Script::Err);
    second.does(Script::NotReady);
    let mut waits = Box::pin(service.clone().oneshot(Ask::default()));
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!(first.in_flight(), 0);
    second.does(Script::Ok);
    assert_eq!(settled(waits).unwrap(), 1);
}

#[test]
fn defect_173_the_error_of_a_fallback_is_final() {
    // Given a second service that is no better, or not even ready
    for script in [Script::Err, Script::ReadyError] {
        let (first, second) = (Probe::<Asks>::new(Script::Err), Probe::<Asks>::new(script));
        let service = Fallback::service(|_: &Ask| Ask::default(), second.clone()).layer(first.clone());

        // Then that is the answer, and nothing starts again
        assert!(settled(service.oneshot(Ask::default())).unwrap_err().downcast_ref::<Broken>().is_some());
        assert_eq!((first.calls(), second.ready_polls()), (1, 1));
    }

    // Nor does it when the second service is the first one's own stack
    let first = Probe::<Asks>::new(Script::Err);
    let inner = Fallback::value(7).on([Cause::Rejected]).layer(first.clone());
    let service = Fallback::service(|_: &Ask| Ask::default(), inner.clone()).layer(inner);
    assert!(settled(service.oneshot(Ask::default())).is_err());
    assert_eq!(first.calls(), 2);
}

#[tokio::test]
async fn defect_168_a_dropped_call_has_no_fallback() {
    // Given a fallback that counts, and one that is a service
    let (causes, answer) = learning();
    let second = Probe::<Asks>::new(Script::Ok);
    let (inner, mut calls) = controlled::<Ask, u32>();
    let function = Fallback::function(answer).layer(inner.clone());
    let service = Fallback::service(|_: &Ask| Ask::default(), second.clone()).layer(inner);

    // When calls are dropped before their first poll, or after it
    for polls in 0..3 {
        let (mut a, mut b) =
            (Box::pin(function.clone().oneshot(Ask::default())), Box::pin(service.clone().oneshot(Ask::default())));
        for _ in 0..polls {
            assert!(poll(a.as_mut()).is_pending() && poll(b.as_mut()).is_pending());
        }
        drop((a, b));
        while let Ok(call) = calls.try_recv() {
            assert!(call.is_dropped());
            call.answer(Err("too late".into()));
        }
    }

    // Then neither of them ran
    assert!(causes.lock().unwrap().is_empty());
    assert_eq!(second.ready_polls(), 0);
}

#[test]
fn defect_171_a_breaker_inside_sees_the_failure() {
    // Given a fallback around a breaker
    let inner = breaker("inner");
    let service = ServiceBuilder::new()
        .layer(Fallback::value(7))
        .layer(inner.clone().layer())
        .service(Probe::<Asks>::new(Script::Err));

    // Then the caller sees the answer and the breaker the failure, and a plain guard outside sees what the caller sees
    for failures in 1..=5 {
        assert_eq!(settled(service.clone().oneshot(Ask::default())).unwrap(), 7);
        assert_eq!(inner.counts().failures, failures);
    }
    let outer = breaker("outer");
    assert_eq!(settled(outer.clone().layer().layer(service).oneshot(Ask::default())).unwrap(), 7);
    assert_eq!((outer.counts().calls, outer.counts().failures), (1, 0));
}

#[test]
fn defect_30_a_panicking_function_harms_its_own_call_only() {
    let slots = Bulkhead::builder("inner").limit(1).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(Fallback::function(|_: Failed<u32, BoxError>| panic!("the user's own")))
        .layer(slots.clone().layer())
        .service(Probe::<Asks>::new(Script::Err));
    for _ in 0..10 {
        let call = || settled(service.clone().oneshot(Ask::default()));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
        assert_eq!(slots.in_flight(), 0);
    }
}

#[test]
fn an_error_of_readiness_is_spent_by_one_call() {
    // Given a service that has lost its readiness for a while
    let probe = Probe::<Asks>::new(Script::ReadyError);
    let mut service = Fallback::value(7).layer(probe.clone());
    assert!(settled(service.ready()).is_ok());

    // When it is asked again before the call, and is ready by then
    probe.does(Script::Ok);
    assert!(settled(service.ready()).is_ok());

    // Then the call is made: the error is of no interest any more
    assert_eq!(settled(service.call(Ask::default())).unwrap(), 1);

    // And a clone of a service with such an error starts without it
    probe.does(Script::ReadyError);
    assert!(settled(service.ready()).is_ok());
    probe.does(Script::Ok);
    assert_eq!(settled(service.clone().oneshot(Ask::default())).unwrap(), 1);
    assert_eq!(settled(service.call(Ask::default())).unwrap(), 7);
}

#[cfg(feature = "http")]
mod web {
    use bytes::Bytes;
    use cofferdam::{Degraded, Http, Outcome, rejection};
    use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
    use http_body_util::{BodyExt, Full};

    use super::*;

    type Whole = Response<Full<Bytes>>;

    fn response(status: u16, text: &'static str) -> Whole {
        Response::builder().status(status).body(Full::from(text)).unwrap()
    }

    /// A service with that status, or an error for none.
    async fn answering(request: Request<u16>) -> Result<Whole, Broken> {
        match *request.body() {
            0 => Err(Broken),
            status => Ok(response(status, "own")),
        }
    }

    #[tokio::test]
    async fn each_cause_is_told_by_its_name_over_http() {
        let layer = Fallback::function(|failed: Failed<Whole, Broken>| {
            Ok(match failed.cause() {
                Cause::Failure => response(200, "failure"),
                Cause::Overload => response(200, "overload"),
                _ => response(200, "else"),
            })
        })
        .http();
        let service = layer.layer(service_fn(answering));
        let cases = [
            (200, "own"),
            (404, "own"),
            (500, "failure"),
            (502, "failure"),
            (429, "overload"),
            (503, "overload"),
            (0, "failure"),
        ];
        for (status, expected) in cases {
            let answer = service.clone().oneshot(Request::new(status)).await.unwrap();
            assert_eq!(answer.extensions().get::<Degraded>().is_some(), expected != "own", "{status}");
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), expected, "{status}");
        }
    }

    #[tokio::test]
    async fn defect_171_a_degraded_answer_is_marked() {
        // Given a fallback that marks its answers with a header too
        let mark = (HeaderName::from_static("x-degraded"), HeaderValue::from_static("1"));
        let layer = Fallback::value(response(200, "[]")).http().header(mark.0, mark.1);
        let service = layer.layer(service_fn(answering));

        // Then an answer in place of another says what that was
        let cases = [(500, Outcome::Failure), (503, Outcome::Overload), (0, Outcome::Failure)];
        for (status, outcome) in cases {
            let answer = service.clone().oneshot(Request::new(status)).await.unwrap();
            assert_eq!(
                (answer.status(), &answer.headers()["x-degraded"]),
                (StatusCode::OK, &HeaderValue::from_static("1"))
            );
            let degraded = answer.extensions().get::<Degraded>().unwrap();
            assert_eq!((degraded.outcome, degraded.rejected), (outcome, None), "{status}");
        }

        // And the service's own answer is not touched
        let answer = service.oneshot(Request::new(200)).await.unwrap();
        assert!(answer.headers().is_empty() && answer.extensions().is_empty());
    }

    #[tokio::test]
    async fn defect_171_guards_outside_see_the_failure_while_the_caller_sees_an_answer() {
        // Given breakers on both sides of a fallback
        let (outer, inner) = (breaker("outer"), breaker("inner"));
        let service = ServiceBuilder::new()
            .layer(outer.clone().layer().http())
            .layer(Fallback::function(|_: Failed<Response<_>, Broken>| Ok(Response::new("[]".into()))).http())
            .layer(inner.clone().layer().http())
            .service(service_fn(answering));
        let read = async |status| {
            let answer = service.clone().oneshot(Request::new(status)).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            answer.into_body().collect().await.unwrap().to_bytes()
        };

        // Then both see each failure, whereas the caller sees an answer
        for failures in 1..=3 {
            assert_eq!(read(500).await, "[]");
            assert_eq!((outer.counts().failures, inner.counts().failures), (failures, failures));
        }
        assert_eq!(read(200).await, "own");
        assert_eq!((outer.counts().calls, outer.counts().failures), (4, 3));

        // But a rejection of our own that was answered for is no failure
        inner.force_open();
        let answer = service.clone().oneshot(Request::new(200)).await.unwrap();
        let degraded = *answer.extensions().get::<Degraded>().unwrap();
        assert_eq!(degraded.rejected.unwrap().by().as_str(), "inner");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "[]");
        assert_eq!((outer.counts().calls, outer.counts().failures), (4, 3));
    }

    #[tokio::test]
    async fn an_answer_that_is_left_as_it_was_keeps_all_it_has() {
        // Given a fallback that leaves rejections alone
        let open = breaker("open");
        let service = ServiceBuilder::new()
            .layer(Fallback::function(|failed: Failed<Response<_>, Broken>| failed.into_answer()).http())
            .layer(open.clone().layer().http())
            .service(service_fn(answering));
        open.force_open();
        let answer = service.oneshot(Request::new(200)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(rejection(&answer).unwrap().why(), Why::Open);
    }

    #[tokio::test]
    async fn what_the_protocol_reads_is_what_is_answered_for() {
        // Given a fallback to whom a 404 is a failure and a 500 is not
        let reads = |status: StatusCode, _: &HeaderMap| match status.as_u16() {
            404 => Outcome::Failure,
            _ => Outcome::Success,
        };
        let layer = Fallback::value(response(200, "[]")).http_with(Http::new().classify(reads));
        let service = layer.layer(service_fn(answering));
        for (status, expected) in [(404, 200), (500, 500), (0, 200)] {
            assert_eq!(service.clone().oneshot(Request::new(status)).await.unwrap().status().as_u16(), expected);
        }
    }

    #[tokio::test]
    async fn defect_173_an_answer_of_one_fallback_is_good_enough_for_the_next() {
        // Given a fallback on one route, and another around all of them
        let service = ServiceBuilder::new()
            .layer(Fallback::value(response(200, "outer")).http())
            .layer(Fallback::value(response(200, "inner")).http())
            .service(service_fn(answering));

        // Then the answer that the inner one found is the answer, still marked as what it is
        let answer = service.clone().oneshot(Request::new(500)).await.unwrap();
        assert_eq!(answer.extensions().get::<Degraded>().unwrap().outcome, Outcome::Failure);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "inner");

        // But if that is none either, the outer one answers
        let service = ServiceBuilder::new()
            .layer(Fallback::value(response(200, "outer")).http())
            .layer(Fallback::value(response(502, "inner")).http())
            .service(service_fn(answering));
        let answer = service.oneshot(Request::new(500)).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "outer");
    }

    #[tokio::test]
    async fn the_failed_answer_lets_go_of_its_slot_before_another_service_is_asked() {
        // Given one slot, which a failed answer holds as long as its body lives, for both services
        let slots = Bulkhead::builder("shared").limit(1).build().unwrap();
        let second =
            slots.clone().layer().http().layer(service_fn(|_: ()| async { Ok::<_, Broken>(response(200, "second")) }));
        let first = slots.clone().layer().http().layer(service_fn(answering));
        let service = Fallback::service(|_: &Request<u16>| (), second).http().layer(first);

        // Then the second service gets it
        let answer = service.oneshot(Request::new(500)).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "second");
        assert_eq!(slots.in_flight(), 0);
    }
}
