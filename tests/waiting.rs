//! Stories of calls that wait for a slot.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

mod support;

use std::{
    future::{pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use cofferdam::{
    BoxError, BreakerState, Bulkhead, CircuitBreaker, Instant, Policy, Refused, Rejected, Why, bulkhead::Queue, guard,
    waiting::Order,
};
use futures_util::future::join_all;
use support::{Asks, CountingWaker, Kind, Probe, Script, controlled, poll, poll_with};
use tower::{Layer, Service, ServiceExt, service_fn};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn since(begun: Instant) -> Duration {
    Instant::now().since(begun)
}

fn queued(limit: usize, length: usize) -> Bulkhead<Queue> {
    Bulkhead::builder("line").limit(limit).queue(length).max_wait(ms(100)).order(Order::Fifo).build().unwrap()
}

fn why<T: std::fmt::Debug>(answer: Result<T, BoxError>) -> Why {
    Rejected::find(answer.unwrap_err().as_ref()).unwrap().why()
}

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

/// A caller every 5 ms, each of whom takes 10 ms: how long the first one waits that finds ten others in line.
async fn wait_under_pressure(order: Order) -> Result<Duration, Why> {
    let slots = Bulkhead::builder("line").limit(1).queue(1000).max_wait(ms(1000)).order(order).build().unwrap();
    let guard = guard(slots.clone());
    let arrive = || {
        let guard = guard.clone();
        tokio::spawn(async move {
            let works = || async {
                tokio::time::sleep(ms(10)).await;
                Ok::<_, ()>(Instant::now())
            };
            guard.call(&(), works).await.map_err(|refused| refused.rejected().unwrap().why())
        })
    };
    while slots.waiting() < 10 {
        arrive();
        tokio::time::sleep(ms(5)).await;
    }
    let (begun, waiter) = (Instant::now(), arrive());
    while !waiter.is_finished() {
        arrive();
        tokio::time::sleep(ms(5)).await;
    }
    waiter.await.unwrap().map(|ended| ended.since(begun))
}

#[tokio::test(start_paused = true)]
async fn defect_75_newcomers_do_not_starve_those_who_wait() {
    // First come, first served: a place in line is worth what it says.
    let took = wait_under_pressure(Order::Fifo).await.unwrap();
    assert!(took <= ms(11 * 11), "{took:?}");
    // Whereas under pressure the newest goes first, and who was early goes without.
    let adaptive = Order::Adaptive { after: ms(20) };
    assert_eq!(wait_under_pressure(adaptive).await, Err(Why::Waited));
}

#[tokio::test(start_paused = true)]
async fn under_pressure_a_full_line_gives_the_oldest_place_to_the_newest_call() {
    let slots = Bulkhead::builder("line").limit(1).queue(2).order(Order::Adaptive { after: ms(50) }).build().unwrap();
    let guard = guard(slots.clone());
    let held = guard.call(&(), pending::<Result<(), ()>>);
    let call = |n: u32| Box::pin(guard.call(&(), move || ready(Ok::<_, ()>(n))));
    let (mut oldest, mut old, waker) = (call(1), call(2), Arc::new(CountingWaker::default()));
    assert!(poll_with(oldest.as_mut(), &waker).is_pending());
    assert!(poll(old.as_mut()).is_pending());
    // While it is calm nobody has to go.
    tokio::time::advance(ms(49)).await;
    assert_eq!(call(3).await.unwrap_err().rejected().unwrap().why(), Why::Full);
    // After that the oldest has, and is told at once.
    tokio::time::advance(ms(1)).await;
    let mut newest = call(4);
    assert_eq!((waker.wakes(), slots.waiting()), (1, 2));
    assert_eq!(oldest.await.unwrap_err().rejected().unwrap().why(), Why::Displaced);
    // And the newest is served first.
    drop(held);
    assert!(poll(old.as_mut()).is_pending());
    assert_eq!(poll(newest.as_mut()), Poll::Ready(Ok(4)));
    assert_eq!(poll(old.as_mut()), Poll::Ready(Ok(2)));
}

#[tokio::test(start_paused = true)]
async fn a_line_of_one_stays_under_pressure_while_it_changes_hands() {
    let slots = Bulkhead::builder("line").limit(1).queue(1).order(Order::Adaptive { after: ms(50) }).build().unwrap();
    let guard = guard(slots.clone());
    let _held = guard.call(&(), pending::<Result<(), ()>>);
    let call = || Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))));
    let mut last = call();
    tokio::time::advance(ms(50)).await;
    for _ in 0..3 {
        let next = call();
        assert_eq!(last.await.unwrap_err().rejected().unwrap().why(), Why::Displaced);
        last = next;
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

/// A breaker that is open for an hour once it is.
fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("breaker").open_time(ms(3_600_000)).open_time_max(ms(3_600_000)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_while_calls_wait_rejects_each_at_its_turn() {
    let (breaker, slots) = (breaker(), queued(1, 4));
    for breaker_first in [true, false] {
        let (service, mut calls) = controlled::<u32, u32>();
        let (outer, inner) = (breaker_first.then(|| breaker.clone()), (!breaker_first).then(|| breaker.clone()));
        let service = guard((outer, slots.clone(), inner)).layer(service);
        let running = tokio::spawn(service.clone().oneshot(0));
        let call = calls.recv().await.unwrap();
        let waiting: Vec<_> = (1..4).map(|n| tokio::spawn(service.clone().oneshot(n))).collect();
        tokio::task::yield_now().await;
        assert_eq!(slots.waiting(), 3);

        // One turn is passed on from each to the next, and none is lost.
        breaker.force_open();
        let begun = Instant::now();
        call.answer(Ok(0));
        running.await.unwrap().unwrap();
        for call in waiting {
            assert_eq!(why(call.await.unwrap()), Why::Open);
        }
        assert_eq!(since(begun), ms(0), "nobody waited for its time to end");
        assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
        assert!(calls.try_recv().is_err(), "none of them was made");
        breaker.reset();
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_holds_no_probe_of_a_breaker() {
    // A breaker with one probe, which is due, in front of a line.
    let breaker = CircuitBreaker::builder("breaker")
        .consecutive_failures(1)
        .open_time(ms(10))
        .open_time_max(ms(10))
        .open_time_jitter(0.0)
        .probes(1)
        .ramp(None)
        .build()
        .unwrap();
    let slots = queued(1, 4);
    let both = guard((breaker.clone(), slots.clone()));
    let _ = both.call(&(), || ready(Err::<(), _>(()))).await;
    assert_eq!(breaker.state(), BreakerState::Open);
    tokio::time::advance(ms(10)).await;
    let held = guard(slots.clone()).call(&(), pending::<Result<(), ()>>);
    let mut waits = Box::pin(both.call(&(), || ready(Ok::<_, ()>(1))));
    assert!(poll(waits.as_mut()).is_pending());
    // The probe goes to one who need not wait.
    assert!(guard(breaker.clone()).call(&(), || ready(Ok::<_, ()>(()))).await.is_ok());
    assert_eq!(breaker.state(), BreakerState::Closed);
    drop(held);
    assert_eq!(poll(waits.as_mut()), Poll::Ready(Ok(1)));
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
    let guard = slots.clone().weighted(|weight: &u32| *weight).layer();
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
    // One that weighs nothing is never in anybody's way.
    assert_eq!(poll(Box::pin(guard.call(&0, || ready(Ok::<_, ()>(())))).as_mut()), Poll::Ready(Ok(())));
    assert!(poll(behind.as_mut()).is_pending());
    assert_eq!(poll(heavy.as_mut()), Poll::Ready(Ok("heavy")));
    assert_eq!(poll(behind.as_mut()), Poll::Ready(Ok("light")));
}

#[tokio::test(start_paused = true)]
async fn a_heavy_call_at_the_head_comes_in_alone_when_the_limit_has_gone_below_it() {
    let slots = queued(4, 8);
    let guard = slots.clone().weighted(|weight: &u32| *weight).layer();
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
async fn a_panic_at_the_turn_passes_the_turn_on() {
    // The function that weighs requests panics when it is asked again.
    let slots = queued(1, 4);
    let asked = AtomicU32::new(0);
    let weigh = |touchy: &bool| {
        assert!(!(*touchy && asked.fetch_add(1, Ordering::SeqCst) == 1), "asked twice");
        1
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
