//! What happens when, in virtual time: a heap of events on tokio's paused clock.

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::BinaryHeap,
    ops::Range,
    rc::Rc,
    sync::{Arc, Mutex},
    task::{Wake, Waker},
    thread,
    time::Duration,
};

use cofferdam::Instant;
use tokio::runtime::{Builder, Runtime};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Somebody asks for something.
    Arrival,
    /// Whoever asked has waited for long enough.
    GiveUp(usize),
    /// The server is done with a piece of work, unless things have changed since that number was given.
    Done { job: usize, number: u64 },
    /// The server changes.
    Change(usize),
}

/// How time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It is later as soon as there is nothing left to do.
    Virtual,
    /// As it does on the wall: for those who read the system's clock.
    Real,
}

impl Pace {
    pub fn runtime(self) -> Runtime {
        let mut builder = Builder::new_current_thread();
        builder.enable_time().start_paused(self == Self::Virtual).build().expect("a thread can have a runtime")
    }

    /// What comes of each seed: one after the other, or all at the same time where it passes as it does.
    pub fn each<T: Send>(self, seeds: Range<u64>, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
        if self == Self::Virtual {
            return seeds.map(run).collect();
        }
        thread::scope(|scope| {
            let run = &run;
            let runs: Vec<_> = seeds.map(|seed| scope.spawn(move || run(seed))).collect();
            runs.into_iter().map(|run| run.join().expect("no run panics")).collect()
        })
    }
}

/// Time in nanoseconds since the beginning, and what is to come.
#[derive(Debug)]
pub struct World {
    pace: Pace,
    began: Instant,
    now: Cell<u64>,
    order: Cell<u64>,
    events: RefCell<BinaryHeap<Reverse<(u64, u64, Event)>>>,
}

impl World {
    pub fn new(pace: Pace) -> Rc<Self> {
        let (now, order, events) = Default::default();
        Rc::new(Self { pace, began: Instant::now(), now, order, events })
    }

    pub fn now(&self) -> u64 {
        self.now.get()
    }

    pub fn at(&self, nanos: u64, event: Event) {
        self.order.set(self.order.get() + 1);
        self.events.borrow_mut().push(Reverse((nanos, self.order.get(), event)));
    }

    pub fn after(&self, seconds: f64, event: Event) {
        self.at(self.now() + nanos(seconds), event);
    }

    /// The next event, if it comes within a millisecond: then it is then. Timers of tokio tell no finer time.
    pub async fn step(&self) -> Option<Event> {
        const STEP: u64 = 1_000_000;
        let now = self.now();
        let next = self.events.borrow().peek().map(|Reverse((at, ..))| *at);
        match next {
            Some(at) if at <= now + STEP => {
                self.go_on(at.saturating_sub(now)).await;
                self.events.borrow_mut().pop().map(|Reverse((.., event))| event)
            }
            _ => {
                self.go_on(STEP).await;
                None
            }
        }
    }

    async fn go_on(&self, nanos: u64) {
        if nanos > 0 {
            let later = self.now() + nanos;
            match self.pace {
                Pace::Virtual => tokio::time::advance(Duration::from_nanos(nanos)).await,
                Pace::Real => {
                    let passed = Instant::now().since(self.began);
                    tokio::time::sleep(Duration::from_nanos(later).saturating_sub(passed)).await;
                    // What is late is at once, and others must have their turn all the same.
                    tokio::task::yield_now().await;
                }
            }
            self.now.set(later);
        }
    }
}

pub fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

/// Those who have been woken, by number.
#[derive(Debug, Default)]
pub struct Woken(Mutex<Vec<usize>>);

struct Wakes {
    woken: Arc<Woken>,
    number: usize,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.woken.0.lock().unwrap().push(self.number);
    }
}

impl Woken {
    pub fn waker(self: &Arc<Self>, number: usize) -> Waker {
        Waker::from(Arc::new(Wakes { woken: Arc::clone(self), number }))
    }

    pub fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
