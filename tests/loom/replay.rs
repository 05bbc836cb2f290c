//! Those who read a body, those who begin and those who leave.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use cofferdam::replay::{Replay, ReplayError, Tape};
use http_body::{Body, Frame};
use loom::{sync::Mutex, thread};

use super::{beside, explore, finish};

/// Reads to the end, polling when woken, and only then.
fn read<B: Body<Data = Bytes>>(body: B) -> Result<Vec<u8>, B::Error> {
    let (mut body, mut all) = (pin!(body), Vec::new());
    finish(poll_fn(|cx| {
        loop {
            match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => all.extend(frame.into_data().unwrap()),
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(std::mem::take(&mut all))),
            }
        }
    }))
}

/// Polls once, and never again.
fn look<B: Body>(body: B) {
    let mut body = pin!(body);
    let _ = body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
}

/// What has been fed and not read, whether that was all, and whom to wake.
type Pipe = Arc<Mutex<(VecDeque<&'static str>, bool, Option<Waker>)>>;

/// A body that another thread feeds. It wakes the last who polled it, as all do.
struct Piped(Pipe);

impl Body for Piped {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut pipe = self.0.lock().unwrap();
        match pipe.0.pop_front() {
            Some("panic") => {
                drop(pipe);
                panic!("as fed")
            }
            Some(text) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))),
            None if pipe.1 => Poll::Ready(None),
            None => {
                pipe.2 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn feed(pipe: &Pipe, text: Option<&'static str>) {
    let waker = {
        let mut pipe = pipe.lock().unwrap();
        match text {
            Some(text) => pipe.0.push_back(text),
            None => pipe.1 = true,
        }
        pipe.2.take()
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn piped(limit: usize) -> (Pipe, Replay<Piped>, Tape<Piped>) {
    let pipe = Pipe::default();
    let (body, tape) = Replay::new(Piped(Arc::clone(&pipe)), limit);
    (pipe, body, tape.unwrap())
}

/// Two read at once while the body is fed: both are woken, whoever asked for what, and both read all.
#[test]
fn two_read_all_that_a_third_feeds() {
    explore(2, || {
        let (pipe, first, tape) = piped(1024);
        let second = tape.again().unwrap();
        let feeder = beside(&pipe, move |pipe| {
            feed(pipe, Some("ab"));
            feed(pipe, None);
        });
        let reader = thread::spawn(move || assert_eq!(read(second).unwrap(), b"ab"));
        assert_eq!(read(first).unwrap(), b"ab");
        feeder.join().unwrap();
        reader.join().unwrap();
        drop(tape);
        assert_eq!(Arc::strong_count(&pipe), 1, "the body is kept by nobody");
    });
}

/// Whoever polled the body last leaves, while the body has something to say: the other is woken all the same.
#[test]
fn whoever_leaves_takes_nobodys_wake_up_along() {
    explore(3, || {
        let (pipe, first, tape) = piped(1024);
        let second = tape.again().unwrap();
        let leaver = thread::spawn(move || look(first));
        let feeder = thread::spawn(move || {
            feed(&pipe, Some("ab"));
            feed(&pipe, None);
        });
        assert_eq!(read(second).unwrap(), b"ab");
        leaver.join().unwrap();
        feeder.join().unwrap();
        assert_eq!(read(tape.again().unwrap()).unwrap(), b"ab");
    });
}

/// One reads alone, as nobody else can come any more, or does so just before that.
#[test]
fn a_tape_is_dropped_while_its_body_is_read() {
    explore(3, || {
        let (pipe, first, tape) = piped(1024);
        let dropper = thread::spawn(move || {
            let second = tape.again();
            drop(tape);
            drop(second);
        });
        let feeder = beside(&pipe, move |pipe| {
            feed(pipe, Some("ab"));
            feed(pipe, None);
        });
        assert_eq!(read(first).unwrap(), b"ab");
        dropper.join().unwrap();
        feeder.join().unwrap();
        assert_eq!(Arc::strong_count(&pipe), 1, "the body is kept by nobody");
    });
}

/// Past the limit, while another begins: one of them reads all, and nobody is left waiting or reads less without being told.
#[test]
fn past_the_limit_one_reads_on_and_the_other_is_told() {
    explore(3, || {
        let (pipe, first, tape) = piped(100);
        feed(&pipe, Some("ab"));
        feed(&pipe, Some("cd"));
        feed(&pipe, None);
        let other = thread::spawn(move || {
            let again = tape.again().map(read);
            assert!(tape.again().is_none() || again.is_some());
            again
        });
        let read_first = read(first);
        let read_second = other.join().unwrap();
        let whole = |read: &Result<Vec<u8>, ReplayError<Infallible>>| match read {
            Ok(all) => {
                assert_eq!(all, b"abcd");
                true
            }
            Err(error) => {
                assert!(matches!(error, ReplayError::Lost));
                false
            }
        };
        let second_has_all = read_second.as_ref().is_some_and(whole);
        assert!(whole(&read_first) || second_has_all, "somebody was ahead");
    });
}

/// One reads on instead of the other, which is told whatever it was about to do.
#[test]
fn one_that_is_superseded_hears_of_it() {
    explore(3, || {
        let (pipe, first, tape) = piped(1024);
        feed(&pipe, Some("ab"));
        let superseded = thread::spawn(move || match read(first) {
            Ok(all) => assert_eq!(all, b"abcd"),
            Err(error) => assert!(matches!(error, ReplayError::Lost)),
        });
        let latest = tape.again().unwrap();
        tape.supersede();
        let feeder = thread::spawn(move || {
            feed(&pipe, Some("cd"));
            feed(&pipe, None);
        });
        assert_eq!(read(latest).unwrap(), b"abcd");
        superseded.join().unwrap();
        feeder.join().unwrap();
    });
}

/// The body panics in the hands of one: the other is told, and does not wait for what never comes.
#[test]
fn a_body_that_panics_is_lost_to_all() {
    explore(2, || {
        let (pipe, first, tape) = piped(1024);
        let second = tape.again().unwrap();
        let feeder = thread::spawn(move || feed(&pipe, Some("panic")));
        let reader = |body: Replay<Piped>| catch_unwind(AssertUnwindSafe(|| read(body)));
        let other = thread::spawn(move || reader(second));
        let outcomes = [reader(first), other.join().unwrap()];
        feeder.join().unwrap();
        let panics = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        let told = outcomes.iter().flatten().filter(|read| matches!(read, Err(ReplayError::Lost))).count();
        assert_eq!((panics, told), (1, 1));
        assert!(tape.again().is_none());
    });
}
