//! From readiness to refusal, and back.

use super::*;

#[tokio::test(start_paused = true)]
async fn defect_192_readiness_says_no_first_and_calls_are_still_let_in_for_as_long_as_that_takes_to_be_seen() {
    // Given a server that answers at once
    let drain = drain();
    let hello = service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::from("hello"))) });
    let server = drain.clone().layer().http().layer(hello);
    assert_eq!(readiness(&drain).await, (200, "ready\n".into()));
    assert!(!server.clone().oneshot(get("/")).await.unwrap().headers().contains_key("connection"));

    // When it begins to drain
    let (began, report) = (Instant::now(), awaited(&drain));

    // Then readiness says so in that moment, and calls are let in to the last moment of the grace period; answers send
    // clients elsewhere meanwhile
    for _ in 0..50 {
        assert_eq!(readiness(&drain).await, (503, "leaving\n".into()));
        let response = server.clone().oneshot(get("/")).await.unwrap();
        assert_eq!((response.status(), &response.headers()["connection"]), (StatusCode::OK, &"close".parse().unwrap()));
        drop(response);
        advance(GRACE / 50).await;
    }

    // And none after it
    let response = server.clone().oneshot(get("/")).await.unwrap();
    assert_eq!(rejection(&response).map(Rejected::why), Some(Why::Draining));
    assert_eq!(report.await.unwrap().to_string(), "calls ended: 0, cut: 0");
    assert_eq!(Instant::now().since(began), GRACE);
    assert_eq!(readiness(&drain).await, (503, "drained\n".into()));
}

#[tokio::test(start_paused = true)]
async fn defect_195_who_is_not_let_in_is_told_to_go_elsewhere() {
    let drain = builder().grace(Duration::ZERO).build().unwrap();
    let server =
        drain.clone().layer().http().layer(service_fn(|_: Request<String>| async {
            Ok::<_, Infallible>(Response::new(String::from("hello")))
        }));
    drain.begin().await;
    let response = server.oneshot(get("/")).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(response.headers()["retry-after"], "0");
    let rejected = *rejection(&response).unwrap();
    assert_eq!((rejected.by().as_str(), rejected.why()), ("server", Why::Draining));
    assert_eq!(rejected.retry_after(), Some(Duration::ZERO));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("the server is shutting down"));
}

#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_over_grpc_is_told_that_the_server_is_unavailable() {
    let drain = builder().grace(Duration::ZERO).build().unwrap();
    let server =
        drain.clone().layer().grpc().layer(service_fn(|_: Request<String>| async {
            Ok::<_, Infallible>(Response::new(String::from("hello")))
        }));
    drain.begin().await;
    let response = server.clone().oneshot(get("/test.Echo/unary")).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "14");
    assert_eq!(response.headers()["grpc-retry-pushback-ms"], "0");
    assert!(!response.headers().contains_key("connection"), "there is no such thing in HTTP/2");
    // Whoever asks how it is gets an answer.
    let health = server.oneshot(get("/grpc.health.v1.Health/Check")).await.unwrap();
    assert!(rejection(&health).is_none());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_undoes_nothing_and_calls_that_come_keep_the_time() {
    let drain = plain();
    let guard = drain.clone().layer();
    let held = guard.call(&(), pending::<Result<(), ()>>);
    drop(drain.begin());
    assert_eq!(drain.state(), DrainState::Leaving);
    advance(GRACE - Duration::from_millis(1)).await;
    assert_eq!(guard.call(&(), || async { Ok::<_, ()>(()) }).await, Ok(()));
    advance(Duration::from_millis(1)).await;
    assert!(guard.call(&(), || async { Ok::<_, ()>(()) }).await.is_err());
    assert_eq!(drain.state(), DrainState::Draining);

    // Another future goes on from there, and keeps the deadline of the drain that was begun.
    let then = Instant::now();
    assert_eq!(drain.finished().await.cut, 1);
    assert_eq!(Instant::now().since(then), DEADLINE);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn who_begins_again_joins() {
    let drain = plain();
    let _held = drain.hold().unwrap();
    let began = Instant::now();
    let first = awaited(&drain);
    sleep(GRACE + DEADLINE / 2).await;
    let second = awaited(&drain);
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((first, Instant::now().since(began)), (second, GRACE + DEADLINE));
    assert_eq!(drain.begin().now_or_never(), Some(first));
}

#[tokio::test(start_paused = true)]
async fn a_drain_can_be_undone_until_calls_are_cut() {
    // Given a drain that has closed, with a call in flight
    let drain = plain();
    let guard = drain.clone().layer();
    let held = drain.hold().unwrap();
    let finished = awaited(&drain);
    sleep(GRACE).await;
    settle().await;
    assert!(drain.hold().is_err());

    // When it is undone
    assert!(drain.resume());

    // Then calls are let in, and whoever waits for the end waits for the next
    assert_eq!(drain.state(), DrainState::Ready);
    assert_eq!(guard.call(&(), || async { Ok::<_, ()>(()) }).await, Ok(()));
    drop(held);
    sleep(2 * (GRACE + DEADLINE)).await;
    assert!(!finished.is_finished());
    let (began, held) = (Instant::now(), drain.hold().unwrap());
    drop(drain.begin());
    let report = finished.await.unwrap();
    assert_eq!((report.ended, report.cut, Instant::now().since(began)), (0, 1, GRACE + DEADLINE));

    // And a drain whose deadline has cut calls is over for good
    assert!(!drain.resume());
    drop(held);
    assert!(!drain.resume());
    assert_eq!(drain.state(), DrainState::Drained);
}

#[tokio::test(start_paused = true)]
async fn observers_hear_of_each_state_in_order() {
    let drain = Drain::builder("heard-of").grace(GRACE).exempt_nobody().build().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let writes = Arc::clone(&heard);
    let subscription = observe(move |event: &cofferdam::Event| {
        if let What::StateChanged { from, to, .. } = event.what
            && event.by.as_str() == "heard-of"
        {
            writes.lock().unwrap().push((from, to));
        }
    });
    let held = drain.hold().unwrap();
    drop(drain.begin());
    assert!(drain.resume());
    let report = awaited(&drain);
    sleep(GRACE).await;
    settle().await;
    drop(held);
    report.await.unwrap();
    drop(subscription);
    let expected = [
        ("ready", "leaving"),
        ("leaving", "ready"),
        ("ready", "leaving"),
        ("leaving", "draining"),
        ("draining", "drained"),
    ];
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn operators_drain_and_resume_by_name() {
    let drain = drain();
    let control: &dyn Control = &drain;
    assert_eq!((control.name().as_str(), control.state().as_str()), ("server", "ready, 0 in flight"));
    let settings: Vec<_> = control.settings().into_iter().map(|setting| (setting.name, setting.value)).collect();
    assert_eq!(settings, [("grace", "5s".into()), ("deadline", "30s".into())]);
    control.configure("grace", "0s").unwrap();
    assert_eq!(control.configure("deadline", "0s").unwrap_err().field(), "deadline");
    let held = drain.hold().unwrap();
    control.force("drained").unwrap();
    assert_eq!(control.state(), "draining, 1 in flight");
    control.force("ready").unwrap();
    control.force("drained").unwrap();
    assert_eq!(drain.finished().await.cut, 1);
    assert!(control.force("ready").is_err());
    assert!(control.force("sideways").is_err());
    drop(held);
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    for (builder, field) in [
        (builder().grace(century + Duration::from_nanos(1)), "grace"),
        (builder().grace(Duration::MAX), "grace"),
        (builder().deadline(Duration::ZERO), "deadline"),
        (builder().deadline(Duration::MAX), "deadline"),
    ] {
        assert_eq!(builder.build().unwrap_err().field(), field);
    }
    assert_eq!(Drain::builder("").build().unwrap_err().field(), "name");
    let drain = builder().grace(century).deadline(century).build().unwrap();
    drop(drain.begin());
    assert_eq!(drain.state(), DrainState::Leaving);
}

/// A hundred calls a second of 200 ms each, and a drain begins at the twentieth second.
#[tokio::test(start_paused = true)]
async fn s8_a_drain_loses_no_call() {
    let drain = drain();
    let server = drain.clone().layer().http().layer(service_fn(|_: Request<String>| async {
        sleep(Duration::from_millis(100)).await;
        let (feed, body) = fed();
        tokio::spawn(async move {
            sleep(Duration::from_millis(100)).await;
            let _ = feed.send(Bytes::from("whole"));
        });
        Ok::<_, Infallible>(Response::new(body))
    }));
    let start = Instant::now();
    let mut calls = Vec::new();
    let mut report = None;
    while Instant::now().since(start) < Duration::from_secs(40) {
        if Instant::now().since(start) == Duration::from_secs(20) {
            report = Some(awaited(&drain));
        }
        let (at, call) = (Instant::now().since(start), server.clone().oneshot(get("/")));
        calls.push(tokio::spawn(async move {
            let response = call.await.unwrap();
            let (status, hint) = (response.status().as_u16(), response.headers().get("connection").cloned());
            let body = response.into_body().collect().await.map(|body| body.to_bytes());
            (at, status, hint, body.is_ok_and(|body| body == "whole"))
        }));
        sleep(Duration::from_millis(10)).await;
    }
    let (mut served, mut sent_elsewhere) = (0, 0);
    for call in calls {
        let (at, status, hint, whole) = call.await.unwrap();
        if at < Duration::from_secs(25) {
            assert!(status == 200 && whole, "{at:?}: {status}");
            served += 1;
        } else {
            assert_eq!((status, hint), (503, Some("close".parse().unwrap())), "{at:?}");
            sent_elsewhere += 1;
        }
    }
    let report = report.unwrap().await.unwrap();
    assert_eq!((served, sent_elsewhere), (2500, 1500));
    assert_eq!((report.ended, report.cut), (20, 0));
}
