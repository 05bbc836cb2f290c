//! A drain in one group with a line: who waits in it has been let in.

use super::*;

fn slots(name: &str) -> Bulkhead<cofferdam::bulkhead::Queue> {
    Bulkhead::builder(name).limit(1).queue(4).max_wait(Duration::from_secs(600)).build().unwrap()
}

/// Whether each of these groups lets a call in that waited while the drain closed, and the drain waits for it.
async fn comes_to_its_end<P>(what: &str, drain: &Drain<Nobody>, policy: P)
where
    P: Policy<Token: Send> + Clone + Send + Sync + 'static,
    P: cofferdam::Admit<u32>,
    P::Kind: cofferdam::Run<support::Controlled<u32, ()>, u32, P, cofferdam::Plain, Future: Send>,
{
    // Given a call in the only slot, and one in line for it
    let (service, mut calls) = controlled::<u32, ()>();
    let service = policy.layer().layer(service);
    let first = tokio::spawn(service.clone().oneshot(1));
    let first_call = calls.recv().await.unwrap();
    let second = tokio::spawn(service.clone().oneshot(2));
    settle().await;
    assert_eq!(drain.in_flight(), 2, "{what}: who waits counts");

    // When the drain closes, and then the slot becomes free
    let report = awaited(drain);
    sleep(GRACE + Duration::from_secs(1)).await;
    assert_eq!(drain.state(), DrainState::Draining, "{what}");
    assert!(service.oneshot(3).await.is_err(), "{what}: nobody else gets in");
    first_call.answer(Ok(()));
    first.await.unwrap().unwrap();

    // Then it is the turn of the one who waited, for whose end the drain waits
    let second_call = calls.recv().await.unwrap();
    settle().await;
    assert!(!report.is_finished(), "{what}");
    second_call.answer(Ok(()));
    second.await.unwrap().unwrap();
    let report = report.await.unwrap();
    assert_eq!((report.ended, report.cut, drain.in_flight()), (2, 0, 0), "{what}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_line_is_waited_for_in_any_group() {
    let new = plain();
    comes_to_its_end("before the line", &new, (new.clone(), slots("line"))).await;
    let new = plain();
    comes_to_its_end("in a group of its own", &new, ((new.clone(), ()), slots("line"))).await;
    let new = plain();
    comes_to_its_end("optional and shared", &new, (Some(Arc::new(new.clone())), slots("line"))).await;
}

#[tokio::test(start_paused = true)]
async fn who_was_let_in_stays_so_in_a_line_further_out() {
    // Given a call that was let in, and waits behind the drain
    let (outer, drain, inner) = (slots("outer"), plain(), slots("inner"));
    let hold = |slots: &Bulkhead<_>| tokio::spawn(slots.clone().layer().call(&(), pending::<Result<(), ()>>));
    let in_inner = hold(&inner);
    settle().await;
    let service =
        guard((outer.clone(), drain.clone(), inner.clone())).layer(service_fn(|()| async { Ok::<_, BoxError>(()) }));
    let waits = tokio::spawn(service.oneshot(()));
    settle().await;
    assert_eq!((outer.waiting(), drain.in_flight(), inner.waiting()), (0, 1, 1));

    // When it is its turn, and somebody else has taken the slot outside of the drain
    let in_outer = hold(&outer);
    settle().await;
    in_inner.abort();
    settle().await;
    assert_eq!((outer.waiting(), drain.in_flight(), inner.waiting()), (1, 1, 0));

    // Then it is still in when the drain has closed
    let report = awaited(&drain);
    sleep(GRACE + Duration::from_secs(1)).await;
    in_outer.abort();
    waits.await.unwrap().unwrap();
    assert_eq!((report.await.unwrap().ended, drain.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_at_the_deadline_is_turned_away_as_it_has_not_begun() {
    // Given a call that hangs, and one that waits for it, one as a service and one as a future
    let (drain, slots) = (plain(), slots("line"));
    let guard = guard((drain.clone(), slots.clone()));
    let hangs = tokio::spawn(guard.clone().layer(service_fn(|()| pending::<Result<(), BoxError>>())).oneshot(()));
    settle().await;
    let waits = tokio::spawn(guard.clone().layer(service_fn(|()| pending::<Result<(), BoxError>>())).oneshot(()));
    let other = tokio::spawn(async move { guard.call(&(), pending::<Result<(), ()>>).await });
    settle().await;
    assert_eq!((drain.in_flight(), slots.waiting()), (3, 2));

    // When the deadline of the drain passes
    let report = drain.begin().await;

    // Then the one was cut, and the others can be sent elsewhere
    assert_eq!((report.ended, report.cut), (0, 3));
    let why = |error: BoxError| Rejected::find(error.as_ref()).map(Rejected::why);
    assert_eq!(why(hangs.await.unwrap().unwrap_err()), Some(Why::Cut));
    assert_eq!(why(waits.await.unwrap().unwrap_err()), Some(Why::Draining));
    assert!(matches!(other.await.unwrap(), Err(Refused::Rejected(rejected)) if rejected.why() == Why::Draining));
    assert_eq!((drain.in_flight(), slots.in_flight(), slots.waiting()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_line_leaves_the_drain() {
    let (drain, slots) = (plain(), slots("line"));
    let service = guard((drain.clone(), slots.clone())).layer(service_fn(|()| pending::<Result<(), BoxError>>()));
    let first = tokio::spawn(service.clone().oneshot(()));
    settle().await;
    let mut second = Box::pin(service.oneshot(()));
    assert!(poll(second.as_mut()).is_pending());
    assert_eq!(drain.in_flight(), 2);
    drop(second);
    assert_eq!((drain.in_flight(), slots.waiting()), (1, 0));
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn whoever_is_turned_away_by_a_server_that_goes_is_sent_elsewhere_for_any_reason() {
    // Given a server that is full
    let (drain, slots) = (drain(), Bulkhead::builder("slots").limit(1).build().unwrap());
    let server = guard((drain.clone(), slots))
        .http()
        .layer(service_fn(|_: Request<String>| pending::<Result<Response<String>, Infallible>>()));
    let first = tokio::spawn(server.clone().oneshot(get("/")));
    settle().await;
    let turned_away = || async {
        let response = server.clone().oneshot(get("/")).await.unwrap();
        assert_eq!(rejection(&response).map(Rejected::why), Some(Why::Full));
        response.headers().contains_key("connection")
    };
    assert!(!turned_away().await);

    // When it begins to go
    drop(drain.begin());

    // Then its rejections say so
    assert!(turned_away().await);
    first.abort();
}
