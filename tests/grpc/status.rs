//! Where the status is, and what it means.

use super::*;

#[test]
fn defect_216_a_status_means_the_same_in_the_head_and_in_the_trailers() {
    let cases = [
        ("0", None, "Success"),
        ("1", None, "Ignored"),
        ("2", None, "Failure"),
        ("3", None, "Success"),
        ("4", None, "Failure"),
        ("5", None, "Success"),
        ("6", None, "Success"),
        ("7", None, "Success"),
        ("8", None, "Overload"),
        ("9", None, "Success"),
        ("10", None, "Success"),
        ("11", None, "Success"),
        ("12", None, "Success"),
        ("13", None, "Failure"),
        ("14", None, "Failure"),
        ("14", Some("100"), "Overload"),
        ("14", Some("0"), "Overload"),
        ("14", Some("-1"), "Failure"),
        ("14", Some("soon"), "Failure"),
        ("13", Some("100"), "Failure"),
        ("15", None, "Failure"),
        ("16", None, "Success"),
        ("17", None, "Failure"),
        ("-1", None, "Failure"),
        ("256", None, "Failure"),
        ("OK", None, "Failure"),
        ("", None, "Failure"),
    ];
    let log = Log::default();
    for (status, pushback, outcome) in cases {
        // In a head that is all there is, the call has ended when it comes
        drop(through(&log, answer(metadata(status, pushback), nothing())));
        assert_eq!(log.take(), format!("call, call {outcome}"), "{status:?} in the head, {pushback:?}");

        // In trailers it ends with them
        let steps = [Message, Status(status, pushback)].to_vec().leak();
        let mut whole = pin!(through(&log, Response::new(body(steps))).into_body());
        take(whole.as_mut(), 1);
        assert_eq!(log.take(), "call", "{status:?}");
        take(whole.as_mut(), 1);
        assert_eq!(log.take(), format!("call {outcome}"), "{status:?} in the trailers, {pushback:?}");
    }
}

#[test]
fn defect_216_an_answer_without_a_status_is_a_failure() {
    let log = Log::default();
    // (what it is, the answer, frames to take before its end is known)
    let cases = [
        ("a head and nothing else", Response::new(nothing()), 0),
        ("a body without an end", Response::new(body(&[])), 1),
        ("messages and no trailers", Response::new(body(&[Message, Message])), 3),
        ("trailers that say nothing", Response::new(body(&[Message, Trailers])), 2),
        (
            "a body that knows its end",
            Response::new(Full::new(Bytes::from_static(b"x")).map_err(|never| match never {}).boxed_unsync()),
            1,
        ),
    ];
    for (what, response, frames) in cases {
        let mut whole = pin!(through(&log, response).into_body());
        let soon = frames.max(1) - 1;
        take(whole.as_mut(), soon);
        assert_eq!(log.take(), if frames == 0 { "call, call Failure" } else { "call" }, "{what}");
        take(whole.as_mut(), frames - soon);
        assert_eq!(log.take(), if frames == 0 { "" } else { "call Failure" }, "{what}");
    }
}

#[test]
fn defect_216_what_is_no_grpc_answer_is_a_failure_unless_it_has_a_status() {
    let log = Log::default();
    for status in [100, 204, 301, 404, 429, 500, 502, 503] {
        let mut response = Response::new(body(&[Message]));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        drop(through(&log, response));
        assert_eq!(log.take(), "call, call Failure", "{status}");
    }
    let mut response = answer(metadata("5", None), nothing());
    *response.status_mut() = http::StatusCode::NOT_FOUND;
    drop(through(&log, response));
    assert_eq!(log.take(), "call, call Success");
}

#[test]
fn an_error_of_the_service_is_a_failure() {
    let log = Log::default();
    let layer = Recording::new("call", Does::Admit, &log).layer().grpc();
    let service = layer.layer(service_fn(|()| async { Err::<Response<Boxed>, _>(Broken) }));
    assert!(settled(service.oneshot(())).is_err());
    assert_eq!(log.take(), "call, call Failure");
}

#[test]
fn an_error_of_the_service_is_what_you_say() {
    let log = Log::default();
    let protocol = Grpc::new().classify_errors(|_: &Broken| Outcome::Ignored);
    let layer = Recording::new("call", Does::Admit, &log).layer().protocol(protocol);
    let service = layer.layer(service_fn(|()| async { Err::<Response<Boxed>, _>(Broken) }));
    assert!(settled(service.oneshot(())).is_err());
    assert_eq!(log.take(), "call, call Ignored");
}

#[test]
fn a_status_means_what_you_say() {
    // Given a classification of one's own, by status and by what comes with it
    let by = |code: Code, metadata: &HeaderMap| match code {
        Code::NotFound => Outcome::Failure,
        Code::Ok if metadata.contains_key("grpc-retry-pushback-ms") => Outcome::Overload,
        Code::Unknown => Outcome::Ignored,
        _ => ByCode.classify(code, metadata),
    };
    let log = Log::default();
    let whole = |response| {
        let layer = Recording::new("call", Does::Admit, &log).layer().protocol(Grpc::new().classify(by));
        let mut body = pin!(settled(layer.layer(once(response)).oneshot(())).unwrap().into_body());
        take(body.as_mut(), 2);
        log.take()
    };
    assert_eq!(whole(answer(metadata("5", None), nothing())), "call, call Failure");
    assert_eq!(whole(Response::new(body(&[Status("5", None)]))), "call, call Failure");
    assert_eq!(whole(Response::new(body(&[Status("0", Some("5"))]))), "call, call Overload");
    assert_eq!(whole(Response::new(body(&[Status("0", None)]))), "call, call Success");
    // An answer without a status is unknown, in the head and at the end
    assert_eq!(whole(Response::new(nothing())), "call, call Ignored");
    assert_eq!(whole(Response::new(body(&[]))), "call, call Ignored");
}

#[test]
fn a_classification_that_panics_harms_only_its_own_call() {
    let (log, slots) = (Log::default(), Bulkhead::builder("panics").limit(1).build().unwrap());
    let classify = |_: Code, _: &HeaderMap| -> Outcome { panic!("the classification's own") };
    let layer =
        guard((Recording::new("call", Does::Admit, &log), slots.clone())).protocol(Grpc::new().classify(classify));
    for response in [answer(metadata("0", None), nothing()), Response::new(body(&[Status("0", None)]))] {
        let service = layer.layer(once(response));
        let call = || take(pin!(settled(service.oneshot(())).unwrap().into_body()), 1);
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        assert_eq!((log.take().as_str(), slots.in_flight()), ("call, call Abandoned", 0));
    }
}

#[test]
fn what_is_asked_for_is_read_from_bad_answers_only() {
    for (status, asked) in [("0", None), ("5", None), ("1", None), ("8", Some(5)), ("13", Some(5)), ("14", Some(5))] {
        let response = answer(metadata(status, Some("5")), nothing());
        let reading = Protocol::<_, Broken>::read(&Grpc::new(), Ok(&response));
        assert_eq!(reading.retry_after, asked.map(Duration::from_millis), "{status}");
    }
}
