//! A line behind a breaker.

use super::*;

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
