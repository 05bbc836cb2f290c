//! How a wait ends: in time, by whoever leaves, in a panic.

use std::num::NonZeroU32;

use super::*;

#[tokio::test(start_paused = true)]
async fn defect_35_a_call_that_is_never_polled_again_keeps_nobody_waiting() {
    let slots = queued(1, 2);
    let (service, mut calls) = controlled::<u32, u32>();
    let service = slots.clone().layer().layer(service);
    let mut first = Box::pin(service.clone().oneshot(1));
    assert!(poll(first.as_mut()).is_pending());
    let mut sleeper = Box::pin(service.clone().oneshot(2));
    assert!(poll(sleeper.as_mut()).is_pending());
    calls.recv().await.unwrap().answer(Ok(1));
    first.await.unwrap();
    // The sleeper has been called, and does not come.
    let begun = Instant::now();
    let other = tokio::spawn(service.clone().oneshot(3));
    let call = calls.recv().await.unwrap();
    assert_eq!(call.request, 3);
    assert!(since(begun) <= ms(101));
    call.answer(Ok(3));
    other.await.unwrap().unwrap();
    // It comes back, and is served.
    assert!(poll(sleeper.as_mut()).is_pending());
    calls.recv().await.unwrap().answer(Ok(2));
    assert_eq!(sleeper.await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_its_time_and_not_before() {
    let slots = queued(1, 2);
    let (service, _calls) = controlled::<u32, u32>();
    let service = slots.clone().layer().layer(service);
    let _running = tokio::spawn(service.clone().oneshot(0));
    tokio::task::yield_now().await;
    let begun = Instant::now();
    assert_eq!(why(service.oneshot(1).await), Why::Waited);
    assert!((ms(100)..=ms(101)).contains(&since(begun)), "{:?}", since(begun));
    assert_eq!(slots.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_no_longer_than_its_request_is_of_use() {
    let slots = Bulkhead::builder("line").limit(1).queue(2).max_wait(ms(100)).deadline().build().unwrap();
    let guard = guard(slots.clone());
    let asks = |millis| support::Ask { deadline: Some(cofferdam::Deadline::after(ms(millis))), ..Default::default() };
    let (now, soon, late) = (asks(0), asks(30), asks(500));
    let mut running = Box::pin(guard.call(&late, std::future::pending::<Result<(), ()>>));
    assert!(poll(running.as_mut()).is_pending());

    let why = |answer: Result<(), Refused<()>>| answer.unwrap_err().rejected().unwrap().why();
    let begun = Instant::now();
    assert_eq!(why(guard.call(&now, || std::future::ready(Ok(()))).await), Why::Expired);
    assert_eq!(since(begun), ms(0));
    assert_eq!(why(guard.call(&soon, || std::future::ready(Ok(()))).await), Why::Expired);
    assert!((ms(30)..=ms(31)).contains(&since(begun)), "{:?}", since(begun));
    assert_eq!(why(guard.call(&late, || std::future::ready(Ok(()))).await), Why::Waited);
    assert!((ms(130)..=ms(132)).contains(&since(begun)), "{:?}", since(begun));
}

#[tokio::test(start_paused = true)]
async fn defect_05_19_waiting_spawns_nothing_and_every_rejection_is_typed() {
    let slots = queued(1, 8);
    let (service, _calls) = controlled::<u32, u32>();
    let service = slots.clone().layer().layer(service);
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut calls: Vec<_> = (0..9).map(|n| Box::pin(service.clone().oneshot(n))).collect();
    assert!(calls.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
    assert_eq!(slots.waiting(), 8);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), before);
    assert_eq!(why(service.clone().oneshot(9).await), Why::Full);
    for call in calls.drain(1..) {
        assert_eq!(why(call.await), Why::Waited);
    }
    drop((calls, service));
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn defect_25_waiters_who_gave_up_take_no_slot_with_them() {
    let slots = queued(8, 8);
    let guard = guard(slots.clone());
    let held: Vec<_> = (0..8).map(|_| Box::pin(guard.call(&(), pending::<Result<(), ()>>))).collect();
    let waiters = join_all((0..8).map(|_| guard.call(&(), || ready(Ok::<_, ()>(())))));
    for answer in waiters.await {
        assert_eq!(answer.unwrap_err().rejected().unwrap().why(), Why::Waited);
    }
    drop(held);
    let mut new: Vec<_> = (0..8).map(|_| Box::pin(guard.call(&(), pending::<Result<(), ()>>))).collect();
    assert!(new.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
    assert_eq!((slots.in_flight(), slots.waiting()), (8, 0));
}

#[tokio::test(start_paused = true)]
async fn defect_71_a_call_that_calls_back_through_its_own_bulkhead_is_rejected_in_time() {
    let slots = queued(1, 8);
    let guard = guard(slots.clone());
    let (inner, begun) = (guard.clone(), Instant::now());
    let answer = guard
        .call(&(), || async move {
            match inner.call(&(), || ready(Ok::<_, ()>(()))).await {
                Err(Refused::Rejected(rejected)) => Ok::<_, ()>(rejected.why()),
                other => panic!("{other:?}"),
            }
        })
        .await;
    assert_eq!(answer, Ok(Why::Waited));
    assert!(since(begun) <= ms(101));
    assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_may_be_dropped_at_any_moment_and_passes_its_turn_on() {
    for stage in ["before its first poll", "waiting", "called", "making its service ready", "running"] {
        let slots = queued(1, 2);
        let probe = Probe::<Asks>::new(Script::Never);
        let service = slots.clone().layer().layer(probe.clone());
        let mut held = Box::pin(service.clone().oneshot(Asks::request()));
        assert!(poll(held.as_mut()).is_pending());
        let mut readied = service.clone();
        readied.ready().await.unwrap();
        let mut leaves = Box::pin(readied.call(Asks::request()));
        let mut next = Box::pin(service.clone().oneshot(Asks::request()));
        let waker = Arc::new(CountingWaker::default());
        assert!(poll_with(next.as_mut(), &waker).is_pending());
        assert_eq!(slots.waiting(), 2, "{stage}");
        if stage != "before its first poll" {
            assert!(poll(leaves.as_mut()).is_pending());
        }
        if ["called", "making its service ready", "running"].contains(&stage) {
            drop(held);
            assert_eq!((slots.in_flight(), slots.waiting()), (0, 1), "{stage}");
            if stage == "making its service ready" {
                probe.does(Script::NotReady);
            }
            if stage != "called" {
                assert!(poll(leaves.as_mut()).is_pending());
                assert_eq!(slots.in_flight(), 1, "{stage}");
                assert_eq!(probe.calls(), if stage == "running" { 2 } else { 1 }, "{stage}");
            }
            drop(leaves);
        } else {
            drop(leaves);
            assert_eq!((slots.in_flight(), slots.waiting(), waker.wakes()), (1, 1, 0), "{stage}");
            drop(held);
        }
        assert_eq!(waker.wakes(), 1, "{stage}");
        probe.does(Script::Ok);
        assert!(matches!(poll(next.as_mut()), Poll::Ready(Ok(1))), "{stage}");
        assert_eq!((slots.in_flight(), slots.waiting(), probe.in_flight()), (0, 0, 0), "{stage}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_at_the_turn_passes_the_turn_on() {
    // The function that weighs requests panics when it is asked again.
    let slots = queued(1, 4);
    let asked = AtomicU32::new(0);
    let weigh = |touchy: &bool| {
        assert!(!(*touchy && asked.fetch_add(1, Ordering::SeqCst) == 1), "asked twice");
        NonZeroU32::MIN
    };
    let guard = guard(slots.clone().weighted(weigh));
    let held = guard.call(&false, pending::<Result<(), ()>>);
    let mut panics = Box::pin(guard.call(&true, || ready(Ok::<_, ()>(()))));
    let mut next = Box::pin(guard.call(&false, || ready(Ok::<_, ()>(()))));
    assert!(poll(panics.as_mut()).is_pending());
    assert!(poll(next.as_mut()).is_pending());
    drop(held);
    assert!(catch_unwind(AssertUnwindSafe(|| poll(panics.as_mut()).is_ready())).is_err());
    assert_eq!(poll(next.as_mut()), Poll::Ready(Ok(())));
    assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_after_the_wait_is_a_failure_and_gives_the_slot_back() {
    for script in [Script::PanicInCall, Script::PanicOnPoll(1), Script::PanicInReady] {
        let (slots, breaker) = (queued(1, 4), breaker());
        let probe = Probe::<Asks>::new(Script::Ok);
        let service = guard((breaker.clone(), slots.clone())).layer(probe.clone());
        let held = guard(slots.clone()).call(&(), pending::<Result<(), ()>>);
        let mut panics = Box::pin(service.clone().oneshot(Asks::request()));
        let mut next = Box::pin(service.clone().oneshot(Asks::request()));
        assert!(poll(panics.as_mut()).is_pending());
        assert!(poll(next.as_mut()).is_pending());
        drop(held);
        probe.does(script);
        // Kept after the panic, it holds nothing.
        assert!(catch_unwind(AssertUnwindSafe(|| poll(panics.as_mut()).is_ready())).is_err(), "{script:?}");
        assert_eq!((slots.in_flight(), breaker.counts().failures), (0, 1), "{script:?}");
        probe.does(Script::Ok);
        assert!(matches!(poll(next.as_mut()), Poll::Ready(Ok(1))), "{script:?}");
        drop(panics);
        assert_eq!((slots.in_flight(), slots.waiting(), breaker.counts().calls), (0, 0, 2), "{script:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_sent_from_one_line_to_the_next_waits_no_longer_than_either_allows() {
    let line =
        |wait| Bulkhead::builder("line").limit(1).queue(4).max_wait(ms(wait)).order(Order::Fifo).build().unwrap();
    for (outer_wait, inner_wait) in [(100, 1000), (1000, 100)] {
        let (outer, inner) = (line(outer_wait), line(inner_wait));
        let both = guard((outer.clone(), inner.clone()));
        let held_outer = guard(outer.clone()).call(&(), pending::<Result<(), ()>>);
        let held_inner = guard(inner.clone()).call(&(), pending::<Result<(), ()>>);
        let begun = Instant::now();
        let waits = tokio::spawn(both.call(&(), || ready(Ok::<_, ()>(()))));
        tokio::time::sleep(ms(50)).await;
        assert_eq!((outer.waiting(), inner.waiting()), (1, 0));
        drop(held_outer);
        tokio::time::sleep(ms(1)).await;
        // While it waits for the inner one it holds nothing of the outer one.
        assert_eq!((outer.waiting(), outer.in_flight(), inner.waiting()), (0, 0, 1));
        let rejected = *waits.await.unwrap().unwrap_err().rejected().unwrap();
        assert_eq!(rejected.why(), Why::Waited);
        let longest = if outer_wait == 100 { 101 } else { 151 };
        assert!(since(begun) <= ms(longest), "{:?}", since(begun));
        drop(held_inner);
        assert!(both.call(&(), || ready(Ok::<_, ()>(()))).await.is_ok());
        assert_eq!((outer.in_flight(), inner.in_flight(), outer.waiting(), inner.waiting()), (0, 0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn defect_35_a_call_beside_one_that_is_not_polled_any_more_ends_in_time() {
    // One task waits for its second call, and does not poll its first, which has the turn.
    let slots = queued(1, 4);
    let guard = guard(slots.clone());
    let held = guard.call(&(), pending::<Result<(), ()>>);
    let mut first = Box::pin(guard.call(&(), || ready(Ok::<_, ()>(1))));
    tokio::select! {
        biased;
        _ = &mut first => unreachable!("there is no slot"),
        () = tokio::time::sleep(ms(5)) => {
            drop(held);
            let begun = Instant::now();
            let second = guard.call(&(), || ready(Ok::<_, ()>(2))).await;
            assert_eq!(second, Ok(2));
            assert!(since(begun) <= ms(101), "{:?}", since(begun));
        }
    }
    assert_eq!(first.await, Ok(1));
}
