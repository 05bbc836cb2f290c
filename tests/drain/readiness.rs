//! Health checks, readiness, and services that are not ready.

use super::*;

#[tokio::test(start_paused = true)]
async fn defect_161_health_checks_are_let_in_at_any_time_up_to_what_health_checks_are() {
    let drain = builder().grace(Duration::ZERO).build().unwrap();
    let (service, mut calls) = controlled::<Request<String>, Response<String>>();
    let server = drain.clone().layer().http().layer(service);
    drain.begin().await;
    // Sixteen at a time are let in, and the drain is over all the same
    let mut checks: Vec<_> = (0..17).map(|_| Box::pin(server.clone().oneshot(get("/healthz")))).collect();
    let rejected = checks.iter_mut().filter_map(|check| check.as_mut().now_or_never()).count();
    assert_eq!((rejected, drain.in_flight(), drain.state()), (1, 0, DrainState::Drained));
    // Who asks for something else is not
    assert_eq!(server.clone().oneshot(get("/")).await.unwrap().status(), 503);
    for check in &mut checks[..16] {
        calls.recv().await.unwrap().answer(Ok(Response::new(String::new())));
        assert!(check.await.unwrap().status().is_success());
    }
    let later = tokio::spawn(server.oneshot(get("/healthz")));
    calls.recv().await.unwrap().answer(Ok(Response::new(String::new())));
    assert!(later.await.unwrap().unwrap().status().is_success());
}

#[tokio::test(start_paused = true)]
async fn readiness_is_answered_under_any_load() {
    // Given a server that sheds load, with nothing but readiness behind it, and whose only slot is taken
    let (drain, limit) = (drain(), AdaptiveLimit::builder("server").initial_limit(1).min_limit(1).max_limit(1));
    let shed: LoadShed<_, _> = LoadShed::builder(limit.deadline().build().unwrap()).max_queue(1).build().unwrap();
    let server = guard((drain.clone(), shed.clone())).http().layer(drain.readiness());
    let hangs = service_fn(|_: Request<String>| pending::<Result<Response<String>, Infallible>>());
    let mut calls: Vec<_> =
        // Of one task, so that none takes another's place.
        (0..3)
            .map(|_| {
                let mut request = get("/");
                request.set_task(TaskKey::of("one"));
                Box::pin(shed.clone().layer().http().layer(hangs).oneshot(request))
            })
            .collect();
    let answered = calls.iter_mut().filter_map(|call| call.as_mut().now_or_never()).count();
    assert_eq!(answered, 1, "one is in flight, one waits, and one is shed");
    // Then readiness is told, before and after
    assert_eq!(server.clone().oneshot(get("/readyz")).await.unwrap().status(), 200);
    drop(drain.begin());
    let response = server.oneshot(get("/readyz")).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(rejection(&response).is_none(), "it is the answer of readiness");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_service_that_is_never_ready_is_told() {
    let drain = plain();
    let mut service = drain.clone().layer().layer(NeverReady { ready: false });
    let waiting = tokio::spawn(async move { service.ready().await?.call(()).await });
    settle().await;
    assert!(!waiting.is_finished());
    drain.begin().await;
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).map(Rejected::why), Some(Why::Draining));
}
