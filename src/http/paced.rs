//! A body whose frames must not keep anybody waiting.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::{ClassifyHead, ClassifyLasting, Http, ReadHead, Worded, Wording, answer::word, lasting::may_last};
use crate::{
    BoxError,
    flow::timeout::{Builder, Pace, TimeoutProtocol},
    kernel::{Carries, Deadline, Plain, Rejected, Why, event, seldom::Seldom},
};

impl<D> Builder<D, Plain> {
    /// For services that answer with HTTP responses. A call whose time is up is then answered by a 504.
    pub fn http(self) -> Builder<D, Http> {
        self.protocol(Http::new())
    }
}

impl<D, M> Builder<D, M> {
    /// How long to wait for the first frame of a body after the head, and for each frame after the one before. A body
    /// that stalls ends in an error that [carries](crate::Rejected::find) the rejection; over gRPC, in trailers that say
    /// so.
    ///
    /// Default: none. Range: above zero, at most 100 years.
    pub fn between_frames(mut self, limit: Duration) -> Self
    where
        // Said here and not of the whole block, so that the compiler tells whoever says it too early what to do.
        M: ReadHead,
    {
        self.between_frames = Some(limit);
        self
    }
}

pin_project! {
    /// The body of a response behind a [`Timeout`](crate::Timeout): a frame that is late is an error.
    pub struct Paced<B> {
        #[pin]
        body: Worded<B>,
        // In a box, as responses are moved a lot and most bodies never wait.
        timer: Seldom<Pin<Box<Sleep>>>,
        // Why the wait that the timer is for may not go on; `None` while nobody waits.
        waiting: Option<Why>,
        pace: Option<Pace>,
        // Whether a frame has been passed on after the deadline.
        late: bool,
        // Words a rejection as trailers, under a protocol that ends a body with them; else it is an error.
        trailers: Option<Trailers>,
    }
}

/// Words a rejection as the trailers of a body.
pub(crate) type Trailers = fn(&Rejected) -> HeaderMap;

impl<B> Paced<B> {
    fn new(body: Worded<B>, pace: Option<Pace>) -> Self {
        Self { body, timer: Seldom(None), waiting: None, pace, late: false, trailers: None }
    }

    /// The same response, whose body must keep up the pace.
    pub(crate) fn keep(response: Response<B>, pace: Pace, trailers: Option<Trailers>) -> Response<Self> {
        let pace = Some(pace).filter(Pace::is_limited);
        response.map(|body| Self { trailers, ..Self::new(Worded::Inner { body }, pace) })
    }
}

/// No body, for an answer in place of the service's that is all head, such as that of a Tonic interceptor further out.
impl<B> Default for Paced<B> {
    fn default() -> Self {
        Bytes::new().into()
    }
}

/// A body of your own, for an answer in place of the service's: no time limit is put on it.
impl<B> From<Bytes> for Paced<B> {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes.into(), None)
    }
}

/// A body of your own, for an answer in place of the service's: no time limit is put on it.
impl<B> From<&'static str> for Paced<B> {
    fn from(text: &'static str) -> Self {
        Bytes::from(text).into()
    }
}

impl<B: Body, E, W, C, X, L> TimeoutProtocol<Response<B>, E> for Http<W, C, X, L>
where
    W: Wording<E> + Clone,
    C: ClassifyHead + Clone,
    X: Clone,
    L: ClassifyLasting + Clone,
{
    type Response = Response<Paced<B>>;

    #[inline]
    fn bounds_the_rest(&self, deadline: Deadline, response: &Response<B>) -> bool {
        !deadline.is_assumed() || !may_last(response, || response.body().size_hint().exact()) || !self.lasts(response)
    }

    fn answer(&self, response: Response<B>, pace: Pace) -> Self::Response {
        Paced::keep(response, pace, None)
    }

    fn time_out(&self, rejected: Rejected) -> Result<Self::Response, E> {
        Ok(word(&self.wording, rejected)?.map(Paced::from))
    }
}

impl<B: Body> Body for Paced<B>
where
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        // The frame first, as with the head: one that is there when the time is up is not thrown away.
        let why = if let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) {
            *this.waiting = None;
            let is_data = frame.as_ref().is_some_and(|frame| frame.as_ref().is_ok_and(Frame::is_data));
            let goes_on = is_data && !this.body.is_end_stream();
            if !goes_on || !this.pace.is_some_and(has_ended) || !mem::replace(this.late, true) {
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            }
            // A body whose next frame is always there never waits for a timer, so without this it would never end.
            Why::DeadlineExceeded
        } else {
            let Some(pace) = *this.pace else { return Poll::Pending };
            if this.waiting.is_none() {
                let Some((time, why)) = first_to_end(&pace) else { return Poll::Pending };
                match &mut this.timer.0 {
                    Some(timer) => timer.set(sleep(time)),
                    none => *none = Some(Box::pin(sleep(time))),
                }
                *this.waiting = Some(why);
            }
            let (Some(timer), Some(why)) = (&mut this.timer.0, *this.waiting) else { return Poll::Pending };
            ready!(timer.as_mut().poll(cx));
            why
        };
        let Some(pace) = this.pace.take() else { return Poll::Pending };
        // What follows is the end: the body behind is not wanted any more.
        this.body.set(Worded::Ours { rest: None });
        let rejected = Rejected::new(pace.name(), why);
        event::rejected(rejected);
        Poll::Ready(Some(match this.trailers {
            Some(word) => Ok(Frame::trailers(word(&rejected))),
            None => Err(BoxError::carry(rejected)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn has_ended(pace: Pace) -> bool {
    pace.deadline().is_some_and(Deadline::has_passed)
}

/// The wait that ends first, and why it may not go on.
fn first_to_end(pace: &Pace) -> Option<(Duration, Why)> {
    let frame = pace.between_frames().map(|limit| (limit, Why::TimedOut));
    let deadline = pace.deadline().map(|deadline| (deadline.remaining(), Why::DeadlineExceeded));
    frame.into_iter().chain(deadline).min_by_key(|(time, _)| *time)
}
