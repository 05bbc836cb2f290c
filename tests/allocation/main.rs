//! What a call costs in memory: nothing is allocated when it succeeds or is rejected with a typed error, and what is
//! carried along is small.
#![allow(missing_docs)]

mod flows;
mod memory;
mod policies;
mod web;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use cofferdam::{
    AdaptiveLimit, AdaptiveThrottle, Admit, BreakerState, Bulkhead, Carries, CircuitBreaker, Criticality, Drain, Ended,
    Ends, Guarded, Immediate, Instant, Keyed, LoadShed, Name, Outcome, Policy, Ratio, Refused, Rejected, Shadow,
    Timeout, Why, context::Rank, drain::Nobody, guard,
};
use tower::{Layer, Service, service_fn};

/// Counts what each thread allocates: the tests run next to each other.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Bytes that this thread has allocated and not given back, and the most there ever were.
    static HELD: Cell<(i64, i64)> = const { Cell::new((0, 0)) };
}

fn hold(bytes: i64) {
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        held.set((now + bytes, most.max(now + bytes)));
    });
}

fn count() {
    // A thread that is on its way out has no counter any more, and nobody who asks.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: everything is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size() as i64);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size() as i64);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        hold(size as i64 - layout.size() as i64);
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        hold(-(layout.size() as i64));
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CALLS: usize = 1_000;

/// Runs it a few times to warm up, and then a thousand times in which nothing may be allocated.
fn allocates_nothing(what: &str, mut run: impl FnMut()) {
    (0..64).for_each(|_| run());
    let before = ALLOCATIONS.get();
    (0..CALLS).for_each(|_| run());
    let allocated = ALLOCATIONS.get() - before;
    assert_eq!(allocated, 0, "{what}: {allocated} allocations in {CALLS} calls");
}

/// The answer of a future that has it at once.
fn now_or_never<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future has no answer yet"),
    }
}

/// Ready, and called.
fn call<S: Service<u32>>(service: &mut S, request: u32) -> Result<S::Response, S::Error> {
    match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => now_or_never(service.call(request)),
        Poll::Ready(Err(error)) => Err(error),
        Poll::Pending => panic!("the service is not ready"),
    }
}

/// What a guarded service may answer: itself, a rejection, or its own failure (of odd numbers).
#[derive(Debug, PartialEq)]
enum Error {
    Rejected(Rejected),
    Odd,
}

impl Carries for Error {
    fn carry(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }

    fn carried(&self) -> Option<&Rejected> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Odd => None,
        }
    }
}

type Answer = std::future::Ready<Result<u32, Error>>;

fn answer(request: u32) -> Answer {
    std::future::ready(if request.is_multiple_of(2) { Ok(request) } else { Err(Error::Odd) })
}

type Echo = tower::util::ServiceFn<fn(u32) -> Answer>;

fn echo() -> Echo {
    service_fn(answer as fn(u32) -> Answer)
}

/// Every second call may fail.
fn patient() -> CircuitBreaker {
    CircuitBreaker::builder("payments").failure_ratio(1.0).consecutive_failures(None).build().unwrap()
}

fn slots() -> Bulkhead {
    Bulkhead::builder("payments").limit(16).build().unwrap()
}

fn drain() -> Drain<Nobody> {
    Drain::builder("payments").grace(Duration::ZERO).exempt_nobody().build().unwrap()
}

fn full() -> Bulkhead {
    let slots = Bulkhead::builder("payments").limit(1).build().unwrap();
    Admit::admit(&slots, &(), Instant::now()).unwrap();
    slots
}
