//! Calls that may wait in line: how they come, look, are let in or turned away, and end.

use std::{
    cell::Cell,
    cmp::Ordering,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use cofferdam::{Instant, Refused, Rejected, Why, limit::Algorithm};

use super::{Ask, Harness};

type Answer = Result<(), Refused<()>>;

#[derive(Clone, Copy, Debug)]
enum Ending {
    Works,
    Fails,
    Panics,
}

/// What a call knows of itself, and what it is told.
#[derive(Debug, Default)]
struct Inside {
    /// How often it was made.
    made: Cell<u32>,
    ends: Cell<Option<Ending>>,
}

pub(super) struct Call {
    ask: Ask,
    future: Pin<Box<dyn Future<Output = Answer>>>,
    inside: Rc<Inside>,
    /// How many slots it holds; `None` while it waits.
    pub(super) holds: Option<u32>,
}

/// What became of a call that was polled.
enum Polled {
    Waits,
    /// It came in, and holds so many slots: none if it is a health check beyond the limit.
    ComesIn(u32),
    Rejected(Rejected),
}

impl<A: Algorithm> Harness<A> {
    pub(super) fn arrive(&mut self, ask: Ask) {
        let (inside, guard) = (Rc::new(Inside::default()), self.guard.clone());
        let told = Rc::clone(&inside);
        let future = Box::pin(async move {
            let make = || {
                told.made.set(told.made.get() + 1);
                std::future::poll_fn(|_| match told.ends.get() {
                    None => Poll::Pending,
                    Some(Ending::Works) => Poll::Ready(Ok(())),
                    Some(Ending::Fails) => Poll::Ready(Err(())),
                    // Past the hook, to which a panic is the end of everything in some programs.
                    Some(Ending::Panics) => resume_unwind(Box::new(())),
                })
            };
            guard.call(&ask, make).await
        });
        let mut call = Call { ask, future, inside, holds: None };
        let highest = self.waiting().map(|call| call.ask.rank()).max();
        match self.poll(&mut call) {
            Polled::Waits => self.calls.push(call),
            Polled::ComesIn(slots) => {
                if slots > 0 && self.setup.attentive && !self.setup.shares {
                    assert!(highest.is_none_or(|highest| highest <= ask.rank()), "{ask:?} overtakes {highest:?}");
                }
                call.holds = Some(slots);
                self.calls.push(call);
            }
            Polled::Rejected(rejected) => assert_ne!(rejected.why(), Why::Displaced, "it has no place yet"),
        }
        if self.setup.attentive {
            self.one_is_displaced(ask);
        }
    }

    /// Whoever lost its place lost it to somebody who matters as much at least, and mattered the least.
    fn one_is_displaced(&mut self, by: Ask) {
        let lowest = self.waiting().map(|call| call.ask.rank()).min();
        for rejected in self.poll_all_who_wait() {
            if rejected.1 == Why::Displaced && !self.setup.shares {
                assert!(rejected.0.rank() <= by.rank(), "{:?} for {by:?}", rejected.0);
                assert_eq!(Some(rejected.0.rank()), lowest);
            }
        }
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.holds.is_none())
    }

    fn poll(&self, call: &mut Call) -> Polled {
        assert!(call.holds.is_none());
        let (before, limit) = (self.shed.limit().in_flight(), self.shed.limit().limit());
        let polled = call.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let taken = self.shed.limit().in_flight();
        let made = call.inside.made.get();
        match polled {
            Poll::Pending if made == 0 => {
                assert_eq!(taken, before);
                Polled::Waits
            }
            Poll::Pending => {
                assert_eq!(made, 1);
                if let Some(deadline) = call.ask.deadline {
                    assert!(deadline.moment() > Instant::now(), "{:?} is begun too late", call.ask);
                }
                if taken == before {
                    assert!(call.ask.health, "{:?} holds nothing", call.ask);
                    return Polled::ComesIn(0);
                }
                assert_eq!(taken - before, call.ask.weight);
                assert!(before == 0 || taken <= limit, "{before} and {:?} of {limit}", call.ask);
                Polled::ComesIn(call.ask.weight)
            }
            Poll::Ready(Err(Refused::Rejected(rejected))) => {
                assert_eq!((made, taken), (0, before), "what is rejected is not made");
                self.check(call.ask, rejected);
                Polled::Rejected(rejected)
            }
            Poll::Ready(other) => panic!("nobody told it to end: {other:?}"),
        }
    }

    pub(super) fn check(&self, ask: Ask, rejected: Rejected) {
        match rejected.why() {
            Why::Shed | Why::Displaced => {}
            Why::Expired => {
                let deadline = ask.deadline.expect("it has one").moment();
                assert!(deadline <= Instant::now(), "{ask:?} expired");
            }
            other => panic!("{ask:?}: {other:?}"),
        }
        assert_eq!(rejected.by().as_str(), "shed");
    }

    /// Polls one who waits, or one who runs and goes on running.
    pub(super) fn poll_one(&mut self, which: u8) {
        if self.calls.is_empty() {
            return;
        }
        let which = usize::from(which) % self.calls.len();
        let mut call = self.calls.remove(which);
        if call.holds.is_some() {
            let polled = call.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending() && call.inside.made.get() == 1);
        } else {
            match self.poll(&mut call) {
                Polled::Waits => {}
                Polled::ComesIn(slots) => call.holds = Some(slots),
                Polled::Rejected(_) => return,
            }
        }
        self.calls.insert(which, call);
    }

    pub(super) fn poll_all(&mut self) {
        self.poll_all_who_wait();
    }

    /// Returns those who were rejected.
    fn poll_all_who_wait(&mut self) -> Vec<(Ask, Why)> {
        let mut rejected = Vec::new();
        for mut call in std::mem::take(&mut self.calls) {
            if call.holds.is_none() {
                match self.poll(&mut call) {
                    Polled::Waits => {}
                    Polled::ComesIn(slots) => call.holds = Some(slots),
                    Polled::Rejected(why) => {
                        rejected.push((call.ask, why.why()));
                        continue;
                    }
                }
            }
            self.calls.push(call);
        }
        rejected
    }

    /// Everybody looks until nothing changes: whoever came in matters as much as anybody who still waits, and the one who is
    /// next does not fit.
    pub(super) fn look_around(&mut self) {
        let running = |harness: &Self| harness.calls.iter().filter(|call| call.holds.is_some()).count();
        let waited: Vec<_> = self.waiting().map(|call| Rc::clone(&call.inside)).collect();
        loop {
            let before = (self.calls.len(), running(self));
            self.poll_all_who_wait();
            if before == (self.calls.len(), running(self)) {
                break;
            }
        }
        // Only now: whoever is called while others look comes in when it is asked the next time.
        let came_in = |call: &&Call| {
            call.holds.is_some_and(|slots| slots > 0) && waited.iter().any(|inside| Rc::ptr_eq(inside, &call.inside))
        };
        let least = self.calls.iter().filter(came_in).map(|call| call.ask.rank()).min();
        let highest = self.waiting().map(|call| call.ask.rank()).max();
        // Who was called before a higher one came, and did not look, still may.
        if let (Some(least), Some(highest)) = (least, highest)
            && self.setup.attentive
            && !self.setup.shares
        {
            assert!(least >= highest, "{least:?} came in before {highest:?}");
        }
        let (taken, limit) = (self.shed.limit().in_flight(), self.shed.limit().limit());
        if !self.setup.fixed || !self.setup.attentive {
            return;
        }
        let next = self.waiting().max_by(|one, other| match one.ask.rank().cmp(&other.ask.rank()) {
            // Who of these is next is a matter of when they came.
            Ordering::Equal => one.ask.weight.cmp(&other.ask.weight),
            order => order,
        });
        if let Some(next) = next
            && !self.setup.shares
        {
            assert!(taken > 0 && taken + next.ask.weight > limit, "{:?} waits beside {taken} of {limit}", next.ask);
        }
    }

    /// One that runs ends.
    pub(super) fn end(&mut self, which: u8, how: u8) {
        let running: Vec<_> = (0..self.calls.len()).filter(|call| self.calls[*call].holds.is_some()).collect();
        if running.is_empty() {
            return;
        }
        let mut call = self.calls.remove(running[usize::from(which) % running.len()]);
        let before = self.shed.limit().in_flight();
        let ending = [Ending::Works, Ending::Works, Ending::Fails, Ending::Panics][usize::from(how % 4)];
        call.inside.ends.set(Some(ending));
        let mut cx = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| call.future.as_mut().poll(&mut cx)));
        match (ending, polled) {
            (Ending::Works, Ok(Poll::Ready(Ok(())))) | (Ending::Panics, Err(_)) => {}
            (Ending::Fails, Ok(Poll::Ready(Err(Refused::Inner(()))))) => {}
            (ending, polled) => panic!("{ending:?}: {polled:?}"),
        }
        // Kept for a while after its end, it holds nothing.
        let held = call.holds.expect("it runs");
        assert_eq!(self.shed.limit().in_flight(), before - held, "{:?} has ended", call.ask);
        drop(call);
        assert_eq!(self.shed.limit().in_flight(), before - held, "{held} are given back once");
    }
}
