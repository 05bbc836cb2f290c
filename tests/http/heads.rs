//! What the head of a response says.

use super::*;

#[test]
fn defect_215_what_a_status_means_to_a_breaker() {
    // (status, what was counted: calls and failures among them)
    let cases = [
        (200, (1, 0)),
        (204, (1, 0)),
        (301, (1, 0)),
        (400, (1, 0)),
        (404, (1, 0)),
        (429, (1, 1)),
        (500, (1, 1)),
        (502, (1, 1)),
        (503, (1, 1)),
        (504, (1, 1)),
        (599, (1, 1)),
    ];
    for (status, (calls, failures)) in cases {
        let breaker = CircuitBreaker::builder("statuses").build().unwrap();
        let answer = move |(): ()| async move {
            Ok::<_, Broken>(Response::builder().status(status).body(Full::<Bytes>::default()).unwrap())
        };
        let service = breaker.clone().layer().http().layer(service_fn(answer));
        assert_eq!(settled(service.oneshot(())).unwrap().status().as_u16(), status);
        let Counts { calls: counted, failures: failed, .. } = breaker.counts();
        assert_eq!((counted, failed), (calls, failures), "{status}");
    }

    // What policies are told: overload is not failure
    let log = Log::default();
    for (status, outcome) in
        [(200, "Success"), (404, "Success"), (429, "Overload"), (500, "Failure"), (503, "Overload")]
    {
        drop(through(Http::new(), &log, status, HandMade::that_knows_its_end(&[])));
        assert_eq!(log.take(), format!("call, call {outcome}"), "{status}");
    }

    // And an error of the service is a failure in any case.
    let layer = Recording::new("call", Does::Admit, &log).layer().http();
    let service = layer.layer(service_fn(|(): ()| async { Err::<Response<Full<Bytes>>, _>(Broken) }));
    assert!(settled(service.oneshot(())).is_err());
    assert_eq!(log.take(), "call, call Failure");
}

#[test]
fn defect_215_500s_trip_a_breaker_and_404s_do_not() {
    for (status, state) in [(500, BreakerState::Open), (404, BreakerState::Closed)] {
        let breaker = CircuitBreaker::builder("statuses").build().unwrap();
        let answer = move |(): ()| async move {
            Ok::<_, Broken>(Response::builder().status(status).body(Full::<Bytes>::default()).unwrap())
        };
        let service = breaker.clone().layer().http().layer(service_fn(answer));
        for _ in 0..10 {
            drop(settled(service.clone().oneshot(())));
        }
        assert_eq!(breaker.state(), state, "{status}");
    }
}

#[test]
fn a_status_means_what_you_say() {
    // Given a classification of one's own, by status and headers
    let by = |status: StatusCode, headers: &HeaderMap| match status.as_u16() {
        501 => Outcome::Success,
        200 if headers.contains_key("x-error") => Outcome::Failure,
        404 => Outcome::Overload,
        418 => Outcome::Ignored,
        500.. => Outcome::Failure,
        _ => Outcome::Success,
    };
    let log = Log::default();
    for (status, outcome) in [(501, "Success"), (404, "Overload"), (418, "Ignored"), (503, "Failure"), (200, "Success")]
    {
        drop(through(Http::new().classify(by), &log, status, HandMade::that_knows_its_end(&[])));
        assert_eq!(log.take(), format!("call, call {outcome}"), "{status}");
    }
    let layer = Recording::new("call", Does::Admit, &log).layer().protocol(Http::new().classify(by));
    let service = layer.layer(service_fn(|(): ()| async {
        Ok::<_, Broken>(Response::builder().header("x-error", "1").body(Full::<Bytes>::default()).unwrap())
    }));
    drop(settled(service.oneshot(())));
    assert_eq!(log.take(), "call, call Failure");
}

#[cfg(feature = "test-util")]
#[tokio::test(start_paused = true)]
async fn a_slow_body_is_not_a_slow_call_but_a_slow_head_is() {
    use tokio::time::advance;

    // Given a breaker to whom a second is slow
    let breaker = CircuitBreaker::builder("slow")
        .slow_calls(Duration::from_secs(1), 1.0)
        .window(Duration::from_secs(3600))
        .build()
        .unwrap();
    let service = |head: Duration| {
        breaker.clone().layer().http().layer(service_fn(move |(): ()| async move {
            tokio::time::sleep(head).await;
            Ok::<_, Broken>(Response::new(HandMade::new(&[Step::Data])))
        }))
    };

    // When the head is there at once and the body takes a minute
    let body = service(Duration::ZERO).oneshot(()).await.unwrap().into_body();
    advance(Duration::from_secs(60)).await;
    assert!(body.collect().await.is_ok());
    assert_eq!((breaker.counts().calls, breaker.counts().slow), (1, 0));

    // And when somebody lets go of it after that minute, who wanted no more than the status
    let body = service(Duration::ZERO).oneshot(()).await.unwrap().into_body();
    advance(Duration::from_secs(60)).await;
    drop(body);
    assert_eq!((breaker.counts().calls, breaker.counts().slow), (2, 0));

    // And when the head takes that second
    let body = service(Duration::from_secs(1)).oneshot(()).await.unwrap().into_body();
    assert!(body.collect().await.is_ok());
    assert_eq!((breaker.counts().calls, breaker.counts().slow), (3, 1));
}
