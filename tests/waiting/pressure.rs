//! A line in which calls wait for long.

use super::*;

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
