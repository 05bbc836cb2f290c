//! A body that is followed to its end.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::Worded;
use crate::kernel::{Breaks, Kind, Outcome, Policy, Reading, Rejected, Ticket, poll_cut, watch};

/// Reads what the end of a body says about its call, where the head has not said it all.
pub trait ReadEnd {
    /// What became of a call whose body has come to its end, with these trailers or without any.
    fn read_end(&self, trailers: Option<&HeaderMap>) -> Reading;

    /// The trailers of a body that is ended early, under a protocol that ends a body with them; else it ends in an error.
    fn cut(rejected: &Rejected) -> Option<HeaderMap> {
        let _ = rejected;
        None
    }
}

/// The head has said it all: there is nothing to read at the end.
#[derive(Clone, Copy, Debug)]
pub enum ByHead {}

impl ReadEnd for ByHead {
    fn read_end(&self, _: Option<&HeaderMap>) -> Reading {
        match *self {}
    }
}

pin_project! {
    /// The body of a guarded response. The call lasts as long as it does: to its end, trailers included, to an error in
    /// it, or until it is dropped. If a policy ends the call early, so does the body: in trailers that say so, or in an error
    /// that [carries](crate::Rejected::find) the rejection. Under policies that end none its errors are those of the service:
    /// see [`Cutting`](crate::Cutting).
    pub struct Tracked<B, P: Policy, T = ByHead> {
        #[pin]
        body: Worded<B>,
        open: Open<P, T>,
    }
}

/// A call whose head has come.
struct Open<P: Policy, T> {
    ticket: Option<Ticket<P>>,
    rest: Rest<T>,
}

/// What the head of an answer has said about the rest of it.
pub(crate) struct Rest<T> {
    /// What became of the call, as far as the head shows: the outcome, and where that is not all of it, the whole. Responses
    /// are moved a lot, and of most there is nothing more to say.
    outcome: Outcome,
    more: Option<Box<Reading>>,
    /// How many bytes the head has promised and the body has not yet brought, or [`UNKNOWN`].
    promised: u64,
    /// Reads the end, if that is what decides.
    end: Option<T>,
    /// Whether it goes on for as long as its reader stays.
    lasts: bool,
    /// Whether anybody has asked the body for a frame.
    asked: bool,
}

/// The head has promised nothing.
const UNKNOWN: u64 = u64::MAX;

impl<T> Rest<T> {
    #[inline]
    pub(crate) fn new(reading: Reading, promised: Option<u64>, end: Option<T>, lasts: bool) -> Self {
        let whole = reading == Reading::of(reading.outcome);
        Self {
            outcome: reading.outcome,
            more: if whole { None } else { Some(Box::new(reading)) },
            promised: promised.unwrap_or(UNKNOWN),
            end,
            lasts,
            asked: false,
        }
    }

    fn reading(&self) -> Reading {
        self.more.as_deref().copied().unwrap_or(Reading::of(self.outcome))
    }

    fn brought(&mut self, bytes: usize) {
        if self.promised != UNKNOWN {
            self.promised = self.promised.saturating_sub(bytes as u64);
        }
    }
}

impl<T: ReadEnd> Rest<T> {
    fn read_end(&self, trailers: Option<&HeaderMap>) -> Reading {
        self.end.as_ref().map_or_else(|| self.reading(), |end| end.read_end(trailers))
    }
}

impl<P: Policy, T> Open<P, T> {
    /// No call depends on the body.
    fn over() -> Self {
        Self { ticket: None, rest: Rest::new(Reading::of(Outcome::Ignored), None, None, false) }
    }

    fn settle(&mut self, reading: Reading) {
        if let Some(ticket) = self.ticket.take() {
            ticket.settle(reading);
        }
    }

    #[cold]
    fn cut(&mut self, rejected: Rejected) {
        if let Some(ticket) = self.ticket.take() {
            ticket.cut(rejected);
        }
    }
}

/// How calls under a policy may end.
type EndsOf<P> = <<P as Policy>::Kind as Kind>::Ends;

/// What a body ends in under a policy, where its own errors are `E`.
type ErrorOf<P, E> = <EndsOf<P> as Breaks<E>>::Error;

/// A frame of the body behind.
#[inline]
fn pass_on<P: Policy, D, E>(frame: Option<Result<Frame<D>, E>>) -> Option<Result<Frame<D>, ErrorOf<P, E>>>
where
    EndsOf<P>: Breaks<E>,
{
    frame.map(|frame| frame.map_err(EndsOf::<P>::own))
}

impl<P: Policy, T> Drop for Open<P, T> {
    /// Nobody reads the body of a 503 to its end: there the head says what became of the call. Nor does a server ask a body
    /// for its end when it has had as many bytes as the head promised; nor for anything when it answers a `HEAD`, nor does a
    /// caller who wants to know the status only. But a success that was broken off is none, so its ticket is just dropped.
    fn drop(&mut self) {
        let rest = &self.rest;
        let unread = !rest.asked && rest.end.is_none();
        if rest.outcome != Outcome::Success || rest.promised == 0 || unread {
            self.settle(self.rest.reading());
        }
    }
}

impl<B, P: Policy, T> Tracked<B, P, T> {
    /// Passes an answer on that was read like this. `follow` says what its head says about the rest, if the call lasts
    /// until then; if not, or if there is no rest, it has ended.
    #[inline(always)] // or the response is moved once more
    pub(crate) fn finish<E>(
        answer: Result<Response<B>, E>,
        reading: Reading,
        mut ticket: Ticket<P>,
        follow: impl FnOnce(&Response<B>) -> Option<Rest<T>>,
    ) -> Result<Response<Self>, E>
    where
        B: Body,
    {
        // Looked at where it is, and moved once.
        let rest = match &answer {
            Ok(response) if !response.body().is_end_stream() => follow(response),
            _ => None,
        };
        let open = match rest {
            Some(rest) => {
                if rest.lasts {
                    ticket.lasts(reading);
                } else {
                    ticket.head();
                }
                Open { ticket: Some(ticket), rest }
            }
            None => {
                ticket.settle(reading);
                Open::over()
            }
        };
        answer.map(|response| response.map(|body| Self { body: Worded::Inner { body }, open }))
    }

    fn untracked(body: Worded<B>) -> Self {
        Self { body, open: Open::over() }
    }
}

/// No body, for an answer in place of the service's that is all head, such as that of a Tonic interceptor further out.
impl<B, P: Policy, T> Default for Tracked<B, P, T> {
    fn default() -> Self {
        Bytes::new().into()
    }
}

/// A body of your own, for an answer in place of the service's: no call depends on it.
impl<B, P: Policy, T> From<Bytes> for Tracked<B, P, T> {
    fn from(bytes: Bytes) -> Self {
        Self::untracked(bytes.into())
    }
}

/// A body of your own, for an answer in place of the service's: no call depends on it.
impl<B, P: Policy, T> From<&'static str> for Tracked<B, P, T> {
    fn from(text: &'static str) -> Self {
        Bytes::from(text).into()
    }
}

impl<B: Body, P: Policy, T: ReadEnd> Body for Tracked<B, P, T>
where
    B::Data: From<Bytes>,
    EndsOf<P>: Breaks<B::Error>,
{
    type Data = B::Data;
    type Error = ErrorOf<P, B::Error>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let mut this = self.project();
        this.open.rest.asked = true;
        let Poll::Ready(frame) = watch(&mut this.open.ticket, || this.body.as_mut().poll_frame(cx)) else {
            let rejected = ready!(poll_cut(&mut this.open.ticket, cx));
            let trailers = T::cut(&rejected).map(Frame::trailers).map(Ok);
            // Without either there is no way to say that it is not all: then it goes on.
            let Some(last) = trailers.or_else(|| EndsOf::<P>::early(rejected).map(Err)) else { return Poll::Pending };
            // What follows is the end: the body behind is not wanted any more.
            this.body.set(Worded::Ours { rest: None });
            this.open.cut(rejected);
            return Poll::Ready(Some(last));
        };
        let rest = &mut this.open.rest;
        if let Some(Ok(frame)) = &frame {
            rest.brought(frame.data_ref().map_or(0, Buf::remaining));
        }
        let end = match &frame {
            // A head that was bad already has said more than a body that breaks off can.
            Some(Err(_)) if rest.outcome.is_bad() => rest.reading(),
            Some(Err(_)) => Reading::of(Outcome::Failure),
            Some(Ok(frame)) if frame.is_trailers() => rest.read_end(frame.trailers_ref()),
            // After the last frame nobody may poll again, so the end is looked for with every frame.
            Some(Ok(_)) if !this.body.is_end_stream() => return Poll::Ready(pass_on::<P, _, _>(frame)),
            Some(Ok(_)) | None => rest.read_end(None),
        };
        this.open.settle(end);
        Poll::Ready(pass_on::<P, _, _>(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
