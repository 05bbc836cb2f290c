//! A queued bulkhead against a naive model of it, and under many threads.
#![cfg(feature = "test-util")]

use std::{
    cell::Cell,
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll},
    thread,
    time::Duration,
};

use cofferdam::{Bulkhead, Policy, Refused, bulkhead::Queue, waiting::Order};
use futures_util::future::join_all;
use proptest::prelude::*;

use crate::support::{Harness, Op, poll, within};

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Who comes in, in which order, who is rejected and why, who is woken and how often, and what is taken.
    #[test]
    fn whoever_waits_is_let_in_as_a_plain_list_would_let_it_in(
        limit in 1..5_u32,
        length in 1..6_usize,
        adaptive: bool,
        ops in prop::collection::vec(any::<(u8, u8)>().prop_map(Op::new), 0..150),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(Harness::new(limit, length, adaptive).run(ops));
    }
}

const THREADS: u64 = 4;

/// Of all threads together.
const OPERATIONS: u64 = 1_000_000;

const LARGEST: u32 = 8;
const HEAVIEST: u32 = 3;
static WEIGHTS: [u32; HEAVIEST as usize] = [1, 2, 3];

thread_local! {
    /// Calls of this thread end when they are polled next.
    static ENDING: Cell<bool> = const { Cell::new(false) };
}

/// A call that runs: it counts itself, and ends after some polls.
struct Running<'a> {
    inside: &'a AtomicU32,
    weight: u32,
    polls: u32,
}

impl<'a> Running<'a> {
    fn new(inside: &'a AtomicU32, weight: u32, polls: u32) -> Self {
        let now_inside = inside.fetch_add(weight, Ordering::SeqCst) + weight;
        assert!(now_inside <= LARGEST, "{now_inside} are inside");
        Self { inside, weight, polls }
    }

    fn leave(&mut self) {
        self.inside.fetch_sub(std::mem::take(&mut self.weight), Ordering::SeqCst);
    }
}

impl Future for Running<'_> {
    type Output = Result<(), ()>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 || ENDING.get() {
            // Its slot is given back with its answer, which is before it is dropped.
            self.leave();
            return Poll::Ready(Ok(()));
        }
        self.polls -= 1;
        Poll::Pending
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

type Waiter<'a> = Pin<Box<dyn Future<Output = Result<(), Refused<()>>> + 'a>>;

/// One thread's part. Returns how many of its calls were served.
async fn crowd(slots: &Bulkhead<Queue>, inside: &AtomicU32, seed: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let guard = slots.clone().weighted(crate::support::weight_of).layer();
    let mut calls: Vec<Waiter<'_>> = Vec::new();
    let mut served = 0;
    for operation in 0..OPERATIONS / THREADS {
        match random.u32(..64) {
            0 => slots.resize(random.u32(HEAVIEST..=LARGEST) as usize).unwrap(),
            1 => {
                tokio::task::yield_now().await;
                // Others get a chance to meet what this thread has left half done.
                thread::yield_now();
            }
            2..24 if calls.len() < 24 => {
                let weight = &WEIGHTS[random.usize(..WEIGHTS.len())];
                let polls = random.u32(..4);
                calls.push(Box::pin(guard.call(weight, move || Running::new(inside, *weight, polls))));
            }
            24..34 if !calls.is_empty() => drop(calls.swap_remove(random.usize(..calls.len()))),
            _ if !calls.is_empty() => {
                let which = random.usize(..calls.len());
                if let Poll::Ready(answer) = poll(calls[which].as_mut()) {
                    served += u64::from(answer.is_ok());
                    drop(calls.swap_remove(which));
                }
            }
            _ => {}
        }
        if operation % 1024 == 0 {
            assert!(slots.waiting() <= 16 + LARGEST as usize);
        }
    }
    ENDING.set(true);
    // From here on each is polled when it is woken, and only then.
    let answers = within("the last calls", join_all(calls)).await;
    served + answers.iter().filter(|answer| answer.is_ok()).count() as u64
}

fn under_threads(max_wait: Duration, order: Order) {
    let slots = Bulkhead::builder("threads").limit(4).queue(16).max_wait(max_wait).order(order).build().unwrap();
    let inside = AtomicU32::new(0);
    let served: u64 = thread::scope(|scope| {
        let part = |seed| {
            let (slots, inside) = (&slots, &inside);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(crowd(slots, inside, seed))
            })
        };
        let threads: Vec<_> = (0..THREADS).map(part).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!("{served} of {OPERATIONS} operations were calls that were served");
    assert!(served > 1000, "only {served} were served");
    assert_eq!((slots.in_flight(), slots.waiting(), inside.into_inner()), (0, 0, 0));
}

/// Nobody's time is up before the watchdog's: a wake-up that is lost is found.
#[test]
fn under_threads_every_patient_call_is_woken() {
    under_threads(Duration::from_secs(60), Order::Fifo);
}

/// Turns come while times run out and the newest go first.
#[test]
fn under_threads_nothing_is_lost_when_times_run_out() {
    under_threads(Duration::from_millis(1), Order::Adaptive { after: Duration::from_millis(1) });
}
