//! How rejections are worded, and what others make of them.

use super::*;

/// A policy that says no, always and in that way.
struct Refusing(Rejected);

impl Policy for Refusing {
    type Kind = Immediate;
    type Token = ();

    fn settle(&self, (): (), _: &Ended) {}

    fn undo(&self, (): (), _: Instant) {}
}

impl<R> Admit<R> for Refusing {
    fn admit(&self, _: &R, _: Instant) -> Result<(), Rejected> {
        Err(self.0)
    }
}

async fn unreached(_: ()) -> Result<Response<Boxed>, BoxError> {
    panic!("a rejected call was made")
}

#[test]
fn defect_145_a_rejection_is_a_status_and_nothing_else() {
    // (why, the status, what is asked for where no time is known)
    let cases = [
        (Why::Open, "14", None),
        (Why::Probing, "14", None),
        (Why::Ramping, "14", None),
        (Why::Full, "14", Some("100")),
        (Why::Waited, "14", Some("100")),
        (Why::Displaced, "14", Some("100")),
        (Why::Shed, "14", Some("100")),
        (Why::Throttled, "14", Some("100")),
        (Why::Crowded, "14", Some("100")),
        (Why::Refused, "14", None),
        (Why::TimedOut, "4", None),
        (Why::DeadlineExceeded, "4", None),
        (Why::Expired, "4", None),
    ];
    for (why, status, soon) in cases {
        let plain = Rejected::new(Name::new("secret-dependency").unwrap(), why);
        for (rejected, pushback) in [
            (plain, soon),
            (plain.with_retry_after(Duration::ZERO), Some("0")),
            (plain.with_retry_after(Duration::from_micros(1500)), Some("2")),
            (plain.with_retry_after(Duration::MAX), Some("4294967294")),
        ] {
            let service = Refusing(rejected).layer().grpc().layer(service_fn(unreached));
            let response = settled(service.oneshot(())).unwrap();

            // To whoever is at the other end it is a status, in words that name nobody
            assert_eq!(response.status(), http::StatusCode::OK);
            let headers = response.headers();
            assert_eq!(headers["content-type"], "application/grpc");
            assert_eq!(headers["grpc-status"], status, "{why:?}");
            assert_eq!(headers["grpc-message"], why.as_str());
            assert_eq!(headers.get("grpc-retry-pushback-ms").map(|value| value.to_str().unwrap()), pushback);
            assert_eq!(headers.len(), 3 + usize::from(pushback.is_some()));

            // That is all there is
            assert!(response.body().is_end_stream());
            assert_eq!(response.body().size_hint().exact(), Some(0));

            // And in the same process it is itself
            assert_eq!(rejection(&response), Some(&rejected));
            assert!(settled(response.into_body().frame()).is_none());
        }
    }
}

#[test]
fn whoever_has_no_room_is_overloaded_to_those_in_other_processes() {
    for why in [Why::Full, Why::Waited, Why::Displaced, Why::Shed, Why::Throttled, Why::Crowded, Why::RateLimited] {
        let full = Refusing(Rejected::new(Name::new("full").unwrap(), why)).layer().grpc();
        let mut response = settled(full.layer(service_fn(unreached)).oneshot(())).unwrap();
        // What does not leave the process
        response.extensions_mut().clear();
        let reading = Protocol::<_, Broken>::read(&Grpc::new(), Ok(&response));
        assert_eq!(reading.outcome, Outcome::Overload, "{why:?}");
    }
}

#[test]
fn a_rejection_is_worded_as_you_say() {
    let full = Refusing(Rejected::new(Name::new("worded").unwrap(), Why::Full));

    // Given a wording of one's own
    let busy = |rejected: &Rejected| trailers_only(Code::ResourceExhausted, "100 % busy", rejected.retry_after());
    let layer = full.layer().protocol(Grpc::new().wording(busy));
    let response = settled(layer.layer(service_fn(unreached)).oneshot(())).unwrap();
    assert_eq!(
        (&response.headers()["grpc-status"], &response.headers()["grpc-message"]),
        (&HeaderValue::from_static("8"), &HeaderValue::from_static("100 %25 busy"))
    );
    assert_eq!(rejection(&response).unwrap().by().as_str(), "worded");

    // And where errors are preferred, it is an error, which guards further out know for what it is
    let (log, full) = (Log::default(), Recording::new("inner", Does::Reject, &Log::default()));
    let inner = full.layer().protocol(Grpc::new().errors()).layer(service_fn(unreached));
    let outer = Recording::new("outer", Does::Admit, &log).layer().protocol(Grpc::new().errors());
    let error = settled(outer.layer(inner).oneshot(())).map(drop).unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().by().as_str(), "inner");
    assert_eq!(log.take(), "outer, outer Ignored");
}

#[test]
fn a_rejection_further_in_says_nothing_about_the_dependency_but_for_a_timeout() {
    for (why, end) in [(Why::Open, "Ignored"), (Why::Full, "Ignored"), (Why::TimedOut, "Failure")] {
        let log = Log::default();
        let inner = Refusing(Rejected::new(Name::new("inner").unwrap(), why)).layer().grpc();
        let service =
            Recording::new("outer", Does::Admit, &log).layer().grpc().layer(inner.layer(service_fn(unreached)));
        drop(settled(service.oneshot(())).unwrap());
        assert_eq!(log.take(), format!("outer, outer {end}"), "{why:?}");
    }

    // Nor is it anything new that another protocol says: HTTP reads it alike
    let log = Log::default();
    let inner = Refusing(Rejected::new(Name::new("inner").unwrap(), Why::Open)).layer().grpc();
    let service = Recording::new("outer", Does::Admit, &log).layer().http().layer(inner.layer(service_fn(unreached)));
    drop(settled(service.oneshot(())).unwrap());
    assert_eq!(log.take(), "outer, outer Ignored");
}

#[test]
fn a_fallback_answers_for_a_bad_head_and_hides_nothing_from_guards() {
    let log = Log::default();
    let through = |response: Response<Boxed>| {
        let replica = service_fn(|()| async { Ok(Response::new(body(&[Message, Status("0", None)]))) });
        let fallback = Fallback::service(|(): &()| (), replica).grpc().on([Cause::Failure, Cause::Overload]);
        let layer = Recording::new("call", Does::Admit, &log).layer().grpc();
        let response = settled(layer.layer(fallback.layer(once(response))).oneshot(())).unwrap();
        let degraded = response.extensions().get::<Degraded>().map(|degraded| degraded.outcome);
        // The good status of the answer in its place changes nothing about the call.
        take(pin!(response.into_body()), 3);
        (degraded, log.take())
    };

    // What has failed in its head is answered from elsewhere; guards further out see that it failed
    let bad = through(answer(metadata("13", None), nothing()));
    assert_eq!(bad, (Some(Outcome::Failure), "call, call Failure".into()));
    let bad = through(Response::new(nothing()));
    assert_eq!(bad, (Some(Outcome::Failure), "call, call Failure".into()));
    let bad = through(answer(metadata("8", None), nothing()));
    assert_eq!(bad, (Some(Outcome::Overload), "call, call Overload".into()));

    // What is good, or not yet known to be bad, passes
    assert_eq!(through(answer(metadata("5", None), nothing())), (None, "call, call Success".into()));
    let late = through(Response::new(body(&[Message, Status("13", None)])));
    assert_eq!(late, (None, "call, call Failure".into()));
}
