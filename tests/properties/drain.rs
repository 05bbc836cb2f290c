//! The drain against a naive model of it, on a clock that stands still, and under many threads.
#![cfg(feature = "test-util")]

use std::{
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use cofferdam::{
    Admit, Drain, DrainState, Ended, Instant, Outcome, Policy, Why,
    drain::{Finished, Hold, Inside, Nobody},
};
use proptest::{prelude::*, sample::select};

#[derive(Clone, Debug)]
enum Op {
    Admit,
    Hold,
    End(usize),
    Undo(usize),
    Begin,
    Resume,
    /// Somebody waits for the end, or not any more.
    Wait(bool),
    /// So many milliseconds pass.
    Pass(u64),
    Configure(u64, u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => Just(Op::Admit),
        2 => Just(Op::Hold),
        5 => any::<usize>().prop_map(Op::End),
        1 => any::<usize>().prop_map(Op::Undo),
        2 => Just(Op::Begin),
        1 => Just(Op::Resume),
        2 => any::<bool>().prop_map(Op::Wait),
        4 => select(vec![1, 2, 5, 10, 50, 200]).prop_map(Op::Pass),
        1 => (0..40_u64, 1..80_u64).prop_map(|(grace, deadline)| Op::Configure(grace, deadline)),
    ]
}

enum Held {
    Call(Inside),
    Hold(#[allow(dead_code)] Hold),
}

/// What a drain is, said as plainly as can be. Times are in milliseconds.
#[derive(Default)]
struct Model {
    now: u64,
    grace: u64,
    deadline: u64,
    inside: u64,
    /// Closes and cuts at, of a drain that is under way.
    begun: Option<(u64, u64)>,
    /// How many were inside when it closed.
    left: Option<u64>,
    cut: Option<u64>,
}

impl Model {
    /// Whether anything new is let in; to ask is to look at the time.
    fn lets_in(&mut self) -> bool {
        self.close_if_it_is_time();
        self.left.is_none()
    }

    fn close_if_it_is_time(&mut self) {
        if self.left.is_none() && self.begun.is_some_and(|(closes, _)| self.now >= closes) {
            self.left = Some(self.inside);
        }
    }

    /// For somebody who waits for the end: he closes and cuts when it is time.
    fn is_waited_for(&mut self) -> Option<(u64, u64)> {
        self.close_if_it_is_time();
        let ((_, cuts), left) = (self.begun?, self.left?);
        if self.inside > 0 && self.cut.is_none() {
            if self.now < cuts {
                return None;
            }
            self.cut = Some(self.inside);
        }
        let cut = self.cut.unwrap_or(0);
        Some((left - cut, cut))
    }

    fn state(&mut self) -> DrainState {
        self.close_if_it_is_time();
        match (self.begun, self.left, self.cut) {
            (None, ..) => DrainState::Ready,
            (Some(_), None, _) => DrainState::Leaving,
            (Some(_), Some(_), None) if self.inside > 0 => DrainState::Draining,
            _ => DrainState::Drained,
        }
    }

    fn begin(&mut self) {
        if self.begun.is_none() {
            let closes = self.now + self.grace;
            self.begun = Some((closes, closes + self.deadline));
            self.close_if_it_is_time();
        }
    }

    fn resume(&mut self) -> bool {
        if self.cut.is_none() {
            (self.begun, self.left) = (None, None);
        }
        self.begun.is_none()
    }
}

fn ended() -> Ended {
    Ended::new(Outcome::Success, Instant::ORIGIN, Instant::ORIGIN)
}

fn drain(grace: u64, deadline: u64) -> Drain<Nobody> {
    let builder = Drain::builder("properties").grace(Duration::from_millis(grace));
    builder.deadline(Duration::from_millis(deadline)).exempt_nobody().build().expect("settings that may be")
}

/// The drain and the model, side by side.
async fn agree(grace: u64, deadline: u64, ops: Vec<Op>) -> Result<(), TestCaseError> {
    let (drain, mut model) = (drain(grace, deadline), Model { grace, deadline, ..Model::default() });
    let (mut held, mut waits): (Vec<Held>, Option<Finished>) = (Vec::new(), None);
    for op in ops {
        match op {
            Op::Admit => match Admit::admit(&drain, &(), Instant::ORIGIN) {
                Ok(inside) => {
                    prop_assert!(model.lets_in());
                    model.inside += 1;
                    held.push(Held::Call(inside));
                }
                Err(rejected) => {
                    prop_assert!(!model.lets_in());
                    prop_assert_eq!((rejected.why(), rejected.retry_after()), (Why::Draining, Some(Duration::ZERO)));
                }
            },
            Op::Hold => {
                let hold = drain.hold();
                prop_assert_eq!(hold.is_ok(), model.lets_in());
                if let Ok(hold) = hold {
                    model.inside += 1;
                    held.push(Held::Hold(hold));
                }
            }
            Op::End(which) | Op::Undo(which) if !held.is_empty() => {
                let one = held.swap_remove(which % held.len());
                match one {
                    Held::Call(inside) if matches!(op, Op::Undo(_)) => drain.undo(inside, Instant::ORIGIN),
                    Held::Call(inside) => drain.settle(inside, &ended()),
                    Held::Hold(hold) => drop(hold),
                }
                // Whoever comes last finds it closed or not as the time says, and is not the one to say so.
                model.inside -= 1;
            }
            Op::End(_) | Op::Undo(_) => {}
            Op::Begin => {
                drop(drain.begin());
                model.begin();
            }
            Op::Resume => prop_assert_eq!(drain.resume(), model.resume()),
            Op::Wait(waits_now) => waits = waits_now.then(|| drain.finished()),
            Op::Pass(time) => {
                tokio::time::advance(Duration::from_millis(time)).await;
                model.now += time;
            }
            Op::Configure(grace, deadline) => {
                let (long, longer) = (Duration::from_millis(grace), Duration::from_millis(deadline));
                prop_assert!(drain.configure(|settings| settings.grace(long).deadline(longer)).is_ok());
                (model.grace, model.deadline) = (grace, deadline);
            }
        }
        if let Some(finished) = waits.take() {
            let mut finished = Box::pin(finished);
            let expected = model.is_waited_for();
            match finished.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(drained) => prop_assert_eq!(Some((drained.ended, drained.cut)), expected),
                Poll::Pending => prop_assert_eq!(expected, None),
            }
            waits = Some(drain.finished());
        }
        prop_assert_eq!((drain.state(), drain.in_flight()), (model.state(), model.inside));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// It lets in, closes, cuts and reports as the model does, whatever happens in whatever order.
    #[test]
    fn a_drain_does_what_the_model_does(
        grace in 0..40_u64,
        deadline in 1..80_u64,
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(agree(grace, deadline, ops))?;
    }
}

/// Threads call while it drains and resumes: nobody is inside when it says that nobody is.
#[test]
fn under_threads_nobody_is_inside_when_it_is_drained() {
    const CALLERS: usize = 4;
    let (drain, inside) = (drain(0, 60_000), AtomicU64::new(0));
    let (start, rounds) = (Barrier::new(CALLERS + 1), 200);
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                for _ in 0..rounds {
                    start.wait();
                    while let Ok(hold) = drain.hold() {
                        inside.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(hold);
                    }
                    start.wait();
                }
            });
        }
        for _ in 0..rounds {
            start.wait();
            drop(drain.begin());
            while drain.state() != DrainState::Drained {
                thread::yield_now();
            }
            assert_eq!(inside.load(Ordering::SeqCst), 0);
            start.wait();
            assert!(drain.resume());
        }
    });
}
