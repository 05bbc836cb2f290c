//! How rejections are worded, and what others make of them.

use super::*;

/// An answer of a service that is not reached.
async fn unreached(_: ()) -> Result<Response<Full<Bytes>>, BoxError> {
    unreachable!("rejected calls are not made")
}

#[test]
fn a_rejection_is_a_problem_that_names_nobody() {
    // Given a breaker that is open for a known time, one that is forced, and a full bulkhead
    let opened = CircuitBreaker::builder("secret-dependency")
        .consecutive_failures(1)
        .open_time(Duration::from_millis(2500))
        .open_time_jitter(0.0)
        .build()
        .unwrap();
    let failing = opened.clone().layer();
    drop(settled(failing.call(&(), || async { Err::<(), _>(Broken) })));
    let forced = CircuitBreaker::builder("secret-dependency").build().unwrap();
    forced.force_open();
    let full = Bulkhead::builder("secret-dependency").limit(1).build().unwrap();
    let holding = full.clone().layer();
    let _held = holding.call(&(), std::future::pending::<Result<(), Broken>>);

    let cases = [
        (
            settled(opened.layer().http().layer(service_fn(unreached)).oneshot(())).map(BoxedAny::boxed_any),
            Why::Open,
            Some(3),
        ),
        (
            settled(forced.layer().http().layer(service_fn(unreached)).oneshot(())).map(BoxedAny::boxed_any),
            Why::Open,
            None,
        ),
        (
            settled(full.layer().http().layer(service_fn(unreached)).oneshot(())).map(BoxedAny::boxed_any),
            Why::Full,
            None,
        ),
    ];
    for (response, why, retry_after) in cases {
        let response = response.unwrap();
        // Then it is a 503, with the time after which to try again rounded up to whole seconds if it is known
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let asked =
            response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
        assert_eq!(asked, retry_after, "{why:?}");

        // Whoever is in the same process finds the rejection itself
        let rejected = *rejection(&response).unwrap();
        assert_eq!((rejected.by().as_str(), rejected.why()), ("secret-dependency", why));

        // And whoever is not gets a problem that says what happened and not to whom
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert!(!response.body().is_end_stream());
        let size = response.body().size_hint().exact();
        let body = settled(response.into_body().collect()).unwrap().to_bytes();
        assert_eq!(size, Some(body.len() as u64));
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], 503);
        assert_eq!(problem["title"], "Service Unavailable");
        assert_eq!(problem["detail"], why.as_str());
    }
}

#[test]
fn a_rejection_is_worded_as_you_say() {
    // Given a wording of one's own
    let forced = CircuitBreaker::builder("worded").build().unwrap();
    forced.force_open();
    let wording = |rejected: &Rejected| {
        let mut response = Response::new(Bytes::from(format!("busy: {}", rejected.why())));
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response
    };
    let layer = forced.clone().layer().protocol(Http::new().wording(wording));
    let response = settled(layer.layer(service_fn(unreached)).oneshot(())).unwrap();

    // Then that is the answer, and the rejection is in it all the same
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(rejection(&response).unwrap().by().as_str(), "worded");
    assert_eq!(settled(response.into_body().collect()).unwrap().to_bytes(), "busy: the circuit is open");

    // An empty one is a body that has ended
    let layer = forced.clone().layer().protocol(Http::new().wording(|_: &Rejected| Response::new(Bytes::new())));
    assert!(settled(layer.layer(service_fn(unreached)).oneshot(())).unwrap().body().is_end_stream());

    // And where errors are preferred, it is an error, which guards further out know for what it is
    let outer = CircuitBreaker::builder("outer").build().unwrap();
    let inner = forced.layer().protocol(Http::new().errors()).layer(service_fn(unreached));
    let service = outer.clone().layer().protocol(Http::new().errors()).layer(inner);
    let error = settled(service.oneshot(())).map(drop).unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().by().as_str(), "worded");
    assert_eq!(outer.counts().calls, 0);
}

#[test]
fn a_rejection_further_in_says_nothing_about_the_dependency() {
    // Given a breaker around another guard, which rejects with a 503
    let log = Log::default();
    let full = Recording::new("inner", Does::Reject, &log).layer().http().layer(service_fn(unreached));
    let service = Recording::new("outer", Does::Admit, &log).layer().http().layer(full);
    let response = settled(service.oneshot(())).unwrap();

    // Then it is ignored, whether its body is read or not
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(log.take(), "outer, inner rejects");
    drop(response);
    assert_eq!(log.take(), "outer Ignored");
}
