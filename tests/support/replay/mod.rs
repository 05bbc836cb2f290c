//! A body that is read by several, beside a naive model that keeps everything. Used by the property test and by the fuzz
//! target.

mod body;

use std::{
    cell::RefCell,
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

pub(crate) use body::Item;
use body::{Script, Scripted, bytes_in};
use bytes::Bytes;
use cofferdam::replay::{Replay, ReplayError, Tape};
use http::HeaderMap;
use http_body::Body;

/// What is done with it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Read(u8),
    Begin,
    Drop(u8),
    GoOn,
    Supersede,
    DropTape,
}

impl Op {
    /// Any two numbers are one.
    pub(crate) fn new((kind, which): (u8, u8)) -> Self {
        match kind % 32 {
            0..4 => Self::Begin,
            4..6 => Self::Drop(which),
            6..14 => Self::GoOn,
            14 if which % 4 == 0 => Self::Supersede,
            15 if which % 4 == 0 => Self::DropTape,
            _ => Self::Read(which),
        }
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Reader {
    body: Pin<Box<Replay<Scripted>>>,
    woken: Arc<Woken>,
    // And what the model knows of it.
    at: usize,
    given: u64,
    lost: bool,
    done: bool,
    parked: bool,
}

/// What a reader is given.
#[derive(Debug, PartialEq)]
enum Given {
    Data(Bytes),
    Trailers(HeaderMap),
    Failed,
    Lost,
    End,
    Nothing,
}

impl Given {
    fn of(item: &Item) -> Self {
        match item {
            Item::Data(data) => Self::Data(data.clone()),
            Item::Trailers(trailers) => Self::Trailers(trailers.clone()),
            Item::Pause | Item::Fail => unreachable!("it is no frame"),
        }
    }
}

pub(crate) struct Harness {
    script: Rc<RefCell<Script>>,
    tape: Option<Tape<Scripted>>,
    readers: Vec<Option<Reader>>,
    // The model keeps all that was ever read.
    log: Vec<Item>,
    total: u64,
    limit: usize,
    tells: bool,
    empty: bool,
    /// It is not recorded.
    once: bool,
    taped: bool,
    ended: bool,
    failed: bool,
    latest: usize,
}

impl Harness {
    pub(crate) fn new(limit: usize, tells: bool, items: impl IntoIterator<Item = Item>) -> Self {
        let items: VecDeque<_> = items.into_iter().collect();
        let (total, empty) = (bytes_in(&items), tells && items.is_empty());
        let script = Rc::new(RefCell::new(Script { items, tells, waker: None }));
        let (first, tape) = Replay::new(Scripted::new(&script), limit);
        assert_eq!(tape.is_some(), empty || !tells || total <= limit as u64);
        let taped = tape.is_some();
        let mut harness = Self {
            script,
            tape,
            readers: Vec::new(),
            log: Vec::new(),
            total,
            limit,
            tells,
            empty,
            once: !taped,
            taped,
            ended: empty,
            failed: false,
            latest: 0,
        };
        harness.add(first);
        harness
    }

    fn add(&mut self, body: Replay<Scripted>) {
        self.latest = self.readers.len();
        let (body, woken) = (Box::pin(body), Arc::default());
        // An empty body, and what is made of it, is at its end from the beginning.
        let done = self.empty;
        self.readers.push(Some(Reader { body, woken, at: 0, given: 0, lost: false, done, parked: false }));
        self.looks_right(self.latest);
    }

    pub(crate) fn run(mut self, ops: impl IntoIterator<Item = Op>) {
        for op in ops {
            self.step(op);
            self.all_are_woken();
        }
        // In the end everybody who is still there reads to the end, as the body goes on.
        for round in 0.. {
            assert!(round < 10_000, "somebody does not come to an end");
            let left: Vec<_> = (0..self.readers.len()).filter(|which| self.is_reading(*which)).collect();
            if left.is_empty() {
                break;
            }
            left.into_iter().for_each(|which| self.read(which));
            self.go_on();
            self.all_are_woken();
        }
        self.readers.clear();
        self.tape = None;
        assert_eq!(Rc::strong_count(&self.script), 1, "somebody keeps the body");
    }

    fn is_reading(&self, which: usize) -> bool {
        self.readers[which].as_ref().is_some_and(|reader| !reader.done)
    }

    fn step(&mut self, op: Op) {
        let pick = |which: u8| usize::from(which) % self.readers.len();
        match op {
            Op::Read(which) => self.read(pick(which)),
            Op::Begin if self.readers.len() < 12 => self.begin(),
            Op::Begin => {}
            Op::Drop(which) => {
                let which = pick(which);
                self.readers[which] = None;
            }
            Op::GoOn => self.go_on(),
            Op::Supersede => self.supersede(),
            Op::DropTape => {
                self.tape = None;
                self.taped = false;
            }
        }
    }

    fn begin(&mut self) {
        let Some(tape) = &self.tape else { return };
        let again = tape.again();
        assert_eq!(again.is_some(), self.taped || self.empty, "a further attempt is made exactly if all is there");
        if let Some(body) = again {
            self.add(body);
        }
    }

    fn supersede(&mut self) {
        let Some(tape) = &self.tape else { return };
        tape.supersede();
        if self.readers[self.latest].as_ref().is_some_and(|latest| !latest.lost && !latest.done) {
            self.lose_others(self.latest);
        }
    }

    fn go_on(&mut self) {
        let mut script = self.script.borrow_mut();
        if let Some(Item::Pause) = script.items.front() {
            script.items.pop_front();
            let waker = script.waker.take();
            drop(script);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Reads once, and compares what comes with what the model says.
    fn read(&mut self, which: usize) {
        // What a body that is only passed on does after it has failed is its own affair.
        if self.readers[which].as_ref().is_none_or(|reader| reader.done && self.once) {
            return;
        }
        let expected = self.expect(which);
        let reader = self.readers[which].as_mut().unwrap();
        reader.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&reader.woken));
        let given = match reader.body.as_mut().poll_frame(&mut Context::from_waker(&waker)) {
            Poll::Pending => Given::Nothing,
            Poll::Ready(None) => Given::End,
            Poll::Ready(Some(Err(ReplayError::Source(_)))) => Given::Failed,
            Poll::Ready(Some(Err(ReplayError::Lost))) => Given::Lost,
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Given::Data(data),
                Err(frame) => Given::Trailers(frame.into_trailers().unwrap()),
            },
        };
        assert_eq!(given, expected);
        reader.parked = given == Given::Nothing;
        assert!(!reader.parked || !reader.woken.0.load(Ordering::SeqCst), "it wakes itself");
        if let Given::Data(data) = &given {
            reader.given += data.len() as u64;
        }
        // Whoever has the last frame, where that is known, has all.
        let has_all = self.ended && reader.at == self.log.len();
        if matches!(given, Given::Failed | Given::Lost | Given::End) || has_all {
            reader.done = true;
        }
        self.looks_right(which);
    }

    /// What the body says of its size and its end.
    fn looks_right(&self, which: usize) {
        let reader = self.readers[which].as_ref().filter(|reader| !self.once || !reader.done);
        let Some(reader) = reader else { return };
        let hint = reader.body.size_hint();
        if reader.body.is_end_stream() {
            assert_eq!(hint.exact(), Some(0));
            assert!(reader.done, "an end before the end");
        } else if self.tells {
            assert!(!reader.done);
            assert_eq!(hint.exact(), Some(self.total - reader.given));
        } else {
            assert_eq!((hint.lower(), hint.upper()), (0, None));
        }
    }

    /// Whoever was told to wait and need not wait any more has been woken.
    fn all_are_woken(&self) {
        let goes_on = !matches!(self.script.borrow().items.front(), Some(Item::Pause));
        for reader in self.readers.iter().flatten().filter(|reader| reader.parked) {
            let ready = reader.lost || reader.at < self.log.len() || self.ended || self.failed || goes_on;
            assert!(!ready || reader.woken.0.load(Ordering::SeqCst), "somebody is not woken");
        }
    }
}

/// The model: it keeps all that was ever read.
impl Harness {
    /// What the model says comes next, which thereby has come.
    fn expect(&mut self, which: usize) -> Given {
        let Reader { at, lost, done, .. } = *self.readers[which].as_ref().unwrap();
        if done {
            return Given::End;
        }
        if lost {
            return Given::Lost;
        }
        if at < self.log.len() {
            self.readers[which].as_mut().unwrap().at += 1;
            return Given::of(&self.log[at]);
        }
        if self.ended || self.failed {
            return if self.ended { Given::End } else { Given::Lost };
        }
        let next = self.script.borrow().items.front().cloned();
        match next {
            Some(Item::Pause) => Given::Nothing,
            None => {
                self.ended = true;
                Given::End
            }
            Some(Item::Fail) => {
                (self.failed, self.taped) = (true, false);
                self.lose_others(which);
                Given::Failed
            }
            Some(frame) => {
                let given = Given::of(&frame);
                self.log.push(frame);
                self.readers[which].as_mut().unwrap().at += 1;
                self.ended = self.tells && self.script.borrow().items.len() == 1;
                self.keep_to_the_limit(which);
                given
            }
        }
    }

    /// A frame has come: is there room for all that may still be read?
    fn keep_to_the_limit(&mut self, which: usize) {
        let cost_from = |at: usize| self.log[at..].iter().map(Item::cost).sum::<usize>();
        if self.taped && cost_from(0) > self.limit {
            self.taped = false;
        }
        let others = self.readers.iter().enumerate().filter(|(other, _)| *other != which);
        let others = others.filter_map(|(_, reader)| reader.as_ref()).filter(|reader| !reader.lost && !reader.done);
        let slowest = others.map(|reader| reader.at).min();
        if !self.taped && slowest.is_some_and(|at| cost_from(at) > self.limit) {
            self.lose_others(which);
        }
    }

    fn lose_others(&mut self, which: usize) {
        let others = self.readers.iter_mut().enumerate().filter(|(other, _)| *other != which);
        others
            .filter_map(|(_, reader)| reader.as_mut())
            .filter(|reader| !reader.done)
            .for_each(|reader| reader.lost = true);
    }
}
