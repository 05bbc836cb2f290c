//! The body that is sent.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    ReplayError, Tape,
    shared::{Reader, Recorded, Shared, Step, own},
};
use crate::kernel::sync::Arc;

pin_project! {
    /// The body of a request that may be sent again: the same frames as those of the body behind it, trailers too.
    ///
    /// It is sent as it comes in: what a reader asks for and nobody has read yet is asked of the body behind. Several of one
    /// [`Tape`] may be read at once, each at its own pace, by whatever tasks. No lock is held while the body behind is polled.
    ///
    /// Its size and its end are told as they were of the first: a chunked body is chunked at every attempt, so its trailers
    /// are not lost.
    ///
    /// **Dropped**, it leaves the others as they are, and lets go of what only it had not read yet.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use cofferdam::replay::Replay;
    /// use http_body_util::{BodyExt, Full};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::BoxError> {
    /// let (first, tape) = Replay::new(Full::new(Bytes::from("hello")), 1024);
    /// let tape = tape.expect("it is no longer than that");
    /// let second = tape.again().expect("nothing is lost");
    ///
    /// assert_eq!(first.collect().await?.to_bytes(), "hello");
    /// assert_eq!(second.collect().await?.to_bytes(), "hello");
    /// # Ok(()) }
    /// ```
    pub struct Replay<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        // What may be kept of it, if it may be sent again.
        Once { #[pin] body: B, limit: Option<usize> },
        Taped { playing: Playing<B> },
    }
}

/// A body of which others read the same.
struct Playing<B> {
    source: Source<B>,
    /// What the body said of its size before it was read, less what has been given.
    size: Size,
}

/// What a reader is given next, if anything.
type Given<E> = Option<Result<Frame<Bytes>, ReplayError<E>>>;

/// What a body says of its size.
#[derive(Clone, Copy)]
pub(super) struct Size {
    lower: u64,
    upper: Option<u64>,
}

impl Size {
    const NOTHING: Self = Self { lower: 0, upper: Some(0) };

    fn of(hint: &SizeHint) -> Self {
        Self { lower: hint.lower(), upper: hint.upper() }
    }

    fn less(self, given: u64) -> Self {
        Self { lower: self.lower.saturating_sub(given), upper: self.upper.map(|upper| upper.saturating_sub(given)) }
    }

    fn hint(self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.lower);
        if let Some(upper) = self.upper {
            hint.set_upper(upper);
        }
        hint
    }
}

enum Source<B> {
    Reader(Reader<B>),
    /// The others have gone, and there will be none.
    Alone(Recorded<B>),
    /// All has been said.
    Nobody,
}

impl<B: Body> Replay<B> {
    /// Records a body while it is sent, as long as what is kept costs no more than `limit` bytes.
    ///
    /// A frame costs as many bytes as it has, and 64 at least; trailers cost their names and values, and 32 bytes for each
    /// field. Without a tape nothing is kept: that is so for a body that says in advance that it is longer than the limit.
    /// An empty body costs nothing.
    pub fn new(body: B, limit: usize) -> (Self, Option<Tape<B>>) {
        if body.is_end_stream() {
            return (Self::repeatable(body, limit), Some(Tape::empty()));
        }
        let size = Size::of(&body.size_hint());
        if size.lower > limit as u64 {
            return (Self::once(body), None);
        }
        let tape = Tape::new(Shared::new(body, limit), size);
        let first = tape.again().expect("nobody has read anything yet");
        (first, Some(tape))
    }

    /// The same body and a tape of it, for whoever else makes attempts of a request. None if it may be sent only once, or
    /// if something of it is gone.
    pub(super) fn taped(self) -> (Self, Option<Tape<B>>) {
        match self.kind {
            Kind::Once { body, limit: Some(limit) } => Self::new(body, limit),
            Kind::Taped { playing: Playing { source: Source::Reader(reader), size } } => {
                let shared = reader.shared();
                let tape = shared.retape().then(|| Tape::new(Arc::clone(shared), size));
                (Self::playing(reader, size), tape)
            }
            kind => (Self { kind }, None),
        }
    }
}

impl<B> Replay<B> {
    /// A body that is sent once, as it is.
    pub fn once(body: B) -> Self {
        Self { kind: Kind::Once { body, limit: None } }
    }

    /// A body that is sent as it is for now, and may be sent again by others.
    pub(super) fn repeatable(body: B, limit: usize) -> Self {
        Self { kind: Kind::Once { body, limit: Some(limit) } }
    }

    pub(super) fn empty() -> Self {
        Self { kind: Kind::Taped { playing: Playing { source: Source::Nobody, size: Size::NOTHING } } }
    }

    pub(super) fn playing(reader: Reader<B>, size: Size) -> Self {
        Self { kind: Kind::Taped { playing: Playing { source: Source::Reader(reader), size } } }
    }
}

/// An empty body, for layers further in that send requests of their own, as one does that follows redirects.
impl<B> Default for Replay<B> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<B> fmt::Debug for Replay<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").finish_non_exhaustive()
    }
}

impl<B: Body> Body for Replay<B> {
    type Data = Bytes;
    type Error = ReplayError<B::Error>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Given<B::Error>> {
        match self.project().kind.project() {
            KindProjection::Once { body, .. } => body.poll_frame(cx).map(|frame| frame.map(own)),
            KindProjection::Taped { playing } => playing.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Once { body, .. } => body.is_end_stream(),
            Kind::Taped { playing } => matches!(playing.source, Source::Nobody),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Once { body, .. } => body.size_hint(),
            Kind::Taped { playing } => playing.size.hint(),
        }
    }
}

impl<B: Body> Playing<B> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Given<B::Error>> {
        let (frame, last) = match ready!(self.poll_step(cx)) {
            Step::Frame(frame, last) => (Some(Ok(frame)), last),
            Step::Failed(error) => (Some(Err(error)), true),
            Step::Ended => (None, true),
        };
        if let Some(Ok(frame)) = &frame {
            self.size = self.size.less(frame.data_ref().map_or(0, |data| data.remaining() as u64));
        }
        if last {
            (self.source, self.size) = (Source::Nobody, Size::NOTHING);
        }
        Poll::Ready(frame)
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step<B::Error>> {
        if let Source::Reader(reader) = &self.source {
            match ready!(reader.poll(cx)) {
                Ok(step) => return Poll::Ready(step),
                Err(body) => self.source = Source::Alone(body),
            }
        }
        let Source::Alone(body) = &mut self.source else { return Poll::Ready(Step::Ended) };
        Poll::Ready(match ready!(body.as_mut().poll_frame(cx)).map(own) {
            Some(Ok(frame)) => Step::Frame(frame, body.is_end_stream()),
            Some(Err(error)) => Step::Failed(error),
            None => Step::Ended,
        })
    }
}
