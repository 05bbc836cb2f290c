//! Deadlines that requests carry.

use super::*;

#[tokio::test(start_paused = true)]
async fn defect_144_the_earlier_of_attempt_and_deadline_holds_and_travels_on() {
    let now = Instant::now();
    let layer = Timeout::builder("both").attempt(ms(300)).deadline().build().unwrap();

    // (what the request carries, what the service behind sees, when it ends, and why)
    let cases = [
        (None, Some(300), 300, Why::TimedOut),
        (Some(1000), Some(300), 300, Why::TimedOut),
        (Some(100), Some(100), 100, Why::DeadlineExceeded),
    ];
    for (carried, seen, ends, reason) in cases {
        let start = Instant::now();
        let deadline = |millis: u64| Deadline::at(start.after(ms(millis)));
        let (service, mut calls) = controlled::<Ask, u32>();
        let service = layer.clone().layer(service);
        let request = Ask { deadline: carried.map(deadline), ..Ask::default() };
        assert_eq!(why(service.oneshot(request).await), reason, "{carried:?}");
        let took = Instant::now().since(start);
        assert!((ms(ends)..=ms(ends + 1)).contains(&took), "{carried:?}: {took:?}");
        let call = calls.try_recv().unwrap();
        assert_eq!(call.request.deadline, seen.map(deadline), "{carried:?}");
        assert!(call.is_dropped());
    }
    assert!(Instant::now().since(now) >= ms(700));
}

#[tokio::test(start_paused = true)]
async fn defect_144_a_deadline_shrinks_from_hop_to_hop() {
    // Given three hops of 400 ms each, one after the other, and a deadline of a second over all
    let start = Instant::now();
    let deadline = Deadline::at(start.after(ms(1000)));
    let mut remaining = Vec::new();
    for hop in 0..3 {
        let (service, mut calls) = controlled::<Ask, u32>();
        let layer = Timeout::builder("hop").attempt(ms(400)).deadline().build().unwrap();
        let answer = layer.layer(service).oneshot(asking(deadline)).await;

        // Then the last of them has only what is left, and says so
        assert_eq!(why(answer), if hop == 2 { Why::DeadlineExceeded } else { Why::TimedOut });
        remaining.push(calls.try_recv().unwrap().request.deadline.unwrap().moment().since(start));
    }
    assert!(remaining[0] >= ms(400) && remaining[0] < ms(410), "{remaining:?}");
    assert!(remaining[1] >= ms(800) && remaining[1] < ms(810), "{remaining:?}");
    assert_eq!(remaining[2], ms(1000));
}

#[tokio::test(start_paused = true)]
async fn an_expired_deadline_is_not_worth_a_call() {
    // Given a deadline that ends right now, and one long past
    let probe = Probe::<Asks>::new(Script::Ok);
    let service = to_deadline().layer(probe.clone());
    for expired in [Deadline::after(Duration::ZERO), Deadline::at(Instant::ORIGIN)] {
        // Then the call is not made
        assert_eq!(why(service.clone().oneshot(asking(expired)).await), Why::Expired);
    }
    assert_eq!(probe.calls(), 0);

    // But with a tick left it is
    assert_eq!(service.clone().oneshot(asking(Deadline::after(TICK))).await.unwrap(), 1);

    // And without any deadline there is no limit at all
    probe.does(Script::Never);
    let mut call = Box::pin(service.oneshot(Ask::default()));
    assert!(poll(call.as_mut()).is_pending());
    advance(Duration::from_secs(86_400)).await;
    assert!(poll(call.as_mut()).is_pending());
}
