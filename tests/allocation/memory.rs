//! What many calls leave behind, and those that wait.

use super::*;

/// What is left of a call that waits, so that it can be cut, goes where that of an earlier one was.
#[test]
fn a_call_that_waits_under_a_drain_allocates_nothing() {
    let (drain, mut context) = (drain(), std::task::Context::from_waker(std::task::Waker::noop()));
    let guard = drain.clone().layer();
    allocates_nothing("drain, a call that waits", || {
        let mut call = std::pin::pin!(guard.call(&2, std::future::pending::<Result<u32, Error>>));
        assert!(call.as_mut().poll(&mut context).is_pending());
        assert!(call.as_mut().poll(&mut context).is_pending());
        assert_eq!(drain.in_flight(), 1);
    });
    assert_eq!(drain.in_flight(), 0);
}

#[test]
fn a_million_rejections_leave_memory_as_it_was() {
    let limit = AdaptiveLimit::builder("limit").initial_limit(1).min_limit(1).max_limit(1).build().unwrap();
    let held = limit.admit(&(), Instant::now()).unwrap();
    let before = ALLOCATIONS.get();
    for _ in 0..1_000_000 {
        assert_eq!(limit.admit(&(), Instant::now()).unwrap_err().why(), Why::Full);
    }
    assert_eq!(ALLOCATIONS.get(), before);
    limit.undo(held, Instant::now());
    assert_eq!((limit.in_flight(), limit.limit()), (0, 1));
}

#[test]
fn a_million_calls_that_are_shed_leave_memory_as_it_was() {
    let limit = AdaptiveLimit::builder("limit").initial_limit(1).min_limit(1).max_limit(1).build().unwrap();
    let by_number =
        |request: &u32| Rank::of(if *request == 0 { Criticality::CriticalPlus } else { Criticality::Sheddable }, None);
    let shed = LoadShed::builder(limit).rank(by_number).max_queue(1).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let waits = guard(shed.clone());
    let runs = shed.admit(&0, Instant::now()).unwrap();
    let mut first = pin!(waits.call(&0, || std::future::ready(Ok::<_, ()>(()))));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());

    let before = ALLOCATIONS.get();
    for _ in 0..1_000_000 {
        assert_eq!(shed.admit(&1, Instant::now()).unwrap_err().why(), Why::Shed);
    }
    assert_eq!(ALLOCATIONS.get(), before);
    assert_eq!(shed.waiting(), 1);
    shed.undo(runs, Instant::now());
}
