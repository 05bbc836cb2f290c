//! A service that watches how it is treated.

use std::{
    cell::Cell,
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use cofferdam::{BoxError, Deadline};
use tower::Service;

/// What a [`Probe`] does with the next calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Ok,
    Err,
    /// Has its answer after that many polls without one.
    After(u32),
    Never,
    PanicInReady,
    PanicInCall,
    /// Panics in that poll, counted from 1.
    PanicOnPoll(u32),
    /// Has no answer, and panics when it is dropped.
    PanicInDrop,
    /// Is never ready.
    NotReady,
    /// Reports an error instead of becoming ready.
    ReadyError,
}

/// What the services of a test speak: plain results, or HTTP.
pub(crate) trait Kind: 'static {
    type Request;
    type Response: Send + Sync + 'static;
    type Error: fmt::Debug + Send + Sync + 'static;

    fn request() -> Self::Request;
    fn ok() -> Self::Response;
    /// A failure of the service: an error, or a response that says so.
    fn failure() -> Result<Self::Response, Self::Error>;
    fn error() -> Self::Error;
}

/// A request that is neither `Clone` nor `Sync`, and may carry a deadline.
#[derive(Debug, Default)]
pub(crate) struct Ask {
    pub(crate) deadline: Option<Deadline>,
    pub(crate) not_sync: Cell<u8>,
}

impl cofferdam::Context for Ask {
    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = Some(deadline);
    }
}

/// An error that is not `Clone` and has no room for a rejection.
#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

/// Plain services over `BoxError`.
pub(crate) struct Asks;

impl Kind for Asks {
    type Request = Ask;
    type Response = u32;
    type Error = BoxError;

    fn request() -> Ask {
        Ask::default()
    }

    fn ok() -> u32 {
        1
    }

    fn failure() -> Result<u32, BoxError> {
        Err(Broken.into())
    }

    fn error() -> BoxError {
        Broken.into()
    }
}

/// HTTP services with an error that carries nothing.
#[cfg(feature = "http")]
pub(crate) struct Web;

#[cfg(feature = "http")]
impl Kind for Web {
    type Request = http::Request<Cell<u8>>;
    type Response = http::Response<http_body_util::Full<bytes::Bytes>>;
    type Error = Broken;

    fn request() -> Self::Request {
        http::Request::new(Cell::new(0))
    }

    fn ok() -> Self::Response {
        http::Response::default()
    }

    fn failure() -> Result<Self::Response, Broken> {
        let mut response = http::Response::default();
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        Ok(response)
    }

    fn error() -> Broken {
        Broken
    }
}

#[derive(Debug, Default)]
struct Seen {
    ready_polls: AtomicU64,
    calls: AtomicU64,
    completions: AtomicU64,
    drops: AtomicU64,
    in_flight: AtomicU64,
    peak: AtomicU64,
}

/// Counts what happens to it and to all clones of it.
///
/// Readiness belongs to the one instance that was made ready: a clone starts without, and `call` panics if it is missing.
pub(crate) struct Probe<K> {
    seen: Arc<Seen>,
    script: Arc<Mutex<Script>>,
    ready: bool,
    kind: PhantomData<fn() -> K>,
}

impl<K> Probe<K> {
    pub(crate) fn new(script: Script) -> Self {
        Self { seen: Arc::default(), script: Arc::new(Mutex::new(script)), ready: false, kind: PhantomData }
    }

    /// From now on it does this.
    pub(crate) fn does(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    pub(crate) fn ready_polls(&self) -> u64 {
        self.seen.ready_polls.load(Ordering::SeqCst)
    }

    pub(crate) fn calls(&self) -> u64 {
        self.seen.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn completions(&self) -> u64 {
        self.seen.completions.load(Ordering::SeqCst)
    }

    /// Futures dropped, ended or not.
    pub(crate) fn drops(&self) -> u64 {
        self.seen.drops.load(Ordering::SeqCst)
    }

    /// Futures that exist and have not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        self.seen.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn peak(&self) -> u64 {
        self.seen.peak.load(Ordering::SeqCst)
    }

    fn script(&self) -> Script {
        *self.script.lock().unwrap()
    }
}

impl<K> Clone for Probe<K> {
    fn clone(&self) -> Self {
        Self { seen: Arc::clone(&self.seen), script: Arc::clone(&self.script), ready: false, kind: PhantomData }
    }
}

impl<K: Kind> Service<K::Request> for Probe<K> {
    type Response = K::Response;
    type Error = K::Error;
    type Future = Reply<K>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), K::Error>> {
        self.seen.ready_polls.fetch_add(1, Ordering::SeqCst);
        match self.script() {
            Script::PanicInReady => panic!("panic in poll_ready"),
            Script::NotReady => Poll::Pending,
            Script::ReadyError => Poll::Ready(Err(K::error())),
            _ => {
                self.ready = true;
                Poll::Ready(Ok(()))
            }
        }
    }

    fn call(&mut self, _: K::Request) -> Reply<K> {
        assert!(std::mem::take(&mut self.ready), "an instance was called that had not been made ready");
        self.seen.calls.fetch_add(1, Ordering::SeqCst);
        assert_ne!(self.script(), Script::PanicInCall, "panic in call");
        let in_flight = self.seen.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.seen.peak.fetch_max(in_flight, Ordering::SeqCst);
        Reply { seen: Arc::clone(&self.seen), script: self.script(), polls: 0, ended: false, kind: PhantomData }
    }
}

/// The future of a [`Probe`]. It never wakes anybody.
pub(crate) struct Reply<K> {
    seen: Arc<Seen>,
    script: Script,
    polls: u32,
    ended: bool,
    kind: PhantomData<fn() -> K>,
}

impl<K> Reply<K> {
    fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.seen.in_flight.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl<K: Kind> Future for Reply<K> {
    type Output = Result<K::Response, K::Error>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.ended, "polled after its end");
        self.polls += 1;
        let answer = match self.script {
            Script::Err => K::failure(),
            Script::After(polls) if self.polls <= polls => return Poll::Pending,
            Script::PanicOnPoll(poll) if self.polls == poll => panic!("panic on poll {poll}"),
            Script::Never | Script::PanicInDrop | Script::PanicOnPoll(_) => return Poll::Pending,
            _ => Ok(K::ok()),
        };
        self.end();
        self.seen.completions.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(answer)
    }
}

impl<K> Drop for Reply<K> {
    fn drop(&mut self) {
        self.end();
        self.seen.drops.fetch_add(1, Ordering::SeqCst);
        assert_ne!(self.script, Script::PanicInDrop, "panic in drop");
    }
}
