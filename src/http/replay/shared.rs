//! A body that several read: the lock around what has been read of it, and who is woken when.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, Wake, Waker},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};

use super::{
    ReplayError,
    reel::{Gone, Kept, Next, Reel},
};
use crate::kernel::sync::{Arc, Mutex, lock};

/// The body that is recorded.
pub(super) type Recorded<B> = Pin<Box<B>>;

/// That, and what has been read of it.
pub(super) struct Shared<B> {
    /// Empty while somebody polls it, and when it has ended. What the reel says of it decides who takes it out.
    source: Mutex<Option<Recorded<B>>>,
    readers: Arc<Readers>,
}

/// Everybody who reads. It is what the source wakes, and does not depend on what that is.
struct Readers(Mutex<Reel>);

impl Readers {
    /// Changes the reel; what is not ours is dropped after that.
    fn with<T>(&self, change: impl FnOnce(&mut Reel) -> T) -> T {
        change(&mut lock(&self.0))
    }

    /// Wakes everybody who waits, each without the lock.
    fn wake_all(&self) {
        self.wake_all_but(None);
    }

    fn wake_all_but(&self, key: Option<usize>) {
        let mut number = 0;
        while let Some((woken, waker)) = self.with(|reel| reel.waiting_from(number, key)) {
            number = woken + 1;
            waker.wake();
        }
    }
}

impl Wake for Readers {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}

impl<B> Shared<B> {
    pub(super) fn new(body: B, limit: usize) -> Arc<Self> {
        let (source, readers) = (Mutex::new(Some(Box::pin(body))), Arc::new(Readers(Mutex::new(Reel::new(limit)))));
        Arc::new(Self { source, readers })
    }

    /// A new reader, from the first frame on. None if that is gone.
    pub(super) fn join(self: &Arc<Self>) -> Option<Reader<B>> {
        let key = self.readers.with(Reel::join)?;
        Some(Reader { shared: Arc::clone(self), key })
    }

    /// There will be no further readers.
    pub(super) fn untape(&self) {
        let _gone = self.readers.with(Reel::untape);
    }

    /// Ends all readers but the latest.
    pub(super) fn supersede(&self) {
        let _gone = self.readers.with(Reel::supersede);
        self.readers.wake_all();
    }
}

/// One who reads a body that others read as well.
pub(super) struct Reader<B> {
    shared: Arc<Shared<B>>,
    key: usize,
}

impl<B> Drop for Reader<B> {
    fn drop(&mut self) {
        let _gone = self.shared.readers.with(|reel| reel.leave(self.key));
    }
}

/// What a reader is given.
pub(super) enum Step<E> {
    /// This, and whether nothing follows it.
    Frame(Frame<Bytes>, bool),
    Ended,
    Failed(ReplayError<E>),
}

impl<B: Body> Reader<B> {
    /// What comes next; or the body itself, if nobody else reads it or will.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Step<B::Error>, Recorded<B>>> {
        // What a waker does when it is cloned or dropped is not ours: not under the lock.
        let mut waker = Some(cx.waker().clone());
        match self.shared.readers.with(|reel| reel.next(self.key, &mut waker)) {
            Next::Frame(frame, last) => Poll::Ready(Ok(Step::Frame(frame, last))),
            Next::Poll { room } => self.poll_source(self.take_source(), room).map(Ok),
            Next::Alone => Poll::Ready(Err(self.take_source())),
            Next::Wait => Poll::Pending,
            Next::Ended => Poll::Ready(Ok(Step::Ended)),
            Next::Lost => Poll::Ready(Ok(Step::Failed(ReplayError::Lost))),
        }
    }

    fn take_source(&self) -> Recorded<B> {
        lock(&self.shared.source).take().expect("whoever the reel lets have the source finds it")
    }

    /// Polls the source for all who read, and it will wake all of them.
    fn poll_source(&self, mut source: Recorded<B>, room: usize) -> Poll<Step<B::Error>> {
        let readers = &self.shared.readers;
        let on_panic = OnPanic(self);
        let polled = source.as_mut().poll_frame(&mut Context::from_waker(&Waker::from(Arc::clone(readers))));
        let polled = polled.map(|frame| frame.map(own));
        let ended = source.is_end_stream();
        mem::forget(on_panic);

        let step = match polled {
            Poll::Pending => {
                self.put_back(source);
                if readers.with(Reel::back) {
                    readers.wake_all_but(Some(self.key));
                }
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(frame))) => {
                let kept = Kept::of(&frame, room);
                if !ended {
                    self.put_back(source);
                }
                let _gone = readers.with(|reel| reel.push(self.key, kept, ended));
                Step::Frame(frame, ended)
            }
            Poll::Ready(None) => {
                let _gone = readers.with(|reel| reel.finish(self.key));
                Step::Ended
            }
            Poll::Ready(Some(Err(error))) => {
                let _gone = self.fail();
                Step::Failed(error)
            }
        };
        readers.wake_all();
        Poll::Ready(step)
    }

    fn put_back(&self, source: Recorded<B>) {
        *lock(&self.shared.source) = Some(source);
    }
}

impl<B> Reader<B> {
    fn fail(&self) -> Gone {
        self.shared.readers.with(|reel| reel.fail(self.key))
    }
}

/// A frame, or an error, as all who read are given it.
pub(super) fn own<D: Buf, E>(frame: Result<Frame<D>, E>) -> Result<Frame<Bytes>, ReplayError<E>> {
    match frame {
        Ok(frame) => Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))),
        Err(error) => Err(ReplayError::Source(error)),
    }
}

/// A source that panics is not polled again: those who wait for it are told.
struct OnPanic<'a, B>(&'a Reader<B>);

impl<B> Drop for OnPanic<'_, B> {
    fn drop(&mut self) {
        let _gone = self.0.fail();
        self.0.shared.readers.wake_all();
    }
}
