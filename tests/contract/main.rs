//! What Tower and its callers expect of any layer. Every layer of this crate runs through every property here.
#![allow(missing_docs)]

mod composition;
mod ends;
mod kinds;
mod layers;
mod readiness;
mod shut;
mod spawned;
#[path = "../support/mod.rs"]
mod support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use cofferdam::{
    Admit, BoxError, BreakerState, Bulkhead, CircuitBreaker, Drain, Failed, Fallback, Guard, Hedge, Keyed, Policy,
    Pool, PoolShare, Rejected, Retry, Shadow, Timeout, bulkhead::Queue, guard, keyed::ByValue, retry::Repeat,
};
use layers::{breaker, bulkhead, every_layer};
use support::{Ask, Asks, CountingWaker, Kind, Probe, Script, poll, poll_with, settled};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, buffer::BufferLayer, limit::ConcurrencyLimitLayer, service_fn,
};

const LIMIT: usize = 2;
const HOUR: Duration = Duration::from_secs(3600);

/// A layer that makes services of this crate out of probes. The bounds say what is expected of each type.
trait Contained<K: Kind>: Layer<Probe<K>, Service = Self::Made> + Clone + Send + Sync {
    type Made: Service<K::Request, Response = Self::Answer, Error = K::Error, Future = Self::Run> + Clone + Send + Sync;
    type Answer: Readable<K::Error>;
    type Run: Future<Output = Result<Self::Answer, K::Error>> + Send;
}

impl<K: Kind, L, S> Contained<K> for L
where
    L: Layer<Probe<K>, Service = S> + Clone + Send + Sync,
    S: Service<K::Request, Error = K::Error> + Clone + Send + Sync,
    S::Response: Readable<K::Error>,
    S::Future: Send,
{
    type Made = S;
    type Answer = S::Response;
    type Run = S::Future;
}

/// What the caller got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    Good,
    Bad,
    Rejected,
}

trait Readable<E>: Sized {
    fn read(answer: &Result<Self, E>) -> Got;
}

impl Readable<BoxError> for u32 {
    fn read(answer: &Result<Self, BoxError>) -> Got {
        match answer {
            Ok(_) => Got::Good,
            Err(error) if Rejected::find(error.as_ref()).is_some() => Got::Rejected,
            Err(_) => Got::Bad,
        }
    }
}

#[cfg(feature = "http")]
impl<B, E> Readable<E> for http::Response<B> {
    fn read(answer: &Result<Self, E>) -> Got {
        match answer {
            Ok(response) if cofferdam::rejection(response).is_some() => Got::Rejected,
            Ok(response) if response.status().is_success() => Got::Good,
            _ => Got::Bad,
        }
    }
}

/// Slots, with a line or without.
#[derive(Clone)]
enum Slots {
    Plain(Bulkhead),
    Queued(Bulkhead<Queue>),
    Pool(Pool),
    /// Not slots, but calls that are counted.
    Counted(Arc<dyn Fn() -> u64 + Send + Sync>),
}

impl Slots {
    fn in_flight(&self) -> u32 {
        match self {
            Self::Plain(slots) => slots.in_flight(),
            Self::Queued(slots) => slots.in_flight(),
            Self::Pool(pool) => pool.in_use(),
            Self::Counted(calls) => calls() as u32,
        }
    }

    fn waiting(&self) -> usize {
        match self {
            Self::Plain(_) | Self::Pool(_) | Self::Counted(_) => 0,
            Self::Queued(slots) => slots.waiting(),
        }
    }
}

impl From<&Bulkhead> for Slots {
    fn from(slots: &Bulkhead) -> Self {
        Self::Plain(slots.clone())
    }
}

impl From<&Bulkhead<Queue>> for Slots {
    fn from(slots: &Bulkhead<Queue>) -> Self {
        Self::Queued(slots.clone())
    }
}

/// What there is to look at behind a layer, and what it makes of things.
#[derive(Clone, Default)]
struct Watch {
    slots: Option<Slots>,
    breaker: Option<CircuitBreaker>,
    /// Whether it enforces the limit of the slots.
    limits: bool,
    /// Whether it rejects when the breaker is forced open.
    breaks: bool,
    /// Whether it answers for failures and for readiness errors.
    answers: bool,
}

impl Watch {
    fn nothing() -> Self {
        Self::default()
    }

    fn answers() -> Self {
        Self { answers: true, ..Self::default() }
    }

    fn slots(slots: impl Into<Slots>) -> Self {
        Self { slots: Some(slots.into()), limits: true, ..Self::default() }
    }

    fn drain<X: Clone + Send + Sync + 'static>(drain: &Drain<X>) -> Self {
        let drain = drain.clone();
        Self { slots: Some(Slots::Counted(Arc::new(move || drain.in_flight()))), ..Self::default() }
    }

    fn breaker(breaker: &CircuitBreaker) -> Self {
        Self { breaker: Some(breaker.clone()), breaks: true, ..Self::default() }
    }

    fn both(breaker: &CircuitBreaker, slots: impl Into<Slots>) -> Self {
        Self { slots: Some(slots.into()), limits: true, ..Self::breaker(breaker) }
    }

    fn in_flight(&self) -> u32 {
        self.slots.as_ref().map_or(0, Slots::in_flight)
    }

    /// Whether calls beyond the limit wait, rather than being rejected.
    fn waits(&self) -> bool {
        matches!(self.slots, Some(Slots::Queued(_)))
    }

    fn waiting(&self) -> usize {
        self.slots.as_ref().map_or(0, Slots::waiting)
    }

    /// Calls counted, and those of them that failed.
    fn counted(&self) -> Option<(u64, u64)> {
        self.breaker.as_ref().map(|breaker| (breaker.counts().calls, breaker.counts().failures))
    }

    /// Nothing is held, and nothing is shut.
    fn is_quiet(&self) -> bool {
        self.in_flight() == 0
            && self.waiting() == 0
            && self.breaker.as_ref().is_none_or(|breaker| breaker.state() == BreakerState::Closed)
    }
}

/// One layer on its way through one property: every `make` makes a new one that shares nothing with the one before.
struct Case<'a, L> {
    name: &'a str,
    make: &'a dyn Fn() -> (L, Watch),
}

impl<L> Case<'_, L> {
    fn service<K: Kind>(&self, script: Script) -> (L::Made, Probe<K>, Watch)
    where
        L: Contained<K>,
    {
        let (layer, watch) = (self.make)();
        let probe = Probe::new(script);
        (layer.layer(probe.clone()), probe, watch)
    }
}

/// A property of all layers.
trait Property {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>);
}

/// The end of every story: nothing is held, nothing runs, and a further call gets through.
fn quiet<K: Kind, S>(name: &str, service: &S, probe: &Probe<K>, watch: &Watch)
where
    S: Service<K::Request, Error = K::Error> + Clone,
    S::Response: Readable<K::Error>,
{
    assert!(watch.is_quiet(), "{name}: {} calls are still held, {} wait", watch.in_flight(), watch.waiting());
    assert_eq!(probe.in_flight(), 0, "{name}: an inner future still runs");
    probe.does(Script::Ok);
    let answer = settled(service.clone().oneshot(K::request()));
    assert_eq!(S::Response::read(&answer), Got::Good, "{name}: a later call does not get through");
    assert!(watch.is_quiet(), "{name}: the later call left something behind");
}
