//! A body that does as it is told.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    marker::PhantomPinned,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};

/// What a body does next.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Nothing, until the test lets it go on.
    Pause,
    Fail,
}

impl Item {
    /// Any two numbers are one.
    pub(crate) fn new((kind, size): (u8, u8)) -> Self {
        let data = |len: usize| Self::Data((0..len).map(|n| (n as u8).wrapping_mul(31).wrapping_add(size)).collect());
        match kind % 32 {
            0..14 => data(usize::from(size)),
            14..17 => data(usize::from(size % 3)),
            17..19 => data(16 * 1024 - 2 + usize::from(size)),
            19..22 => {
                let field = |n| (format!("x-{n}").parse().unwrap(), HeaderValue::from(u16::from(size) + n));
                Self::Trailers((0..u16::from(size % 4)).map(field).collect::<HeaderMap>())
            }
            31 => Self::Fail,
            _ => Self::Pause,
        }
    }

    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Data(data) => data.len().max(64),
            Self::Trailers(fields) => {
                fields.iter().map(|(k, v)| k.as_str().len() + v.len() + 32).sum::<usize>().max(64)
            }
            Self::Pause | Self::Fail => unreachable!("it is no frame"),
        }
    }
}

/// What is left of the body, and whom it wakes.
pub(super) struct Script {
    pub(super) items: VecDeque<Item>,
    /// Whether it says how long it is, and when it has ended.
    pub(super) tells: bool,
    pub(super) waker: Option<Waker>,
}

/// Neither `Send` nor `Sync` nor `Unpin` nor `Clone`.
pub(super) struct Scripted(Rc<RefCell<Script>>, PhantomPinned);

impl Scripted {
    pub(super) fn new(script: &Rc<RefCell<Script>>) -> Self {
        Self(Rc::clone(script), PhantomPinned)
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let script = &mut *self.0.borrow_mut();
        if let Some(Item::Pause) = script.items.front() {
            script.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(script.items.pop_front().map(|item| match item {
            Item::Data(data) => Ok(Frame::data(data)),
            Item::Trailers(trailers) => Ok(Frame::trailers(trailers)),
            Item::Fail => Err(io::Error::other("as scripted")),
            Item::Pause => unreachable!("it was looked for"),
        }))
    }

    fn is_end_stream(&self) -> bool {
        let script = self.0.borrow();
        script.tells && script.items.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let script = self.0.borrow();
        if script.tells { SizeHint::with_exact(bytes_in(&script.items)) } else { SizeHint::default() }
    }
}

pub(super) fn bytes_in(items: &VecDeque<Item>) -> u64 {
    let len = |item: &Item| if let Item::Data(data) = item { data.len() as u64 } else { 0 };
    items.iter().map(len).sum()
}
