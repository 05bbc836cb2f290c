//! One call of one service, without a runtime.

use std::{
    future::{Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use cofferdam::Rejected;
use tower::Service;

/// The service behind every layer: always ready, and so are its answers. What is measured is therefore the layer.
#[derive(Clone, Copy)]
pub(crate) struct Work;

impl Service<u64> for Work {
    type Response = u64;
    // Carries a rejection without an allocation, so that a rejection costs what the policy costs.
    type Error = Rejected;
    type Future = Ready<Result<u64, Rejected>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(Ok(request))
    }
}

/// Readies the service, calls it and polls the answer, which must be there at once.
///
/// It is never inlined, so every subject has exactly one call boundary of ours, whatever the optimizer thinks of its size.
#[inline(never)]
pub(crate) fn call_once<S: Service<u64>>(service: &mut S, request: u64) -> Result<S::Response, S::Error> {
    let mut cx = Context::from_waker(Waker::noop());
    match service.poll_ready(&mut cx) {
        Poll::Ready(Ok(())) => poll_once(service.call(request)),
        Poll::Ready(Err(error)) => Err(error),
        Poll::Pending => panic!("the service is not ready"),
    }
}

/// Polls a future that must be there at once.
#[inline]
pub(crate) fn poll_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the answer is not ready"),
    }
}

/// Makes that many calls and says how long they took.
pub(crate) fn time_calls<R>(calls: u64, mut call: impl FnMut(u64) -> R) -> Duration {
    let start = now();
    for request in 0..calls {
        let answer = call(black_box(request));
        // By reference: to pass it on by value would be to copy it, which waits for it to be written.
        black_box(&answer);
    }
    now().duration_since(start)
}

/// The only place that reads a clock: from outside, around a whole batch.
#[allow(clippy::disallowed_methods)] // the crate's own clock is part of what is measured
pub(crate) fn now() -> Instant {
    Instant::now()
}
