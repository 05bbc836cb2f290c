//! Whose turn it is, and who is woken.

use super::*;

#[tokio::test(start_paused = true)]
async fn defect_16_a_queue_takes_exactly_as_many_as_it_says() {
    let slots = queued(1, 2);
    let (service, mut calls) = controlled::<u32, u32>();
    let service = slots.clone().layer().layer(service);
    let mut running: Vec<_> = (0..3).map(|n| Box::pin(service.clone().oneshot(n))).collect();
    for call in &mut running {
        assert!(poll(call.as_mut()).is_pending());
    }
    assert_eq!((slots.in_flight(), slots.waiting()), (1, 2));
    assert_eq!(why(service.clone().oneshot(3).await), Why::Full);
    for expected in 0..3 {
        let call = calls.recv().await.unwrap();
        assert_eq!(call.request, expected);
        call.answer(Ok(expected));
        assert_eq!(running.remove(0).await.unwrap(), expected);
        for call in &mut running {
            assert!(poll(call.as_mut()).is_pending());
        }
    }
    assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_turn_wakes_the_one_whose_turn_it_is_and_once() {
    let slots = queued(1, 2);
    let guard = guard(slots.clone());
    let mut running = Box::pin(guard.call(&(), std::future::pending::<Result<(), ()>>));
    assert!(poll(running.as_mut()).is_pending());
    let (mut next, mut last) = (
        Box::pin(guard.call(&(), || std::future::ready(Ok::<_, ()>(1)))),
        Box::pin(guard.call(&(), || std::future::ready(Ok::<_, ()>(2)))),
    );
    let (next_waker, last_waker) = (Arc::new(CountingWaker::default()), Arc::new(CountingWaker::default()));
    assert!(poll_with(next.as_mut(), &next_waker).is_pending());
    assert!(poll_with(last.as_mut(), &last_waker).is_pending());
    drop(running);
    assert_eq!((next_waker.wakes(), last_waker.wakes()), (1, 0));
    assert_eq!(poll_with(next.as_mut(), &next_waker), Poll::Ready(Ok(1)));
    assert_eq!((next_waker.wakes(), last_waker.wakes()), (1, 1));
    assert_eq!(poll_with(last.as_mut(), &last_waker), Poll::Ready(Ok(2)));
    assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn defect_17_every_waiter_on_every_clone_is_woken() {
    let slots = Bulkhead::builder("line").limit(1).queue(8).max_wait(ms(10_000)).build().unwrap();
    let takes_a_second = service_fn(|n: u32| async move {
        tokio::time::sleep(ms(1000)).await;
        Ok::<_, BoxError>(n)
    });
    let service = slots.clone().layer().layer(takes_a_second);
    let begun = Instant::now();
    let tasks: Vec<_> = (0..6).map(|n| tokio::spawn(service.clone().oneshot(n))).collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().unwrap(), n as u32);
    }
    assert!(since(begun) <= ms(6010), "{:?}", since(begun));
    assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn defect_69_whoever_was_taken_in_runs_in_whatever_order_slots_become_free() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        // Three slots, three calls, three who wait.
        let slots = queued(3, 3);
        let (service, mut calls) = controlled::<u32, u32>();
        let service = slots.clone().layer().layer(service);
        let tasks: Vec<_> = (0..6).map(|n| tokio::spawn(service.clone().oneshot(n))).collect();
        tokio::task::yield_now().await;
        let mut running: Vec<_> = Vec::new();
        for _ in 0..3 {
            running.push(Some(calls.recv().await.unwrap()));
        }
        for (nth, which) in order.into_iter().enumerate() {
            running[which].take().unwrap().answer(Ok(0));
            let next = calls.recv().await.unwrap();
            assert_eq!(next.request, 3 + nth as u32, "first come, first served");
            next.answer(Ok(0));
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_late_to_its_turn_is_still_ahead_of_those_behind() {
    // Three are called at once, and come so late that they were passed over; the limit has gone down meanwhile.
    let slots = queued(3, 8);
    let guard = guard(slots.clone());
    let held: Vec<_> = (0..3).map(|_| guard.call(&(), pending::<Result<(), ()>>)).collect();
    let call = |n: u32| Box::pin(guard.call(&(), move || ready(Ok::<_, ()>(n))));
    let mut late: Vec<_> = (0..3).map(call).collect();
    drop(held);
    slots.resize(1).unwrap();
    let mut blocks = Box::pin(guard.call(&(), pending::<Result<(), ()>>));
    tokio::time::advance(ms(10)).await;
    let mut behind = call(3);
    assert!(poll(blocks.as_mut()).is_pending());
    // All show themselves, in the order in which they came.
    assert!(late.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
    assert!(poll(behind.as_mut()).is_pending());
    drop(blocks);
    assert!(poll(behind.as_mut()).is_pending());
    assert!(poll(late[1].as_mut()).is_pending(), "the first is ahead");
    for (n, call) in late.iter_mut().enumerate() {
        assert_eq!(poll(call.as_mut()), Poll::Ready(Ok(n as u32)));
    }
    assert_eq!(poll(behind.as_mut()), Poll::Ready(Ok(3)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_makes_a_clone_ready_and_only_at_its_turn() {
    let slots = queued(1, 2);
    let probe = Probe::<Asks>::new(Script::Ok);
    let service = slots.clone().layer().layer(probe.clone());
    let held = guard(slots.clone()).call(&(), pending::<Result<(), ()>>);
    let mut waits = Box::pin(service.clone().oneshot(Asks::request()));
    assert!(poll(waits.as_mut()).is_pending());
    let before = probe.ready_polls();
    for _ in 0..3 {
        assert!(poll(waits.as_mut()).is_pending());
    }
    assert_eq!(probe.ready_polls(), before, "no readiness while it waits");
    drop(held);
    // Its clone reports an error instead of becoming ready: that comes out, is settled, and its slot is free.
    probe.does(Script::ReadyError);
    let Poll::Ready(Err(error)) = poll(waits.as_mut()) else { panic!("the error comes out") };
    assert_eq!(error.to_string(), "broken");
    assert_eq!((probe.calls(), slots.in_flight(), slots.waiting()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn nobody_overtakes_a_heavy_call() {
    let slots = queued(4, 8);
    let guard = slots.clone().weighted(crate::support::weight_of).layer();
    let mut light: Vec<_> = (0..4).map(|_| guard.call(&1, pending::<Result<(), ()>>)).collect();
    let mut heavy = Box::pin(guard.call(&4, || ready(Ok::<_, ()>("heavy"))));
    let mut behind = Box::pin(guard.call(&1, || ready(Ok::<_, ()>("light"))));
    let (heavy_waker, light_waker) = (Arc::new(CountingWaker::default()), Arc::new(CountingWaker::default()));
    for n in 0..4 {
        assert!(poll_with(heavy.as_mut(), &heavy_waker).is_pending(), "{n}");
        assert!(poll_with(behind.as_mut(), &light_waker).is_pending(), "{n}");
        assert_eq!((heavy_waker.wakes(), light_waker.wakes()), (0, 0), "{n}");
        light.pop();
    }
    assert_eq!((heavy_waker.wakes(), light_waker.wakes()), (1, 0));
    assert!(poll(behind.as_mut()).is_pending());
    assert_eq!(poll(heavy.as_mut()), Poll::Ready(Ok("heavy")));
    assert_eq!(poll(behind.as_mut()), Poll::Ready(Ok("light")));
}

#[tokio::test(start_paused = true)]
async fn a_heavy_call_at_the_head_comes_in_alone_when_the_limit_has_gone_below_it() {
    let slots = queued(4, 8);
    let guard = slots.clone().weighted(crate::support::weight_of).layer();
    let held: Vec<_> = [&3, &1].into_iter().map(|weight| guard.call(weight, pending::<Result<(), ()>>)).collect();
    let mut heavy = Box::pin(guard.call(&100, pending::<Result<(), ()>>));
    slots.resize(2).unwrap();
    assert!(poll(heavy.as_mut()).is_pending());
    drop(held);
    assert!(poll(heavy.as_mut()).is_pending());
    assert_eq!((slots.limit(), slots.in_flight(), slots.waiting()), (2, 100, 0));
    drop(heavy);
    assert_eq!(slots.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_larger_limit_calls_as_many_as_it_lets_in_and_a_smaller_one_takes_turns_back() {
    let slots = queued(1, 64);
    let guard = guard(slots.clone());
    let held = guard.call(&(), pending::<Result<(), ()>>);
    let wakers: Vec<_> = (0..40).map(|_| Arc::new(CountingWaker::default())).collect();
    let mut waiting: Vec<_> = (0..40).map(|_| Box::pin(guard.call(&(), pending::<Result<(), ()>>))).collect();
    for (call, waker) in waiting.iter_mut().zip(&wakers) {
        assert!(poll_with(call.as_mut(), waker).is_pending());
    }
    let woken = || wakers.iter().map(|waker| waker.wakes()).collect::<Vec<_>>();
    slots.resize(31).unwrap();
    assert_eq!(woken(), [[1; 30].as_slice(), &[0; 10]].concat());
    assert_eq!(slots.waiting(), 10);
    // Less than was promised: two come in, and the rest go on waiting in the order they had.
    slots.resize(3).unwrap();
    for call in &mut waiting {
        assert!(poll(call.as_mut()).is_pending());
    }
    assert_eq!((slots.in_flight(), slots.waiting()), (3, 38));
    drop(held);
    for call in waiting.iter_mut().rev() {
        assert!(poll(call.as_mut()).is_pending());
    }
    assert_eq!((slots.in_flight(), slots.waiting()), (3, 37));
    waiting.clear();
    assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_that_waits_wakes_itself() {
    let slots = queued(1, 4);
    let guard = guard(slots.clone());
    let held = guard.call(&(), pending::<Result<(), ()>>);
    let mut calls: Vec<_> = (0..4).map(|_| Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))))).collect();
    let wakers: Vec<_> = (0..4).map(|_| Arc::new(CountingWaker::default())).collect();
    for _ in 0..100 {
        for (call, waker) in calls.iter_mut().zip(&wakers) {
            assert!(poll_with(call.as_mut(), waker).is_pending());
        }
    }
    assert_eq!(wakers.iter().map(|waker| waker.wakes()).sum::<u64>(), 0);
    // The last waker counts, and those behind are not disturbed.
    let last = Arc::new(CountingWaker::default());
    assert!(poll_with(calls[0].as_mut(), &last).is_pending());
    drop(held);
    assert_eq!((last.wakes(), wakers.iter().map(|waker| waker.wakes()).sum::<u64>()), (1, 0));
    // One who comes late, after it was passed over, does not wake itself either.
    tokio::time::advance(ms(10)).await;
    drop(calls.pop());
    assert_eq!(wakers[1].wakes(), 1);
    assert!(poll_with(calls[0].as_mut(), &last).is_pending());
    assert_eq!(last.wakes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_not_sent_to_and_fro_while_those_who_were_called_have_not_come() {
    // In each of two lines one was called and has not come yet, and a slot is free besides.
    let line = || Bulkhead::builder("line").limit(2).queue(4).build().unwrap();
    let (outer, inner) = (line(), line());
    let mut called = Vec::new();
    for slots in [&outer, &inner] {
        let guard = guard(slots.clone());
        let held = [(); 2].map(|()| guard.call(&(), pending::<Result<(), ()>>));
        called.push(guard.call(&(), || ready(Ok::<_, ()>(()))));
        drop(held);
    }
    // Then one who asks for both comes in at once.
    let both = guard((outer.clone(), inner.clone()));
    assert_eq!(poll(Box::pin(both.call(&(), || ready(Ok::<_, ()>(1)))).as_mut()), Poll::Ready(Ok(1)));
    for call in called {
        assert_eq!(call.await, Ok(()));
    }
    assert_eq!((outer.in_flight(), inner.in_flight()), (0, 0));
}
