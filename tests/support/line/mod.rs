//! A queued bulkhead against a naive model of it.

mod model;

use std::{
    cell::Cell,
    num::NonZeroU32,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use cofferdam::{Bulkhead, Policy, Refused, bulkhead::Queue, waiting::Order};
use model::{Model, Stage};

/// What happens next: a choice and its argument.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// A call of that weight.
    Arrive(u32),
    /// Of the calls that are there, the one of that number is polled.
    Poll(u8),
    PollAll,
    /// It leaves, whether it waits or runs.
    Drop(u8),
    /// The oldest one that runs ends.
    Release,
    Advance(u64),
    Resize(usize),
    Length(usize),
    MaxWait(u64),
    Order(bool),
}

impl Op {
    /// Any two bytes are an operation.
    pub(crate) fn new((kind, value): (u8, u8)) -> Self {
        match kind % 16 {
            0..=4 => Self::Arrive([1, 1, 1, 2, 3, 7, 4, 1][usize::from(value % 8)]),
            5 | 6 => Self::Poll(value),
            7 => Self::PollAll,
            8 | 9 => Self::Drop(value),
            10 | 11 => Self::Release,
            12 => Self::Advance([0, 1, 9, 10, 11, 40, 60, 101][usize::from(value % 8)]),
            13 => Self::Resize(usize::from(value % 5) + 1),
            14 => Self::Length(usize::from(value % 5) + 1),
            _ if value % 2 == 0 => Self::MaxWait([1, 5, 10, 50, 100][usize::from(value / 2 % 5)]),
            _ => Self::Order(value % 4 == 1),
        }
    }
}

fn order(adaptive: bool) -> Order {
    if adaptive { Order::Adaptive { after: Duration::from_millis(50) } } else { Order::Fifo }
}

#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Future_ = Pin<Box<dyn Future<Output = Result<(), Refused<()>>>>>;

/// A call, as it is and as it should be.
struct Call {
    number: u64,
    future: Future_,
    runs: Rc<Cell<bool>>,
    stage: Stage,
    until: u64,
    wakes: Arc<Wakes>,
    expected_wakes: u64,
    /// Whether it left its waker in line, and with its timer.
    listens: bool,
    timer: bool,
}

/// The bulkhead, its calls, and the model.
pub(crate) struct Harness {
    slots: Bulkhead<Queue>,
    model: Model,
    calls: Vec<Call>,
    next: u64,
}

static WEIGHTS: [u32; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

impl Harness {
    pub(crate) fn new(limit: u32, length: usize, adaptive: bool) -> Self {
        let builder = Bulkhead::builder("model").limit(limit as usize).queue(length);
        let slots = builder.max_wait(Duration::from_millis(100)).order(order(adaptive)).build().unwrap();
        let model = Model::new(limit, length, 100, adaptive);
        Self { slots, model, calls: Vec::new(), next: 0 }
    }

    /// Needs a runtime whose clock stands still.
    pub(crate) async fn run(mut self, ops: impl IntoIterator<Item = Op>) {
        for op in ops {
            self.apply(op).await;
            self.compare();
        }
        // Everybody leaves, in some order, and nothing is left.
        while !self.calls.is_empty() {
            self.drop_call(self.next as usize % self.calls.len());
            self.compare();
        }
        assert_eq!((self.slots.in_flight(), self.slots.waiting()), (0, 0));
        assert!(self.model.line.is_empty());
        self.arrive(7);
        assert!(matches!(self.calls[0].stage, Stage::Running(_)), "the heaviest comes in at once");
    }

    async fn apply(&mut self, op: Op) {
        match op {
            Op::Arrive(weight) if self.calls.len() < 64 => self.arrive(weight),
            Op::Arrive(_) => {}
            Op::Poll(which) if !self.calls.is_empty() => self.poll(usize::from(which) % self.calls.len()),
            Op::Drop(which) if !self.calls.is_empty() => self.drop_call(usize::from(which) % self.calls.len()),
            Op::Poll(_) | Op::Drop(_) => {}
            Op::PollAll => (0..self.calls.len()).rev().for_each(|which| self.poll(which)),
            Op::Release => {
                if let Some(which) = self.calls.iter().position(|call| matches!(call.stage, Stage::Running(_))) {
                    self.drop_call(which);
                }
            }
            Op::Advance(millis) => self.forward(millis).await,
            Op::Resize(limit) => {
                self.slots.resize(limit).unwrap();
                self.model.limit = limit as u32;
                self.model.advance();
            }
            Op::Length(length) => {
                self.slots.configure(|settings| settings.queue(length)).unwrap();
                self.model.length = length;
                self.model.advance();
            }
            Op::MaxWait(millis) => {
                self.slots.configure(|settings| settings.max_wait(Duration::from_millis(millis))).unwrap();
                self.model.max_wait = millis;
                self.model.advance();
            }
            Op::Order(adaptive) => {
                self.slots.configure(|settings| settings.order(order(adaptive))).unwrap();
                self.model.adaptive = adaptive;
                self.model.advance();
            }
        }
    }

    fn arrive(&mut self, weight: u32) {
        let number = self.next;
        self.next += 1;
        let (runs, until) = (Rc::new(Cell::new(false)), self.model.now + self.model.max_wait);
        let ran = Rc::clone(&runs);
        let guard = self.slots.clone().weighted(|weight: &u32| NonZeroU32::new(*weight).expect("something")).layer();
        let future = Box::pin(guard.call(&WEIGHTS[weight as usize], move || {
            ran.set(true);
            std::future::pending::<Result<(), ()>>()
        }));
        let stage = self.model.arrive(number, weight);
        let (wakes, expected_wakes) = (Arc::default(), 0);
        self.calls.push(Call {
            number,
            future,
            runs,
            stage,
            until,
            wakes,
            expected_wakes,
            listens: false,
            timer: false,
        });
    }

    fn poll(&mut self, which: usize) {
        self.hear();
        let call = &mut self.calls[which];
        let polled = call.future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&call.wakes))));
        if call.stage == Stage::InLine {
            call.listens = false;
            call.stage = self.model.poll(call.number, call.until);
            if call.stage == Stage::InLine {
                (call.listens, call.timer) = (true, true);
            }
        }
        match call.stage {
            Stage::Rejected(expected) => match polled {
                Poll::Ready(Err(Refused::Rejected(rejected))) => {
                    assert_eq!(rejected.why(), expected, "call {}", call.number);
                    assert!(!call.runs.get());
                    drop(self.calls.remove(which));
                }
                other => panic!("call {} should be rejected, as {expected:?}: {other:?}", call.number),
            },
            Stage::InLine | Stage::Running(_) => assert!(polled.is_pending(), "call {}: {polled:?}", call.number),
        }
    }

    fn drop_call(&mut self, which: usize) {
        let call = self.calls.remove(which);
        drop(call.future);
        self.model.leave(call.number, call.stage);
    }

    async fn forward(&mut self, millis: u64) {
        tokio::time::advance(Duration::from_millis(millis)).await;
        self.model.now += millis;
        for call in &mut self.calls {
            if call.stage == Stage::InLine && call.timer && call.until <= self.model.now {
                call.timer = false;
                call.expected_wakes += 1;
            }
        }
    }

    /// Those who were woken.
    fn hear(&mut self) {
        for woken in std::mem::take(&mut self.model.woken) {
            if let Some(call) = self.calls.iter_mut().find(|call| call.number == woken) {
                call.expected_wakes += u64::from(std::mem::take(&mut call.listens));
            }
        }
    }

    /// What is, is as it should be.
    fn compare(&mut self) {
        self.hear();
        assert_eq!(self.slots.limit(), self.model.limit);
        assert_eq!(self.slots.in_flight(), self.model.taken);
        assert_eq!(self.slots.waiting(), self.model.idle());
        for call in &self.calls {
            assert_eq!(
                call.runs.get(),
                matches!(call.stage, Stage::Running(_)),
                "call {} at {:?}",
                call.number,
                call.stage
            );
            assert_eq!(call.wakes.0.load(Ordering::SeqCst), call.expected_wakes, "wake-ups of call {}", call.number);
        }
    }
}
