//! A body that is followed to its end.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::Worded;
use crate::kernel::{Outcome, Policy, Reading, Ticket, watch};

pin_project! {
    /// The body of a guarded response. The call lasts as long as it does: to its end, trailers included, to an error in
    /// it, or until it is dropped.
    pub struct Tracked<B, P: Policy> {
        #[pin]
        body: Worded<B>,
        open: Open<P>,
    }
}

/// A call whose head has come.
struct Open<P: Policy> {
    ticket: Option<Ticket<P>>,
    reading: Reading,
    /// How many bytes the head has promised and the body has not yet brought.
    promised: Option<u64>,
}

impl<P: Policy> Open<P> {
    fn settle(&mut self, reading: Reading) {
        if let Some(ticket) = self.ticket.take() {
            ticket.settle(reading);
        }
    }
}

impl<P: Policy> Drop for Open<P> {
    /// Nobody reads the body of a 503 to its end: there the head says what became of the call. Nor does a server ask a body
    /// for its end when it has had as many bytes as the head promised. But a success that was broken off is none, so its
    /// ticket is just dropped.
    fn drop(&mut self) {
        if self.reading.outcome != Outcome::Success || self.promised == Some(0) {
            self.settle(self.reading);
        }
    }
}

impl<B, P: Policy> Tracked<B, P> {
    pub(super) fn open(body: B, promised: Option<u64>, mut ticket: Ticket<P>, reading: Reading) -> Self {
        ticket.head();
        Self { body: Worded::Inner { body }, open: Open { ticket: Some(ticket), reading, promised } }
    }

    pub(super) fn ended(body: B) -> Self {
        Self::untracked(Worded::Inner { body })
    }

    fn untracked(body: Worded<B>) -> Self {
        Self { body, open: Open { ticket: None, reading: Reading::of(Outcome::Ignored), promised: None } }
    }
}

/// A body of your own, for an answer in place of the service's: no call depends on it.
impl<B, P: Policy> From<Bytes> for Tracked<B, P> {
    fn from(bytes: Bytes) -> Self {
        Self::untracked(bytes.into())
    }
}

/// A body of your own, for an answer in place of the service's: no call depends on it.
impl<B, P: Policy> From<&'static str> for Tracked<B, P> {
    fn from(text: &'static str) -> Self {
        Bytes::from(text).into()
    }
}

impl<B: Body, P: Policy> Body for Tracked<B, P>
where
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(watch(&mut this.open.ticket, || this.body.as_mut().poll_frame(cx)));
        if let (Some(promised), Some(Ok(frame))) = (&mut this.open.promised, &frame) {
            let brought = frame.data_ref().map_or(0, Buf::remaining);
            *promised = promised.saturating_sub(brought as u64);
        }
        match &frame {
            // A head that was bad already has said more than a body that breaks off can.
            Some(Err(_)) if this.open.reading.outcome.is_bad() => this.open.settle(this.open.reading),
            Some(Err(_)) => this.open.settle(Reading::of(Outcome::Failure)),
            // After the last frame nobody may poll again, so the end is looked for with every frame.
            Some(Ok(frame)) if !frame.is_trailers() && !this.body.is_end_stream() => {}
            Some(Ok(_)) | None => this.open.settle(this.open.reading),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
