//! What is recorded of a body, and what each attempt reads of it.

use super::*;

fn is_lost<E>(given: Poll<Given<E>>) -> bool {
    matches!(given, Poll::Ready(Some(Err(ReplayError::Lost))))
}

#[test]
fn the_first_attempt_is_sent_as_the_body_comes_in() {
    let (feed, body) = fed();
    let (mut first, tape) = taped(body, 1024);
    assert!(next(&mut first).is_pending());
    feed.send("one".into()).unwrap();
    assert_eq!(data(&mut first), "one");
    assert!(next(&mut first).is_pending());

    // And the next attempt does not wait for the first: it has what was there, and asks for more by itself
    let mut second = tape.again().unwrap();
    assert_eq!(data(&mut second), "one");
    feed.send("two".into()).unwrap();
    assert_eq!(data(&mut second), "two");
    assert_eq!(data(&mut first), "two");
    drop(feed);
    assert!(matches!(next(&mut first), Poll::Ready(None)));
    assert!(matches!(next(&mut second), Poll::Ready(None)));
    assert!(second.is_end_stream());
}

#[test]
fn whoever_stops_early_leaves_the_others_as_they_are() {
    let (feed, body) = fed();
    let (mut first, tape) = taped(body, 1024);
    let mut second = tape.again().unwrap();
    let woken = Arc::new(CountingWaker::default());
    let waker = Waker::from(woken.clone());

    // Given two who wait for the body, of whom the one that asked last is gone
    assert!(Pin::new(&mut second).poll_frame(&mut Context::from_waker(&waker)).is_pending());
    assert!(next(&mut first).is_pending());
    drop(first);

    // When the body goes on, the other is woken, once, and reads on
    feed.send("one".into()).unwrap();
    assert_eq!(woken.wakes(), 1);
    assert_eq!(data(&mut second), "one");

    // And a third begins at the beginning, though nobody is left of those who read that
    drop(second);
    assert_eq!(data(&mut tape.again().unwrap()), "one");
}

#[test]
fn what_one_reads_wakes_those_who_wait_for_it() {
    let (feed, body) = fed();
    let (mut first, tape) = taped(body, 1024);
    let mut second = tape.again().unwrap();
    let woken = Arc::new(CountingWaker::default());
    let waker = Waker::from(woken.clone());
    assert!(Pin::new(&mut second).poll_frame(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(woken.wakes(), 0);

    // A frame, and the end; each poll that comes to nothing leaves a wake-up for the next
    feed.send("one".into()).unwrap();
    assert_eq!((data(&mut first), woken.wakes()), ("one".into(), 1));
    assert_eq!(data(&mut second), "one");
    assert!(Pin::new(&mut second).poll_frame(&mut Context::from_waker(&waker)).is_pending());
    drop(feed);
    assert!(matches!(next(&mut first), Poll::Ready(None)));
    assert_eq!(woken.wakes(), 2);
    assert!(matches!(next(&mut second), Poll::Ready(None)));
}

#[test]
fn past_the_limit_it_is_sent_on_and_not_sent_again() {
    // Given a limit of two chunks, as each counts as 64 bytes
    let (mut first, tape) = taped(chunks(["one", "two", "three", "four"]), 128);
    let (mut second, mut third) = (tape.again().unwrap(), tape.again().unwrap());
    assert_eq!((data(&mut first), data(&mut first)), ("one".into(), "two".into()));
    assert_eq!((data(&mut second), data(&mut third), data(&mut third)), ("one".into(), "one".into(), "two".into()));

    // When the third comes it cannot be kept for those who have still to read the first; but whoever is ahead has it
    assert_eq!(data(&mut first), "three");
    assert!(tape.again().is_none());
    assert_eq!(data(&mut first), "four");
    assert!(matches!(next(&mut first), Poll::Ready(None)));

    // And the others are told, once, that something is missing
    assert!(is_lost(next(&mut second)) && is_lost(next(&mut third)));
    assert!(matches!(next(&mut second), Poll::Ready(None)));
    assert!(second.is_end_stream());
}

#[test]
fn those_who_keep_up_with_one_another_read_a_body_of_any_length() {
    // Given two attempts at once and a body far longer than the limit
    let numbers = (0..10_000_u32).map(|n| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(&n.to_be_bytes()))));
    let (mut first, tape) = taped(StreamBody::new(stream::iter(numbers)), 256);
    let mut second = tape.again().unwrap();

    // Then each reads all of it, as long as they are no more than the limit apart
    for n in 0..10_000_u32 {
        let (ahead, behind) = if n % 7 < 3 { (&mut first, &mut second) } else { (&mut second, &mut first) };
        assert_eq!(data(ahead), &n.to_be_bytes()[..]);
        assert_eq!(data(behind), &n.to_be_bytes()[..]);
        assert_eq!(tape.again().is_some(), n < 4);
    }
    assert!(matches!((next(&mut first), next(&mut second)), (Poll::Ready(None), Poll::Ready(None))));
}

#[test]
fn defect_103_trailers_count_and_so_do_their_names() {
    // Given a name and a value of 100 bytes each, and 32 for the field
    let trailers = || HeaderMap::from_iter([("n".repeat(100).parse().unwrap(), "v".repeat(100).parse().unwrap())]);
    let body = || {
        let frames = [Frame::data(Bytes::from(vec![b'a'; 100])), Frame::trailers(trailers())];
        StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)))
    };
    for (limit, kept) in [(332, true), (331, false)] {
        let (mut first, tape) = taped(body(), limit);
        assert_eq!(data(&mut first).len(), 100);
        assert!(tape.again().is_some());
        let Poll::Ready(Some(Ok(frame))) = next(&mut first) else { panic!("no trailers") };
        assert_eq!(frame.into_trailers().unwrap(), trailers());
        assert_eq!(tape.again().is_some(), kept, "with a limit of {limit}");
    }
}

#[test]
fn defect_103_a_body_of_nothing_for_ever_is_not_kept_for_ever() {
    let nothing = stream::repeat_with(|| Ok::<_, Infallible>(Frame::data(Bytes::new())));
    let (mut first, tape) = taped(StreamBody::new(nothing), 64 * 1024);
    for n in 1..2000 {
        assert_eq!(data(&mut first), "");
        assert_eq!(tape.again().is_some(), n <= 1024);
    }
}

#[test]
fn defect_103_a_body_that_says_it_is_too_long_is_not_recorded() {
    for (len, recorded) in [(100, true), (101, false)] {
        let (mut first, tape) = Replay::new(Full::new(Bytes::from(vec![b'a'; len])), 100);
        assert_eq!(tape.is_some(), recorded);
        assert_eq!(first.size_hint().exact(), Some(len as u64));
        assert_eq!(data(&mut first).len(), len);
        assert!(first.is_end_stream());
    }
}

/// Says how much is left, and does not say that it has ended.
struct Counted(VecDeque<&'static str>);

impl Body for Counted {
    type Data = &'static [u8];
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<&'static [u8]>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|text| Ok(Frame::data(text.as_bytes()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|text| text.len() as u64).sum())
    }
}

#[test]
fn sizes_and_ends_are_told_as_they_were_of_the_first() {
    // A body that says how long it is, and is asked for its end
    let (mut first, tape) = taped(Counted(["one", "three"].into()), 1024);
    assert_eq!(first.size_hint().exact(), Some(8));
    assert_eq!(data(&mut first), "one");
    assert_eq!(first.size_hint().exact(), Some(5));
    let mut second = tape.again().unwrap();
    assert_eq!(second.size_hint().exact(), Some(8));
    assert_eq!((data(&mut first), data(&mut second)), ("three".into(), "one".into()));
    assert_eq!((first.size_hint().exact(), second.size_hint().exact()), (Some(0), Some(5)));
    assert!(!first.is_end_stream());
    assert!(matches!(next(&mut first), Poll::Ready(None)));
    assert!(first.is_end_stream() && !second.is_end_stream());
    assert_eq!(data(&mut second), "three");
    assert!(second.is_end_stream(), "by then it is known");

    // One that does not: nor does what is sent again, or its trailers would be cut off
    let (mut first, tape) = taped(chunks(["one"]), 1024);
    assert_eq!(data(&mut first), "one");
    assert!(matches!(next(&mut first), Poll::Ready(None)));
    assert_eq!(tape.again().unwrap().size_hint().upper(), None);

    // One without anything in it
    let (first, tape) = taped(Empty::<Bytes>::new(), 0);
    let second = tape.again().unwrap();
    assert!(first.is_end_stream() && second.is_end_stream());
    assert_eq!(second.size_hint().exact(), Some(0));
}

#[test]
fn an_error_of_the_body_goes_to_one_and_the_others_are_told() {
    let frames = || stream::iter([Ok(Frame::data(Bytes::from("one"))), Err(io::Error::other("broke off"))]);
    let (mut first, tape) = taped(StreamBody::new(frames()), 1024);
    let mut second = tape.again().unwrap();
    assert_eq!(data(&mut first), "one");
    let Poll::Ready(Some(Err(error))) = next(&mut first) else { panic!("no error") };
    assert_eq!(error.to_string(), "broke off");
    assert!(BoxError::from(error).is::<io::Error>());
    assert!(is_lost(next(&mut second)));
    assert!(matches!((next(&mut first), next(&mut second)), (Poll::Ready(None), Poll::Ready(None))));
    assert!(tape.again().is_none());

    // One that is sent once has its own errors
    let mut once = Replay::once(StreamBody::new(frames()));
    assert_eq!(data(&mut once), "one");
    assert!(matches!(next(&mut once), Poll::Ready(Some(Err(ReplayError::Source(_))))));
}

#[test]
fn a_body_that_panics_is_lost_to_all() {
    let frames = [0, 1]
        .into_iter()
        .map(|n| if n == 0 { Ok::<_, Infallible>(Frame::data(Bytes::from("one"))) } else { panic!("2") });
    let (mut first, tape) = taped(StreamBody::new(stream::iter(frames)), 1024);
    let mut second = tape.again().unwrap();
    assert_eq!(data(&mut first), "one");
    assert!(catch_unwind(AssertUnwindSafe(|| next(&mut first))).is_err());
    assert!(is_lost(next(&mut second)) && is_lost(next(&mut first)));
    assert!(tape.again().is_none());
}

#[test]
fn one_that_is_sent_instead_ends_the_others() {
    let (feed, body) = fed();
    let (mut first, tape) = taped(body, 100);
    let woken = Arc::new(CountingWaker::default());
    assert!(Pin::new(&mut first).poll_frame(&mut Context::from_waker(&Waker::from(woken.clone()))).is_pending());
    let mut second = tape.again().unwrap();
    tape.supersede();

    // The first hears of it, though the body has nothing to say
    assert_eq!(woken.wakes(), 1);
    assert!(is_lost(next(&mut first)));

    // And the second reads all, past the limit too: nobody is ahead of it
    for text in ["one", "two", "three"] {
        feed.send(text.into()).unwrap();
        assert_eq!(data(&mut second), text);
    }
}

/// Uses the tape when it is dropped or woken, as whatever is not ours may.
struct Meddler(Arc<Mutex<Option<Tape<Fed>>>>);

impl Meddler {
    fn meddle(&self) {
        // Not from within itself.
        if let Ok(tape) = self.0.try_lock() {
            drop(tape.as_ref().map(Tape::again));
        }
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.meddle();
    }
}

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        self.meddle();
    }
}

impl AsRef<[u8]> for Meddler {
    fn as_ref(&self) -> &[u8] {
        &[0; 20_000]
    }
}

/// Wakers that are woken, replaced and dropped, and frames that are dropped by reading, past the limit, and at the end.
fn meddled_with() {
    let (feed, body) = fed();
    let (mut first, tape) = taped(body, 50_000);
    let mut second = tape.again().unwrap();
    let shared = Arc::new(Mutex::new(Some(tape)));
    let meddler = || Meddler(shared.clone());
    for _ in 0..2 {
        let waker = Waker::from(Arc::new(meddler()));
        assert!(Pin::new(&mut first).poll_frame(&mut Context::from_waker(&waker)).is_pending());
        let waker = Waker::from(Arc::new(meddler()));
        assert!(Pin::new(&mut second).poll_frame(&mut Context::from_waker(&waker)).is_pending());
    }
    for _ in 0..4 {
        feed.send(Bytes::from_owner(meddler())).unwrap();
        assert_eq!(data(&mut first).len(), 20_000);
    }
    assert!(is_lost(next(&mut second)));
    let tape = shared.lock().unwrap().take();
    drop(tape);
}

#[test]
fn nothing_that_is_not_ours_runs_under_the_lock() {
    let (done, is_done) = std::sync::mpsc::channel();
    thread::spawn(move || {
        meddled_with();
        done.send(()).unwrap();
    });
    // Under a lock each of them would wait for itself for ever.
    is_done.recv_timeout(std::time::Duration::from_secs(10)).expect("it comes to an end");
}

/// Many read at once, in threads, come and go; whoever stays reads all.
#[test]
fn under_threads_everybody_reads_the_same() {
    for round in 0..20_u64 {
        let (feed, mut frames) = mpsc::unbounded_channel::<Bytes>();
        let body = StreamBody::new(
            stream::poll_fn(move |cx| frames.poll_recv(cx)).map(|bytes| Ok::<_, Infallible>(Frame::data(bytes))),
        );
        let (first, tape) = taped(body, 1 << 20);
        let read = |mut body: Replay<_>, stop_at: usize| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(within("all of it", async move {
                let mut at = 0_u32;
                while let Some(frame) = body.frame().await {
                    assert_eq!(frame.unwrap().into_data().unwrap().get_u32(), at);
                    at += 1;
                    if at as usize == stop_at {
                        break;
                    }
                }
                at as usize
            }))
        };
        thread::scope(|scope| {
            let stays = scope.spawn(|| read(first, usize::MAX));
            for n in 1..4 {
                let body = tape.again().unwrap();
                scope.spawn(move || assert_eq!(read(body, n * 100 + round as usize), n * 100 + round as usize));
            }
            let late = scope.spawn(|| read(tape.again().unwrap(), usize::MAX));
            for n in 0..1000_u32 {
                feed.send(Bytes::copy_from_slice(&n.to_be_bytes())).unwrap();
                if n % 64 == 0 {
                    thread::yield_now();
                }
            }
            drop(feed);
            assert_eq!((stays.join().unwrap(), late.join().unwrap()), (1000, 1000));
        });
    }
}
