//! What is in flight: waited for, held, or cut at the deadline.

use super::*;

/// A server whose answers are fed by the test.
fn streaming() -> (
    tokio::sync::mpsc::UnboundedReceiver<tokio::sync::mpsc::UnboundedSender<Bytes>>,
    impl Service<Request<String>, Response = Response<Fed>, Error = Infallible, Future: Send> + Clone,
) {
    let (feeds, receiver) = tokio::sync::mpsc::unbounded_channel();
    let service = service_fn(move |_: Request<String>| {
        let (feed, body) = fed();
        feeds.send(feed).unwrap();
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    (receiver, service)
}

#[tokio::test(start_paused = true)]
async fn defect_191_a_body_that_is_still_on_its_way_is_waited_for() {
    // Given a call whose answer has begun
    let (drain, (mut feeds, service)) = (drain(), streaming());
    let server = drain.clone().layer().http().layer(service);
    let mut body = server.oneshot(get("/")).await.unwrap().into_body();
    let feed = feeds.recv().await.unwrap();

    // When it drains
    let report = awaited(&drain);
    sleep(GRACE + Duration::from_secs(20)).await;

    // Then it is not over while the body goes on, and the body loses nothing
    for part in ["one", "two"] {
        feed.send(Bytes::from(part)).unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!((frame.into_data().unwrap(), drain.state()), (Bytes::from(part), DrainState::Draining));
    }
    settle().await;
    assert!(!report.is_finished());
    drop(feed);
    assert!(body.frame().await.is_none());
    let report = report.await.unwrap();
    assert_eq!((report.ended, report.cut, drain.state()), (1, 0, DrainState::Drained));
}

#[tokio::test(start_paused = true)]
async fn defect_189_at_the_deadline_what_is_left_is_ended_and_counted() {
    // Given a call that hangs before its answer, and one whose body stalls
    let drain = drain();
    let (service, mut calls) = controlled::<Request<String>, Response<Fed>>();
    let server = drain.clone().layer().http().layer(service);
    let hangs = tokio::spawn(server.clone().oneshot(get("/hangs")));
    let mut hanging = calls.recv().await.unwrap();
    let stalls = tokio::spawn(server.clone().oneshot(get("/stalls")));
    let (feed, body) = fed();
    feed.send(Bytes::from("part")).unwrap();
    calls.recv().await.unwrap().answer(Ok(Response::new(body)));
    let mut stalling = stalls.await.unwrap().unwrap().into_body();
    let stalls = tokio::spawn(async move {
        let first = stalling.frame().await.unwrap().unwrap().into_data().unwrap();
        (first, stalling.frame().await.unwrap().unwrap_err(), stalling.frame().await.is_none())
    });

    // When it drains
    let (began, report) = (Instant::now(), awaited(&drain));
    let report = report.await.unwrap();

    // Then the drain is over at the deadline, and says how many calls were cut
    assert_eq!(Instant::now().since(began), GRACE + DEADLINE);
    assert_eq!((report.ended, report.cut, drain.state()), (0, 2, DrainState::Drained));

    // And those calls have ended: one in an answer, as it had none, and the other in an error
    let response = hangs.await.unwrap().unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["connection"]), (503, &"close".parse().unwrap()));
    assert_eq!(rejection(&response).map(Rejected::why), Some(Why::Cut));
    hanging.dropped().await;
    let (first, error, over) = stalls.await.unwrap();
    assert_eq!(first, "part");
    assert_eq!(Rejected::find(error.as_ref()).map(Rejected::why), Some(Why::Cut));
    assert!(over, "nothing follows");
    feed.closed().await;
    drop(response);
    assert_eq!(drain.in_flight(), 0);
}

#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn a_grpc_stream_that_is_cut_ends_in_trailers() {
    let (drain, (mut feeds, service)) = (drain(), streaming());
    let server = drain.clone().layer().grpc().layer(service);
    let mut body = server.oneshot(get("/test.Echo/stream")).await.unwrap().into_body();
    let feed = feeds.recv().await.unwrap();
    feed.send(Bytes::from("message")).unwrap();
    assert!(body.frame().await.unwrap().unwrap().is_data());
    let rest = tokio::spawn(async move { (body.frame().await.unwrap().unwrap(), body.frame().await.is_none()) });
    assert_eq!(awaited(&drain).await.unwrap().cut, 1);
    let (frame, over) = rest.await.unwrap();
    let trailers = frame.into_trailers().unwrap();
    assert_eq!((trailers["grpc-status"].to_str().unwrap(), over), ("14", true));
    assert!(!trailers.contains_key("grpc-retry-pushback-ms"), "it was begun, so only its sender knows");
    assert_eq!(drain.in_flight(), 0);
}

/// A call that never ends, under any group of policies.
async fn is_cut<P>(what: &str, drain: &Drain<Nobody>, policy: P)
where
    P: Policy<Kind = cofferdam::Immediate<Cutting>, Token: Send> + cofferdam::Admit<()> + Send + Sync + 'static,
{
    let call = tokio::spawn(policy.layer().call(&(), pending::<Result<(), ()>>));
    settle().await;
    let report = drain.begin().await;
    assert_eq!((report.ended, report.cut), (0, 1), "{what}");
    match call.await.unwrap() {
        Err(Refused::Rejected(rejected)) => assert_eq!((rejected.why(), rejected.retry_after()), (Why::Cut, None)),
        other => panic!("{what}: {other:?}"),
    }
    assert_eq!(drain.in_flight(), 0, "{what}");
}

#[tokio::test(start_paused = true)]
async fn calls_are_cut_in_any_group() {
    let breaker = || CircuitBreaker::builder("server").build().unwrap();
    let slots = || Bulkhead::builder("server").build().unwrap();
    let new = plain();
    is_cut("alone", &new, new.clone()).await;
    let new = plain();
    is_cut("first of a group", &new, (new.clone(), breaker(), slots())).await;
    let new = plain();
    is_cut("last of a group", &new, (breaker(), (slots(), new.clone()))).await;
    let new = plain();
    is_cut("optional", &new, Some(new.clone())).await;
    let new = plain();
    is_cut("shared", &new, Arc::new(new.clone())).await;
}

#[tokio::test(start_paused = true)]
async fn a_plain_service_is_cut_with_an_error_that_tells_and_its_call_counts_as_neither_good_nor_bad() {
    let (drain, breaker) = (plain(), CircuitBreaker::builder("inner").build().unwrap());
    let service = guard((breaker.clone(), drain.clone())).layer(service_fn(|()| pending::<Result<(), BoxError>>()));
    let call = tokio::spawn(service.oneshot(()));
    settle().await;
    drain.begin().await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).map(Rejected::why), Some(Why::Cut));
    assert_eq!(breaker.counts().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_shadow_counts_and_cuts_nothing() {
    let drain = plain();
    let call = tokio::spawn(Shadow::new(drain.clone()).layer().call(&(), pending::<Result<(), ()>>));
    settle().await;
    assert_eq!(drain.begin().await.cut, 1);
    settle().await;
    assert!(!call.is_finished());
    call.abort();
}

#[tokio::test(start_paused = true)]
async fn a_call_under_a_line_is_cut_while_its_service_is_made_ready() {
    // Given a call that has waited for its turn, and whose own clone of the service is never ready
    let (drain, slots) = (plain(), Bulkhead::builder("line").limit(1).queue(1).build().unwrap());
    let mut service = guard((drain.clone(), slots.clone())).layer(NeverReady { ready: true });
    let first = service.ready().await.unwrap().call(());
    let mut second = Box::pin(service.call(()));
    assert!(poll(second.as_mut()).is_pending());
    drop(first);
    assert!(poll(second.as_mut()).is_pending());
    assert_eq!((drain.in_flight(), slots.in_flight()), (1, 1));

    // Then it is cut as any other
    let second = tokio::spawn(second);
    settle().await;
    assert_eq!(drain.begin().await.cut, 1);
    let error = second.await.unwrap().unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).map(Rejected::why), Some(Why::Cut));
    assert_eq!((drain.in_flight(), slots.in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_moves_to_another_task_is_woken_where_it_is() {
    let drain = plain();
    let mut call = Box::pin(drain.clone().layer().call(&(), pending::<Result<(), ()>>));
    let (before, after) = (Arc::new(CountingWaker::default()), Arc::new(CountingWaker::default()));
    for waker in [&before, &before, &after, &after] {
        assert!(poll_with(call.as_mut(), waker).is_pending());
    }
    drain.begin().await;
    assert_eq!((before.wakes(), after.wakes()), (0, 1));
    assert!(poll_with(call.as_mut(), &after).is_ready());
    assert_eq!(Arc::strong_count(&before) + Arc::strong_count(&after), 2, "nobody keeps a waker");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_last_call_wakes_whoever_waits_once() {
    let drain = builder().grace(Duration::ZERO).exempt_nobody().build().unwrap();
    let guard = drain.clone().layer();
    let calls: Vec<_> = (0..3).map(|_| guard.call(&(), pending::<Result<(), ()>>)).collect();
    let waker = Arc::new(CountingWaker::default());
    let mut finished = pin!(drain.begin());
    assert!(poll_with(finished.as_mut(), &waker).is_pending());
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(waker.wakes(), 0, "{n} of 3");
        drop(call);
    }
    assert_eq!(waker.wakes(), 1);
    assert_eq!(poll_with(finished.as_mut(), &waker).map(|drained| drained.ended), std::task::Poll::Ready(3));
}

#[tokio::test(start_paused = true)]
async fn what_lasts_longer_than_its_answer_can_be_held() {
    let drain = builder().grace(Duration::ZERO).build().unwrap();
    let (first, second) = (drain.hold().unwrap(), drain.hold().unwrap());
    let report = awaited(&drain);
    settle().await;
    assert_eq!(drain.hold().unwrap_err().why(), Why::Draining);
    drop(first);
    settle().await;
    assert!(!report.is_finished());
    drop(second);
    assert_eq!(report.await.unwrap().ended, 2);
}
