//! Stories of calls that wait for a slot.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

mod support;

use std::{sync::Arc, task::Poll, time::Duration};

use cofferdam::{BoxError, Bulkhead, Policy, Rejected, Why, bulkhead::Queue, guard, waiting::Order};
use support::{CountingWaker, controlled, poll, poll_with};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
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
    assert!(begun.elapsed() <= ms(101));
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
    assert!((ms(100)..=ms(101)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(slots.waiting(), 0);
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
