//! Timeouts, retries, hedges, and bodies that are sent again.

use super::*;

#[test]
fn a_timeout_over_what_answers_at_once_allocates_nothing() {
    let minute = Duration::from_secs(60);
    let timeout = Timeout::builder("payments").attempt(minute).build().unwrap();
    let mut service = timeout.layer(echo());
    allocates_nothing("timeout, success", || assert_eq!(call(&mut service, 2), Ok(2)));

    // The whole stack: breaker and bulkhead as one, around a timeout.
    let mut stack = guard((patient(), slots())).layer(timeout.layer(echo()));
    allocates_nothing("stack, success", || assert_eq!(call(&mut stack, 2), Ok(2)));
    let mut stack = guard((patient(), full())).layer(timeout.layer(echo()));
    allocates_nothing("stack, rejection", || assert!(matches!(call(&mut stack, 2), Err(Error::Rejected(_)))));
}

#[test]
fn a_call_that_a_retry_need_not_mend_allocates_nothing() {
    let layer = cofferdam::Retry::builder("payments").build().unwrap();
    let mut service = layer.layer(echo());
    allocates_nothing("retry", || assert_eq!(call(&mut service, 2), Ok(2)));
}

#[test]
fn a_call_that_is_not_hedged_allocates_nothing() {
    let layer = cofferdam::Hedge::builder("payments").build().unwrap();
    let mut service = layer.layer(echo());
    allocates_nothing("hedge, answered at once", || assert_eq!(call(&mut service, 2), Ok(2)));

    // Its timer is set, and it is answered before that fires.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let mut service = layer.layer(service_fn(|number: u32| Later { number, polled: false }));
    let mut context = Context::from_waker(Waker::noop());
    allocates_nothing("hedge, armed", || {
        assert!(Service::<u32>::poll_ready(&mut service, &mut context).is_ready());
        let mut call = pin!(service.call(2));
        assert!(call.as_mut().poll(&mut context).is_pending());
        assert_eq!(layer.in_flight(), 1);
        assert_eq!(now_or_never(call), Ok(2));
    });
    assert_eq!((layer.counts().sent, layer.in_flight()), (0, 0));
}

/// Has its answer when it is polled for the second time.
struct Later {
    number: u32,
    polled: bool,
}

impl Future for Later {
    type Output = Result<u32, Error>;

    fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::replace(&mut self.polled, true) { Poll::Ready(Ok(self.number)) } else { Poll::Pending }
    }
}

/// What a request costs that may be sent again, besides the clone of its head: the tape, if there is a body.
#[cfg(feature = "http")]
#[test]
fn a_body_costs_its_tape_and_nothing_if_it_is_sent_once() {
    use bytes::Bytes;
    use cofferdam::{http::Replayed, retry::Repeat};
    use http::Request;
    use http_body_util::{BodyExt, Full};

    // The source, its box, those who read, the two lists, and the copy of the one frame.
    for (method, text, allocated) in [("PUT", "", 0), ("POST", "hello", 0), ("PUT", "hello", 6)] {
        let replayed = Replayed::<cofferdam::http::ByMethod>::default();
        let send = || {
            let request =
                Request::builder().method(method).body(Full::new(Bytes::from_static(text.as_bytes()))).unwrap();
            let before = ALLOCATIONS.get();
            let (mut request, _kept) = replayed.keep(request);
            while now_or_never(request.body_mut().frame()).is_some() {}
            ALLOCATIONS.get() - before
        };
        send();
        assert_eq!(send(), allocated, "{method} with {text:?}");
    }
}

/// In frames of any size, with and without others who read it as well: what is held is the limit, and a little more.
#[cfg(feature = "http")]
#[test]
fn defect_103_a_gigabyte_is_uploaded_in_little_memory() {
    use std::convert::Infallible;

    use bytes::{Buf, Bytes};
    use cofferdam::Replay;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};

    const LIMIT: usize = 64 * 1024;

    // A frame of so many bytes holds on to a buffer of so many; that many come.
    for (len, buffer, frames) in [(64 * 1024, 64 * 1024, 16 * 1024), (1, 8 * 1024, 100_000), (1024, 8 * 1024, 100_000)]
    {
        for (tape_stays, others) in [(true, 0), (false, 0), (true, 1), (false, 1)] {
            let (before, _) = HELD.get();
            HELD.set((before, before));
            let mut left = frames;
            let body = StreamBody::new(stream::poll_fn(move |_| {
                left -= 1;
                let frame = || Ok::<_, Infallible>(Frame::data(Bytes::from(vec![7; buffer]).split_to(len)));
                Poll::Ready((left >= 0).then(frame))
            }));
            let (mut first, tape) = Replay::new(body, LIMIT);
            let tape = tape.unwrap();
            let stalled: Vec<_> = (0..others).map(|_| tape.again().unwrap()).collect();
            let tape = tape_stays.then_some(tape);
            let mut sent = 0;
            while let Some(frame) = now_or_never(first.frame()) {
                sent += frame.unwrap().into_data().unwrap().remaining();
            }
            assert_eq!(sent, len * frames as usize, "all of it arrives");
            let held = HELD.get().1 - before;
            // Lists that double, and the frame in hand.
            let most = (2 * LIMIT + 2 * LIMIT + 2 * buffer) as i64;
            assert!(held <= most, "{held} bytes are held of frames of {len}, tape {tape_stays}, others {others}");
            drop((tape, stalled));
        }
    }
}
