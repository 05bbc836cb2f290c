//! A call ends with its trailers.

use super::*;

#[test]
fn defect_217_a_call_ends_with_its_body_and_as_its_body_ends() {
    let log = Log::default();
    // (the body, frames to take before its end is known, what the end is)
    let cases: [(&'static [Step], usize, &str); 6] = [
        (&[Status("0", None)], 1, "Success"),
        (&[Message, Message, Message, Status("0", None)], 4, "Success"),
        (&[Message, Message, Message, Status("13", None)], 4, "Failure"),
        (&[Error], 1, "Failure"),
        (&[Message, Error, Status("0", None)], 2, "Failure"),
        (&[Message], 2, "Failure"),
    ];
    for (steps, frames, end) in cases {
        let mut whole = pin!(through(&log, Response::new(body(steps))).into_body());
        assert_eq!(log.take(), "call");
        take(whole.as_mut(), frames - 1);
        assert_eq!(log.take(), "", "{steps:?}: ended too early");
        take(whole.as_mut(), 1);
        assert_eq!(log.take(), format!("call {end}"), "{steps:?}");
        // And it does not end again
        take(whole.as_mut(), 2);
        assert_eq!(log.take(), "", "{steps:?}: ended twice");
    }
}

#[test]
fn defect_217_a_body_that_is_dropped() {
    let log = Log::default();
    let long: &'static [Step] = &[Message, Message, Status("0", None)];
    for frames in 0..=2 {
        // A good stream that nobody follows to its end is abandoned
        let mut dropped = Box::pin(through(&log, Response::new(body(long))).into_body());
        take(dropped.as_mut(), frames);
        drop(dropped);
        assert_eq!(log.take(), "call, call Abandoned", "after {frames} frames");

        // A head that has the status has said it all, whatever hides behind it
        for (status, end) in [("0", "Success"), ("1", "Ignored"), ("8", "Overload"), ("13", "Failure")] {
            let mut dropped = Box::pin(through(&log, answer(metadata(status, None), body(long))).into_body());
            take(dropped.as_mut(), frames);
            drop(dropped);
            assert_eq!(log.take(), format!("call, call {end}"), "{status} after {frames} frames");
        }
    }

    // A head that was bad stays so if the body breaks off, and if trailers say otherwise
    for steps in [&[Error] as &[Step], &[Status("0", None)]] {
        take(pin!(through(&log, answer(metadata("8", None), body(steps))).into_body()), 1);
        assert_eq!(log.take(), "call, call Overload");
    }
}

#[test]
fn defect_72_a_stream_holds_its_slot_to_its_end() {
    let slots = Bulkhead::builder("streams").limit(1).build().unwrap();
    let service =
        slots.clone().layer().grpc().layer(service_fn(|()| async {
            Ok::<_, Broken>(Response::new(body(&[Message, Message, Status("0", None)])))
        }));
    let mut first = Box::pin(settled(service.clone().oneshot(())).unwrap().into_body());
    take(first.as_mut(), 2);
    assert_eq!(rejection(&settled(service.clone().oneshot(())).unwrap()).unwrap().why(), Why::Full);
    take(first.as_mut(), 1);
    assert_eq!(slots.in_flight(), 0);

    // And no longer than its holder
    let second = settled(service.oneshot(())).unwrap();
    assert_eq!((rejection(&second), slots.in_flight()), (None, 1));
    drop(second);
    assert_eq!(slots.in_flight(), 0);
}

#[test]
fn defect_28_a_panic_in_a_body_is_one_failure() {
    let (log, slots) = (Log::default(), Bulkhead::builder("panics").limit(1).build().unwrap());
    let layer = guard((Recording::new("call", Does::Admit, &log), slots.clone())).grpc();
    let response = Response::new(body(&[Message, Panic, Status("0", None)]));
    let mut whole = Box::pin(settled(layer.layer(once(response)).oneshot(())).unwrap().into_body());
    assert!(!take(whole.as_mut(), 1));

    // When a caller catches the panic and keeps the body, the call has ended as a failure and does not end again
    assert!(catch_unwind(AssertUnwindSafe(|| take(whole.as_mut(), 1))).is_err());
    assert_eq!((log.take().as_str(), slots.in_flight()), ("call, call Failure", 0));
    take(whole.as_mut(), 2);
    drop(whole);
    assert_eq!((log.take().as_str(), slots.in_flight()), ("", 0));
}

#[test]
fn a_body_stays_what_it_is() {
    // Given an answer with messages, trailers and a header of its own, through three guards
    let slots = Bulkhead::builder("whole").build().unwrap();
    let layer = || slots.clone().layer().grpc();
    let mut response = Response::new(body(&[Message, Message, Status("0", None)]));
    response.headers_mut().insert("x-own", HeaderValue::from_static("1"));
    let service = layer().layer(layer().layer(layer().layer(once(response))));
    let response = settled(service.oneshot(())).unwrap();

    // Then all of it arrives as it was sent
    assert_eq!((response.headers()["x-own"].as_bytes(), slots.in_flight()), (&b"1"[..], 3));
    let collected = settled(response.into_body().collect()).unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(collected.to_bytes().len(), 10);
    assert_eq!(slots.in_flight(), 0);
}
