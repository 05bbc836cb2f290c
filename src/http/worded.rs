//! A service's own body, or ours.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a service's response, or what is left of that of an answer in its place.
    #[derive(Debug)]
    #[project = WordedProjection]
    pub(super) enum Worded<B> {
        Inner { #[pin] body: B },
        // In a box, as responses are moved a lot and most have a body of the service's.
        Ours { rest: Option<Box<Bytes>> },
    }
}

/// A body that is not the service's.
impl<B> From<Bytes> for Worded<B> {
    fn from(bytes: Bytes) -> Self {
        Self::Ours { rest: Some(bytes).filter(|bytes| !bytes.is_empty()).map(Box::new) }
    }
}

impl<B: Body> Body for Worded<B>
where
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project() {
            WordedProjection::Inner { body } => Poll::Ready(ready!(body.poll_frame(cx))),
            WordedProjection::Ours { rest } => Poll::Ready(rest.take().map(|bytes| Ok(Frame::data((*bytes).into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Inner { body } => body.is_end_stream(),
            Self::Ours { rest } => rest.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Inner { body } => body.size_hint(),
            Self::Ours { rest } => SizeHint::with_exact(rest.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}
