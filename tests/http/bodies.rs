//! A call ends with its body.

use super::*;

#[test]
fn defect_217_a_call_ends_with_its_body_and_as_its_body_ends() {
    use Step::{Data, Error, Pending, Trailers};
    let log = Log::default();
    let bodies = || {
        [
            // (what it is, frames to take before its end is known, what the end is)
            ("nothing, said so", HandMade::that_knows_its_end(&[]), 0, "Success"),
            ("nothing, not said so", HandMade::new(&[]), 1, "Success"),
            ("data", HandMade::new(&[Data, Data]), 3, "Success"),
            ("data that knows its end", HandMade::that_knows_its_end(&[Data, Data]), 2, "Success"),
            ("data and trailers", HandMade::new(&[Data, Trailers]), 2, "Success"),
            ("trailers only", HandMade::that_knows_its_end(&[Trailers]), 1, "Success"),
            ("an error", HandMade::new(&[Error]), 1, "Failure"),
            ("data and an error", HandMade::new(&[Data, Error, Data]), 2, "Failure"),
            ("an error at a known end", HandMade::that_knows_its_end(&[Data, Error]), 2, "Failure"),
        ]
    };
    for (what, body, frames, end) in bodies() {
        // Given a head with that body
        let response = through(Http::new(), &log, 200, body);
        let mut body = pin!(response.into_body());
        for _ in 0..frames {
            // Then the call goes on while there is more to come
            assert_eq!(log.take().matches("call ").count(), 0, "{what}: ended too early");
            take(body.as_mut(), 1);
        }
        // And ends once, with the last frame and not after it
        assert!(log.take().ends_with(&format!("call {end}")), "{what}");
        take(body.as_mut(), 2);
        assert_eq!(log.take(), "", "{what}: ended twice");
    }
    assert_eq!(log.take(), "");

    // A body that has nothing yet has not ended.
    let mut body = pin!(through(Http::new(), &log, 200, HandMade::new(&[Pending, Data])).into_body());
    assert!(poll(pin!(body.frame())).is_pending());
    assert_eq!(log.take(), "call");
}

#[test]
fn defect_217_a_body_that_is_dropped() {
    use Step::{Data, Pending};
    let log = Log::default();
    let body = || HandMade::new(&[Data, Pending, Data]);
    for frames in 0..=1 {
        // A caller who has begun to read has left; one who has not wants no more than the status
        let good = ["Success", "Abandoned"][frames];
        // (status, what the end is if nobody reads the rest)
        for (status, end) in [(200, good), (404, good), (503, "Overload"), (429, "Overload"), (500, "Failure")] {
            let mut dropped = Box::pin(through(Http::new(), &log, status, body()).into_body());
            take(dropped.as_mut(), frames);
            assert_eq!(log.take(), "call");
            drop(dropped);
            assert_eq!(log.take(), format!("call {end}"), "{status} after {frames} frames");
        }
    }

    // A thousand callers who leave in the middle of a good answer do not trip a breaker
    let breaker = CircuitBreaker::builder("leavers").build().unwrap();
    let service = breaker
        .clone()
        .layer()
        .http()
        .layer(service_fn(move |(): ()| async move { Ok::<_, Broken>(Response::new(body())) }));
    for _ in 0..1000 {
        let mut left = Box::pin(settled(service.clone().oneshot(())).unwrap().into_body());
        take(left.as_mut(), 1);
    }
    assert_eq!((breaker.state(), breaker.counts().calls), (BreakerState::Closed, 0));
}

#[test]
fn whoever_looks_at_the_status_only_closes_a_breaker_again() {
    // Given a breaker that is open, and callers who never read a body
    let breaker = CircuitBreaker::builder("status")
        .consecutive_failures(1)
        .open_time(std::time::Duration::from_nanos(1))
        .probes(1)
        .ramp(None)
        .build()
        .unwrap();
    let status = std::cell::Cell::new(500);
    let body = || HandMade::new(&[Step::Data, Step::Data]);
    let service = breaker.clone().layer().http().layer(service_fn(|(): ()| {
        let response = Response::builder().status(status.get()).body(body()).unwrap();
        async move { Ok::<_, Broken>(response) }
    }));
    drop(settled(service.clone().oneshot(())).unwrap());
    assert_ne!(breaker.state(), BreakerState::Closed);

    // When the service is well again, then they notice
    status.set(200);
    while breaker.state() != BreakerState::Closed {
        drop(settled(service.clone().oneshot(())).unwrap());
    }
}

#[test]
fn defect_28_a_panic_in_a_body_is_one_failure() {
    let (log, slots) = (Log::default(), Bulkhead::builder("panics").limit(1).build().unwrap());
    let layer = guard((Recording::new("call", Does::Admit, &log), slots.clone())).http();
    let service = layer.layer(service_fn(|(): ()| async {
        Ok::<_, Broken>(Response::new(HandMade::new(&[Step::Data, Step::Panic, Step::Data])))
    }));
    let mut body = Box::pin(settled(service.oneshot(())).unwrap().into_body());
    assert!(!take(body.as_mut(), 1));

    // When a caller catches the panic and keeps the body
    assert!(catch_unwind(AssertUnwindSafe(|| take(body.as_mut(), 1))).is_err());

    // Then the call has ended as a failure, and does not end again
    assert_eq!((log.take().as_str(), slots.in_flight()), ("call, call Failure", 0));
    take(body.as_mut(), 2);
    drop(body);
    assert_eq!((log.take().as_str(), slots.in_flight()), ("", 0));
}

#[test]
fn defect_72_a_slot_is_held_to_the_end_of_the_body_or_to_the_head() {
    let body = || HandMade::new(&[Step::Data, Step::Data]);
    let slots = Bulkhead::builder("scope").limit(1).build().unwrap();
    let answer = move |(): ()| async move { Ok::<_, Broken>(Response::new(body())) };

    // To the end of the body by default
    let service = slots.clone().layer().http().layer(service_fn(answer));
    let mut first = Box::pin(settled(service.clone().oneshot(())).unwrap().into_body());
    take(first.as_mut(), 1);
    let second = settled(service.clone().oneshot(())).unwrap();
    assert_eq!(rejection(&second).unwrap().why(), Why::Full);
    take(first.as_mut(), 2);
    assert_eq!(slots.in_flight(), 0);

    // To the head by choice, and then what becomes of the body counts nothing
    let log = Log::default();
    let mut broken = Box::pin(through(Http::new().until_head(), &log, 200, HandMade::new(&[Step::Error])).into_body());
    assert_eq!(log.take(), "call, call Success");
    assert!(take(broken.as_mut(), 1));
    assert_eq!(log.take(), "");
    let service = slots.clone().layer().protocol(Http::new().until_head()).layer(service_fn(answer));
    let streaming: Vec<_> = (0..10).map(|_| settled(service.clone().oneshot(())).unwrap()).collect();
    assert!(streaming.iter().all(|response| rejection(response).is_none()));
    assert_eq!(slots.in_flight(), 0);
}

#[test]
fn a_body_stays_what_it_is() {
    // Given a body that is neither Clone nor Sync, through three guards
    let slots = Bulkhead::builder("whole").build().unwrap();
    let service = slots.clone().layer().http().layer(slots.clone().layer().http().layer(
        slots.clone().layer().http().layer(service_fn(|_: Request<Cell<u8>>| async {
            Ok::<_, Broken>(
                Response::builder()
                    .status(206)
                    .header("x-own", "1")
                    .body(HandMade::that_knows_its_end(&[Step::Data, Step::Data, Step::Trailers]))
                    .unwrap(),
            )
        })),
    ));
    let response = settled(service.oneshot(Request::new(Cell::new(0)))).unwrap();

    // Then head, sizes and frames arrive as they were sent
    assert_eq!((response.status().as_u16(), &response.headers()["x-own"]), (206, &HeaderValue::from_static("1")));
    assert_eq!(response.body().size_hint().exact(), Some(8));
    assert!(!response.body().is_end_stream());
    assert_eq!(slots.in_flight(), 3);
    let collected = settled(response.into_body().collect()).unwrap();
    assert!(collected.trailers().is_some());
    assert_eq!(collected.to_bytes(), "datadata");
    assert_eq!(slots.in_flight(), 0);

    // And the future and the body may go to another thread, as the parts may.
    fn is_send<T: Send>(_: &T) {}
    let sent = slots
        .layer()
        .http()
        .layer(service_fn(|(): ()| async { Ok::<_, Broken>(Response::new(Full::<Bytes>::default())) }));
    let call = sent.oneshot(());
    is_send(&call);
    is_send(&settled(call).unwrap());
}
