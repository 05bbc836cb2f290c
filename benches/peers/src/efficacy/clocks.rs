//! Whose clock goes in virtual time.

use std::{
    cell::Cell,
    future::ready,
    mem,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use cofferdam::{Attempt, BoxError, Criticality, Deadline, Instant};
use tick::{Clock, ClockControl};
use tokio::{
    task::yield_now,
    time::{advance, sleep},
};
use tower::service_fn;

use crate::{
    lab::{Ask, Client, Pace},
    remote::Remote,
    theirs::ATTEMPT,
};

/// A clock for seatbelt that goes as tokio's does, to a millisecond.
pub struct Ticking {
    control: ClockControl,
    until: Mutex<Instant>,
}

impl Ticking {
    pub fn begin() -> Arc<Self> {
        let ticking = Arc::new(Self { control: ClockControl::new(), until: Mutex::new(Instant::now()) });
        let ticks = Arc::clone(&ticking);
        tokio::spawn(async move {
            loop {
                sleep(Duration::from_millis(1)).await;
                // What ends at the same moment has ended by then, as with those who use tokio's timers.
                for _ in 0..4 {
                    yield_now().await;
                }
                ticks.catch_up();
            }
        });
        ticking
    }

    pub fn clock(&self) -> Clock {
        self.control.to_clock()
    }

    /// What begins now does so at this moment, and not at the last tick.
    pub fn catch_up(&self) {
        let now = Instant::now();
        let before = mem::replace(&mut *self.until.lock().expect("nobody panics"), now);
        self.control.advance(now.since(before));
    }
}

/// Whether a breaker that calls have opened is still open an hour later, when that hour has passed in no time: then it reads
/// the system's clock, and says nothing about virtual time.
pub fn is_deaf_to_virtual_time(breaker: impl Fn(Remote<Ask>) -> Client) -> bool {
    Pace::Virtual.runtime().block_on(async {
        let calls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&calls);
        let client = breaker(Remote::of(service_fn(move |_: Ask| {
            counted.set(counted.get() + 1);
            ready(Err::<(), _>(BoxError::from("it failed")))
        })));
        // More than any of them needs to open, over more time.
        for _ in 0..300 {
            let _ = client(ask()).await;
            advance(Duration::from_millis(200)).await;
        }
        let before = calls.replace(0);
        assert!(before < 300, "it has not opened");
        advance(Duration::from_secs(3600)).await;
        let _ = client(ask()).await;
        calls.get() == 0
    })
}

fn ask() -> Ask {
    let deadline = Deadline::after(ATTEMPT);
    Ask { deadline, criticality: Criticality::Critical, task: None, attempt: Attempt::FIRST, work: 1.0 }
}
