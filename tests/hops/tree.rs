//! What a call is worth further down.

use super::*;

#[tokio::test(start_paused = true)]
async fn nothing_that_a_handler_sets_is_sent_above_its_caller() {
    // Given what a caller is worth
    let mut caller = Carried::default();
    caller.set_criticality(Criticality::SheddablePlus);
    caller.set_deadline(Deadline::after(ms(300)));
    caller.set_task(TaskKey::from_bits(7));

    // When a handler makes a request for it and wants more for it, before or after
    for before in [true, false] {
        let mut outgoing = Request::new(());
        if !before {
            outgoing.on_behalf_of(&caller);
        }
        outgoing.set_criticality(Criticality::CriticalPlus);
        outgoing.extensions_mut().insert(Deadline::at(Instant::NEVER));
        outgoing.set_task(TaskKey::from_bits(8));
        outgoing.headers_mut().insert(MILLIS, HeaderValue::from(99_999));
        outgoing.headers_mut().insert(CLASS, HeaderValue::from_static("CRITICAL_PLUS"));
        if before {
            outgoing.on_behalf_of(&caller);
        }
        // Then it is worth what the caller is, to layers on the way out and on the wire
        assert_eq!(Carried::of(&outgoing), caller, "{before}");
        let sent = through(&headers().outbound(), outgoing);
        assert_eq!((text(&sent, CLASS), text(&sent, MILLIS)), (Some("SHEDDABLE_PLUS"), Some("300")));
        assert_eq!(text(&sent, TASK), Some("0000000000000007"));
    }

    // But less may be wanted
    let mut outgoing = Request::new(());
    outgoing.on_behalf_of(&caller);
    outgoing.set_criticality(Criticality::Sheddable);
    outgoing.set_deadline(Deadline::after(ms(50)));
    let sent = through(&headers().outbound(), outgoing);
    assert_eq!((text(&sent, CLASS), text(&sent, MILLIS)), (Some("SHEDDABLE"), Some("50")));

    // And on behalf of one who says nothing, nothing is above what says nothing
    let mut outgoing = Request::new(());
    outgoing.on_behalf_of(&Carried::default());
    assert_eq!(Carried::of(&outgoing), Carried::default());
    outgoing.set_criticality(Criticality::CriticalPlus);
    assert_eq!(text(&through(&headers().outbound(), outgoing), CLASS), Some("CRITICAL"));
}

#[tokio::test(start_paused = true)]
async fn what_is_done_for_two_callers_is_worth_no_more_than_either() {
    let carried = |class, millis, task| {
        let mut carried = Carried::default();
        carried.set_criticality(class);
        carried.set_deadline(Deadline::after(ms(millis)));
        carried.set_task(TaskKey::from_bits(task));
        carried
    };
    let (one, other) = (carried(Criticality::Critical, 100, 1), carried(Criticality::Sheddable, 200, 2));
    for (first, second) in [(one, other), (other, one)] {
        let mut outgoing = Extensions::new();
        outgoing.on_behalf_of(&first);
        outgoing.on_behalf_of(&second);
        outgoing.set_criticality(Criticality::CriticalPlus);
        outgoing.set_deadline(Deadline::at(Instant::NEVER));
        assert_eq!((outgoing.criticality(), left(&outgoing)), (Some(Criticality::Sheddable), Some(ms(100))));
        assert_eq!(outgoing.task(), second.task());
    }
}

#[tokio::test(start_paused = true)]
async fn defect_144_time_that_is_left_shrinks_over_a_call_tree() {
    // Given three services in a row, each of which works for 30 ms before it asks the next
    let mut request = saying(&[(CLASS, "SHEDDABLE"), (MILLIS, "100"), (TASK, "order 4711")]);
    let mut told = Vec::new();
    for _ in 0..4 {
        let incoming = through(&headers().inbound(Trust::default()), request);
        advance(ms(30)).await;
        let mut outgoing = Request::new(());
        outgoing.on_behalf_of(&incoming);
        request = through(&headers().outbound(), outgoing);
        told.push(text(&request, MILLIS).unwrap().to_owned());

        // Then class and task are the same everywhere
        assert_eq!(text(&request, CLASS), Some("SHEDDABLE"));
        assert_eq!(text(&request, TASK), Some(TaskKey::of("order 4711").to_string().as_str()));
    }
    // And the time is less each time, and in the end up
    assert_eq!(told, ["70", "40", "10", "0"]);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_sends_the_request_on_has_nothing_to_do() {
    let proxy = ServiceBuilder::new()
        .layer(headers().inbound(Trust::default()))
        .layer(headers().outbound())
        .service(service_fn_echo());
    let request = saying(&[(CLASS, "CRITICAL_PLUS"), (MILLIS, "99999999999"), (TASK, "x")]);
    let sent = settled(proxy.oneshot(request)).unwrap();
    assert_eq!((text(&sent, CLASS), text(&sent, MILLIS)), (Some("CRITICAL"), Some("3600000")));
    assert_eq!(text(&sent, TASK), Some(TaskKey::of("x").to_string().as_str()));
}

#[tokio::test(start_paused = true)]
async fn defect_165_work_whose_time_is_up_is_not_begun() {
    // Given a server that keeps to deadlines, and a client that does
    let server = ServiceBuilder::new()
        .layer(headers().inbound(Trust::default()))
        .layer(Timeout::builder("server").deadline().build().unwrap())
        .service(service_fn(|_: Request<()>| ready(Ok::<_, BoxError>(Response::new(())))));
    let why = |error: BoxError| Rejected::find(error.as_ref()).map(Rejected::why);

    // Then a request that comes too late is rejected, and one with time left is not
    let late = server.clone().oneshot(saying(&[(MILLIS, "0")])).await;
    assert_eq!(why(late.unwrap_err()), Some(Why::Expired));
    assert!(server.oneshot(saying(&[(MILLIS, "1")])).await.is_ok());

    // And the layers themselves reject nothing: they say that there is nothing left
    let mut outgoing = Request::new(());
    outgoing.set_deadline(Deadline::after(ms(5)));
    advance(ms(6)).await;
    assert_eq!(text(&through(&headers().outbound(), outgoing), MILLIS), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_told_what_is_left_and_of_its_own_time_that_it_is_to_the_head() {
    let client = ServiceBuilder::new()
        .layer(Timeout::builder("client").attempt(ms(200)).deadline().build().unwrap())
        .layer(headers().outbound())
        .service(service_fn(|request: Request<()>| {
            let told = [MILLIS, HEAD_MILLIS].map(|name| text(&request, name).map(str::to_owned));
            ready(Ok::<_, BoxError>(told))
        }));
    for (deadline, told) in
        [(None, [None, Some("200")]), (Some(1000), [Some("1000"), Some("200")]), (Some(150), [Some("150"), None])]
    {
        let mut outgoing = Request::new(());
        if let Some(millis) = deadline {
            outgoing.set_deadline(Deadline::after(ms(millis)));
        }
        let answer = client.clone().oneshot(outgoing).await.unwrap();
        assert_eq!(answer.each_ref().map(Option::as_deref), told);
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_to_the_head_bounds_no_more_and_leaves_that_of_the_whole_as_it_is() {
    // Given a request that says both, in either order, or one of them
    let trust = Trust::builder().default_deadline(ms(500)).build().unwrap();
    let inbound = headers().inbound(trust);
    for (said, head, whole) in [
        (&[(HEAD_MILLIS, "100"), (MILLIS, "300")][..], (100, true), (300, false)),
        (&[(MILLIS, "300"), (HEAD_MILLIS, "300")], (300, false), (300, false)),
        (&[(MILLIS, "300"), (HEAD_MILLIS, "400")], (300, false), (300, false)),
        (&[(HEAD_MILLIS, "100")], (100, true), (500, true)),
        (&[(HEAD_MILLIS, "600")], (500, false), (500, true)),
        (&[(HEAD_MILLIS, "soon")], (500, false), (500, true)),
    ] {
        let request = through(&inbound, saying(said));
        let (deadline, of_all) = (request.deadline().unwrap(), request.whole_deadline().unwrap());
        assert_eq!((deadline.remaining(), deadline.is_to_head()), (ms(head.0), head.1), "{said:?}");
        assert_eq!((of_all.remaining(), of_all.is_assumed()), (ms(whole.0), whole.1), "{said:?}");
        assert!(request.headers().is_empty());

        // Then what is done for it is bound by both, whatever it says itself, and tells what somebody has named
        for own in [None, Some(Deadline::after(ms(50)).to_head()), Some(Deadline::after(ms(10_000)))] {
            let mut outgoing = Request::new(());
            if let Some(own) = own {
                outgoing.set_deadline(own);
            }
            outgoing.on_behalf_of(&request);
            outgoing.set_deadline(outgoing.deadline().unwrap());
            assert_eq!(outgoing.deadline(), Some(deadline.min(own.unwrap_or(deadline))), "{said:?} {own:?}");
            assert_eq!(outgoing.whole_deadline(), Some(of_all), "{said:?} {own:?}");
            let sent = through(&headers().outbound(), outgoing);
            assert_eq!(text(&sent, MILLIS), (!whole.1).then_some("300"), "{said:?} {own:?}");

            // Nor is it more because somebody has written so
            let mut by_hand = saying(&[(MILLIS, "86400000"), (HEAD_MILLIS, "86400000")]);
            by_hand.on_behalf_of(&request);
            let arrived = through(&headers().inbound(Trust::default()), through(&headers().outbound(), by_hand));
            assert_eq!(arrived.deadline(), Some(deadline), "{said:?}");
            assert_eq!(arrived.whole_deadline(), Some(of_all), "{said:?}");
        }
    }
}

#[test]
fn a_call_is_spawned_over_boxed_errors_and_needs_nothing_of_its_body() {
    fn sendable<F: Future + Send + 'static>(_: F) {}
    let answer = || service_fn(|_: Request<std::cell::Cell<u8>>| ready(Ok::<_, BoxError>(Response::new(()))));
    let both = ServiceBuilder::new().layer(headers().inbound(open())).layer(headers().outbound());
    let service = both.service(answer());
    sendable(async move { service.oneshot(Request::new(std::cell::Cell::new(0))).await });
}
