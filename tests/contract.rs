//! What Tower and its callers expect of any layer. Every layer of this crate runs through every property here.
#![allow(missing_docs)]

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

/// Takes every layer through a property.
fn every_layer<P: Property>() {
    plain_layers::<P>();
    #[cfg(feature = "http")]
    web_layers::<P>();
}

/// Its futures are Sync, although its requests are not.
fn run<P: Property, K: Kind, L: Contained<K>>(name: &str, make: impl Fn() -> (L, Watch))
where
    L::Run: Sync,
{
    P::check(&Case { name, make: &make });
}

/// A call that waits keeps its request, so its future is Sync only if that is.
fn run_queued<P: Property, K: Kind, L: Contained<K>>(name: &str, make: impl Fn() -> (L, Watch)) {
    P::check(&Case { name, make: &make });
}

fn bulkhead() -> Bulkhead {
    Bulkhead::builder("contract").limit(LIMIT).build().unwrap()
}

fn queue() -> Bulkhead<Queue> {
    Bulkhead::builder("contract").limit(LIMIT).queue(LIMIT).max_wait(HOUR).build().unwrap()
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("contract").consecutive_failures(None).minimum_calls(1_000_000).build().unwrap()
}

fn with_slots<L>(layer: impl Fn(Bulkhead) -> L) -> impl Fn() -> (L, Watch) {
    move || {
        let slots = bulkhead();
        (layer(slots.clone()), Watch::slots(&slots))
    }
}

fn with_breaker<L>(layer: impl Fn(CircuitBreaker) -> L) -> impl Fn() -> (L, Watch) {
    move || {
        let breaker = breaker();
        (layer(breaker.clone()), Watch::breaker(&breaker))
    }
}

/// What a pool's share has in use is not a limit: it rejects nobody here.
fn with_share<L>(layer: impl Fn(CircuitBreaker, PoolShare) -> L) -> impl Fn() -> (L, Watch) {
    move || {
        let (breaker, pool) = (breaker(), Pool::builder("contract").slots(LIMIT).build().unwrap());
        let share = pool.share("contract").unwrap();
        let watch = Watch { slots: Some(Slots::Pool(pool)), limits: false, ..Watch::breaker(&breaker) };
        (layer(breaker, share), watch)
    }
}

fn with_both<L>(layer: impl Fn(CircuitBreaker, Bulkhead) -> L) -> impl Fn() -> (L, Watch) {
    move || {
        let (breaker, slots) = (breaker(), bulkhead());
        (layer(breaker.clone(), slots.clone()), Watch::both(&breaker, &slots))
    }
}

fn with_queue<L>(layer: impl Fn(Bulkhead<Queue>) -> L) -> impl Fn() -> (L, Watch) {
    move || {
        let slots = queue();
        (layer(slots.clone()), Watch::slots(&slots))
    }
}

fn with_breaker_and_queue<L>(layer: impl Fn(CircuitBreaker, Bulkhead<Queue>) -> L) -> impl Fn() -> (L, Watch) {
    move || {
        let (breaker, slots) = (breaker(), queue());
        (layer(breaker.clone(), slots.clone()), Watch::both(&breaker, &slots))
    }
}

fn plain_layers<P: Property>() {
    fn backup(_: u64) -> std::future::Ready<Result<u32, BoxError>> {
        std::future::ready(Ok(3))
    }
    let timeout = || Timeout::builder("contract").attempt(HOUR);
    let of_cause = |failed: Failed<u32, BoxError>| failed.into_answer().or(Ok(2));

    // Each policy by itself.
    run::<P, Asks, _>("breaker", with_breaker(|breaker| breaker.layer()));
    run::<P, Asks, _>("bulkhead", with_slots(|slots| slots.layer()));
    run::<P, Asks, _>("weighted bulkhead", with_slots(|slots| slots.weighted(|_: &Ask| 1).layer()));
    run::<P, Asks, _>("share of a pool", with_share(|breaker, share| guard((share, breaker))));
    run::<P, Asks, _>("drain", || {
        let drain = Drain::builder("contract").exempt_nobody().build().unwrap();
        (drain.clone().layer(), Watch::drain(&drain))
    });
    run::<P, Asks, _>("classified", with_breaker(|breaker| breaker.layer().classify(by_result)));

    // Policies composed.
    run::<P, Asks, _>("no policy", || (guard(()), Watch::nothing()));
    run::<P, Asks, _>("fused", with_both(|breaker, slots| guard((breaker, slots))));
    run::<P, Asks, _>("nested", with_both(|breaker, slots| guard(breaker.and(slots.and(())))));
    run::<P, Asks, _>(
        "stacked",
        with_both(|breaker, slots| ServiceBuilder::new().layer(breaker.layer()).layer(slots.layer())),
    );
    run::<P, Asks, _>("keyed", || {
        let (layer, watch) = keyed(&Ask::default());
        (layer.layer(), watch)
    });
    run::<P, Asks, _>("some", with_slots(|slots| Some(slots).layer()));
    run::<P, Asks, _>("none", || (None::<Bulkhead>.layer(), Watch::nothing()));
    run::<P, Asks, _>("arc", with_both(|breaker, slots| Arc::new(breaker.and(slots)).layer()));
    run::<P, Asks, _>("shadow", || {
        let (breaker, slots) = (breaker(), bulkhead());
        let watch = Watch { limits: false, breaks: false, ..Watch::both(&breaker, &slots) };
        (Shadow::new(breaker.and(slots)).layer(), watch)
    });

    // Those with a line.
    run_queued::<P, Asks, _>("queue", with_queue(|slots| slots.layer()));
    run_queued::<P, Asks, _>("weighted queue", with_queue(|slots| slots.weighted(|_: &Ask| 1).layer()));
    run_queued::<P, Asks, _>("queue, fused", with_breaker_and_queue(|breaker, slots| guard((breaker, slots))));
    run_queued::<P, Asks, _>("queue first", with_breaker_and_queue(|breaker, slots| guard((slots, Some(breaker)))));

    // Each flow by itself.
    run::<P, Asks, _>("timeout", || (timeout().build().unwrap(), Watch::nothing()));
    run::<P, Asks, _>("deadline", || (timeout().deadline().build().unwrap(), Watch::nothing()));
    run::<P, Asks, _>("fallback value", || (Fallback::value(2), Watch::answers()));
    run::<P, Asks, _>("fallback function", || (Fallback::function(of_cause), Watch::answers()));
    run::<P, Asks, _>("fallback keeping", || {
        (Fallback::keeping(|_: &Ask| 7_u64, |_: Failed<u32, BoxError>, _| Ok(2)), Watch::answers())
    });
    run::<P, Asks, _>("fallback service", || {
        (Fallback::service(|_: &Ask| 7_u64, service_fn(backup)), Watch::answers())
    });
    run::<P, Asks, _>("fallback when", || {
        (Fallback::value(2).when(|_: &Failed<u32, BoxError>| true), Watch::answers())
    });

    let retry = || Retry::builder("contract").repeat(Sent).build().unwrap();
    run::<P, Asks, _>("retry", || (retry(), Watch::nothing()));
    run::<P, Asks, _>(
        "retry around guards",
        with_both(|breaker, slots| ServiceBuilder::new().layer(retry()).layer(guard((breaker, slots)))),
    );

    let hedge = || Hedge::builder("contract").repeat(Sent).build().unwrap();
    run::<P, Asks, _>("hedge", || (hedge(), Watch::nothing()));
    run::<P, Asks, _>(
        "retry and hedge around guards",
        with_both(|breaker, slots| ServiceBuilder::new().layer(retry()).layer(hedge()).layer(guard((breaker, slots)))),
    );

    // All of them, in the recommended order.
    let fallback = || {
        Fallback::function(|failed: Failed<u32, BoxError>| match failed.rejected() {
            Some(_) => failed.into_answer(),
            None => Ok(2),
        })
    };
    run::<P, Asks, _>("the whole stack", || {
        let (breaker, slots) = (breaker(), bulkhead());
        let layer = ServiceBuilder::new()
            .layer(fallback())
            .layer(guard(breaker.clone().and(slots.clone())))
            .layer(timeout().deadline().build().unwrap());
        (layer, Watch { answers: true, ..Watch::both(&breaker, &slots) })
    });
    run_queued::<P, Asks, _>("the whole stack with a queue", || {
        let (breaker, slots) = (breaker(), queue());
        let layer = ServiceBuilder::new()
            .layer(fallback())
            .layer(guard(breaker.clone().and(slots.clone())))
            .layer(timeout().deadline().build().unwrap());
        (layer, Watch { answers: true, ..Watch::both(&breaker, &slots) })
    });
}

/// Keeps nothing of a request, as one of these cannot be cloned: what a retry does with others is told in its own tests.
#[derive(Clone)]
struct Sent;

impl<Request> Repeat<Request> for Sent {
    type Request = Request;
    type Kept = ();

    fn keep(&self, request: Request) -> (Request, Option<()>) {
        (request, None)
    }

    fn once(&self, request: Request) -> Request {
        request
    }

    fn again(&self, (): &mut ()) -> Option<Request> {
        None
    }
}

type OfOneKey<Request> = Keyed<(CircuitBreaker, Bulkhead), ByValue<fn(&Request) -> u32>>;

/// All requests have one key, whose policies are watched.
fn keyed<Request>(request: &Request) -> (OfOneKey<Request>, Watch) {
    let key: fn(&Request) -> u32 = |_| 7;
    let keyed = Keyed::builder((breaker(), bulkhead())).by(key).build().unwrap();
    let now = cofferdam::Instant::now();
    keyed.undo(keyed.admit(request, now).unwrap(), now);
    let (breaker, slots) = keyed.get(request).unwrap();
    (keyed, Watch::both(&breaker, &slots))
}

fn by_result(answer: Result<&u32, &BoxError>) -> cofferdam::Outcome {
    if answer.is_ok() { cofferdam::Outcome::Success } else { cofferdam::Outcome::Failure }
}

#[cfg(feature = "http")]
fn web_layers<P: Property>() {
    use bytes::Bytes;
    use cofferdam::{ContextHeaders, Http, context};
    use http::{Request, Response};
    use http_body_util::Full;
    use support::{Broken, Web};

    type Whole = Response<Full<Bytes>>;
    fn backup(_: u64) -> std::future::Ready<Result<Whole, Broken>> {
        std::future::ready(Ok(Response::default()))
    }
    let timeout = || Timeout::builder("contract").attempt(HOUR).http();

    run::<P, Web, _>("http keyed", || {
        let (layer, watch) = keyed(&Web::request());
        (layer.layer().http(), watch)
    });
    run::<P, Web, _>("http breaker", with_breaker(|breaker| breaker.layer().http()));
    run::<P, Web, _>("http bulkhead", with_slots(|slots| slots.layer().http()));
    run::<P, Web, _>("http share of a pool", with_share(|breaker, share| guard((share, breaker)).http()));
    run::<P, Web, _>("http drain", || {
        let drain = Drain::builder("contract").build().unwrap();
        (drain.clone().layer().http(), Watch::drain(&drain))
    });
    run::<P, Web, _>("http fused", with_both(|breaker, slots| guard((breaker, slots)).http()));
    run::<P, Web, _>(
        "http stacked",
        with_both(|breaker, slots| ServiceBuilder::new().layer(breaker.layer().http()).layer(slots.layer().http())),
    );
    run::<P, Web, _>(
        "http until head",
        with_both(|breaker, slots| guard((breaker, slots)).protocol(Http::new().until_head())),
    );
    run_queued::<P, Web, _>("http queue", with_queue(|slots| slots.layer().http()));
    run_queued::<P, Web, _>(
        "http weighted queue",
        with_queue(|slots| slots.weighted(|_: &Request<_>| 1).layer().http()),
    );
    run_queued::<P, Web, _>(
        "http queue, fused",
        with_breaker_and_queue(|breaker, slots| guard((breaker, slots)).http()),
    );
    run::<P, Web, _>("http inbound", || {
        (ContextHeaders::default().inbound(context::Trust::default()), Watch::nothing())
    });
    run::<P, Web, _>("http outbound", || (ContextHeaders::default().outbound(), Watch::nothing()));
    run::<P, Web, _>("http timeout", || (timeout().build().unwrap(), Watch::nothing()));
    run::<P, Web, _>("http deadline", || {
        (timeout().between_frames(HOUR).deadline().build().unwrap(), Watch::nothing())
    });
    run::<P, Web, _>("http fallback value", || (Fallback::value(Whole::default()).http(), Watch::answers()));
    run::<P, Web, _>("http fallback function", || {
        (Fallback::function(|_: Failed<Whole, Broken>| Ok(Response::default())).http(), Watch::answers())
    });
    run::<P, Web, _>("http fallback service", || {
        (Fallback::service(|_: &Request<_>| 7_u64, service_fn(backup)).http(), Watch::answers())
    });
    fn for_failures<B: From<&'static str>>(failed: Failed<Response<B>, Broken>) -> Result<Response<B>, Broken> {
        match failed.rejected() {
            Some(_) => failed.into_answer(),
            None => Ok(Response::new("".into())),
        }
    }
    run::<P, Web, _>("the whole http stack", || {
        let (breaker, slots) = (breaker(), bulkhead());
        let layer = ServiceBuilder::new()
            .layer(Fallback::function(for_failures).http())
            .layer(guard(breaker.clone().and(slots.clone())).http())
            .layer(timeout().build().unwrap());
        (layer, Watch { answers: true, ..Watch::both(&breaker, &slots) })
    });
    run_queued::<P, Web, _>("the whole http stack with a queue", || {
        let (breaker, slots) = (breaker(), queue());
        let layer = ServiceBuilder::new()
            .layer(Fallback::function(for_failures).http())
            .layer(guard(breaker.clone().and(slots.clone())).http())
            .layer(timeout().build().unwrap());
        (layer, Watch { answers: true, ..Watch::both(&breaker, &slots) })
    });
}

/// The instance that was made ready is the one that is called: a probe panics otherwise.
struct ReadiedIsCalled;

impl Property for ReadiedIsCalled {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        let (service, probe, watch) = case.service::<K>(Script::Ok);
        for _ in 0..20 {
            let mut clone = service.clone();
            for _ in 0..5 {
                // Made ready twice, as Tower allows, and called once.
                assert!(settled(clone.ready()).is_ok());
                let answer = settled(settled(clone.ready()).unwrap_or_else(|_| unreachable!()).call(K::request()));
                assert_eq!(L::Answer::read(&answer), Got::Good, "{}", case.name);
            }
        }
        assert_eq!(probe.calls(), 100, "{}", case.name);
        assert_eq!(probe.drops(), 100, "{}", case.name);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_01_the_instance_made_ready_is_the_one_called() {
    every_layer::<ReadiedIsCalled>();
}

#[tokio::test]
async fn defect_01_real_buffers_and_limits_never_see_a_call_they_were_not_readied_for() {
    // Given a buffered, limited service, which panics when a reservation is missing, behind everything we have
    let inner = ServiceBuilder::new()
        .layer(BufferLayer::new(16))
        .layer(ConcurrencyLimitLayer::new(4))
        .service(service_fn(|n: u32| async move { Ok::<_, BoxError>(n) }));
    let service = ServiceBuilder::new()
        .layer(Fallback::function(|failed: Failed<u32, BoxError>| failed.into_answer()))
        .layer(guard(breaker().and(Bulkhead::builder("wide").limit(1000).build().unwrap())))
        .layer(Timeout::builder("contract").attempt(HOUR).build().unwrap())
        .service(inner);

    // When a hundred clones make a hundred calls each, all at the same time
    let clones = (0..100).map(|_| {
        let mut service = service.clone();
        async move {
            for n in 0..100 {
                assert_eq!(service.ready().await.unwrap().call(n).await.unwrap(), n);
            }
        }
    });

    // Then none of them panics
    support::within("ten thousand calls", futures_util::future::join_all(clones)).await;
}

/// Services that are ready and idle hold nothing.
struct IdleHoldsNothing;

impl Property for IdleHoldsNothing {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        // Given as many idle, ready services as there are slots
        let (service, probe, watch) = case.service::<K>(Script::Ok);
        let (mut a, mut b) = (service.clone(), service.clone());
        assert!(settled(a.ready()).is_ok() && settled(b.ready()).is_ok());
        assert_eq!(watch.in_flight(), 0, "{}: readiness holds a slot", case.name);

        // Then a third one's calls get through, and as many of them at a time as there are slots
        probe.does(Script::Never);
        let mut held =
            [Box::pin(service.clone().oneshot(K::request())), Box::pin(service.clone().oneshot(K::request()))];
        assert!(held.iter_mut().all(|call| poll(call.as_mut()).is_pending()), "{}", case.name);
        assert_eq!(probe.in_flight(), 2, "{}", case.name);
        drop(held);

        // And ten thousand more that are made ready and dropped change nothing
        for _ in 0..10_000 {
            assert!(settled(service.clone().ready()).is_ok());
        }
        drop((a, b));
        assert_eq!(probe.calls(), 2, "{}", case.name);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_02_03_04_idle_ready_services_hold_nothing() {
    every_layer::<IdleHoldsNothing>();
}

/// Nothing wakes itself up.
struct NoSelfWake;

impl Property for NoSelfWake {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        // While a call has no answer nobody is woken
        let (service, probe, watch) = case.service::<K>(Script::Never);
        let waker = Arc::new(CountingWaker::default());
        let mut call = Box::pin(service.clone().oneshot(K::request()));
        for _ in 0..3 {
            assert!(poll_with(call.as_mut(), &waker).is_pending(), "{}", case.name);
        }
        assert_eq!(waker.wakes(), 0, "{}: a pending call wakes itself", case.name);
        drop(call);

        // Nor while the service is not ready
        probe.does(Script::NotReady);
        let mut waiting = service.clone();
        let mut ready = Box::pin(waiting.ready());
        for _ in 0..3 {
            assert!(poll_with(ready.as_mut(), &waker).is_pending(), "{}", case.name);
        }
        assert_eq!(waker.wakes(), 0, "{}: pending readiness wakes itself", case.name);
        drop(ready);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_07_nothing_wakes_itself() {
    every_layer::<NoSelfWake>();
}

/// An error of readiness reaches the caller, and the inner service is not called then.
struct ReadinessErrors;

impl Property for ReadinessErrors {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        let (service, probe, watch) = case.service::<K>(Script::ReadyError);
        let mut failing = service.clone();
        if watch.answers {
            // A fallback says that it is ready, and answers the next call itself.
            assert!(settled(failing.ready()).is_ok(), "{}", case.name);
            assert_eq!(L::Answer::read(&settled(failing.call(K::request()))), Got::Good, "{}", case.name);
        } else {
            let answer = settled(failing.ready()).map(|_| ());
            assert_eq!(format!("{:?}", answer.unwrap_err()), "Broken", "{}", case.name);
        }
        assert_eq!(probe.calls(), 0, "{}", case.name);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_13_readiness_errors_are_not_lost() {
    every_layer::<ReadinessErrors>();
}

/// A call that is dropped leaves nothing behind, however far it got.
struct DropLeavesNothing;

impl Property for DropLeavesNothing {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        for polls in 0..=5 {
            // Given a call that would have its answer in the sixth poll
            let (service, probe, watch) = case.service::<K>(Script::After(5));
            let mut called = service.clone();
            assert!(settled(called.ready()).is_ok());
            let mut call = Box::pin(called.call(K::request()));
            assert_eq!((probe.calls(), probe.in_flight()), (1, 1), "{}", case.name);

            // When it is polled a few times and then dropped
            for _ in 0..polls {
                assert!(poll(call.as_mut()).is_pending(), "{}", case.name);
            }
            drop(call);

            // Then its inner future is gone, and nothing was held against the dependency
            assert_eq!((probe.drops(), probe.completions()), (1, 0), "{} after {polls} polls", case.name);
            assert!(watch.counted().is_none_or(|counted| counted == (0, 0)), "{} after {polls} polls", case.name);
            quiet(case.name, &service, &probe, &watch);
        }
        if case.service::<K>(Script::Never).2.waits() {
            for polls in 0..=5 {
                drop_waiting(case, polls);
            }
        }
    }
}

/// Drops a call that waits, before its turn or after it was called.
fn drop_waiting<K: Kind, L: Contained<K>>(case: &Case<L>, polls: u32) {
    for called in [false, true] {
        let (service, probe, watch) = case.service::<K>(Script::Never);
        let mut held = Vec::new();
        for _ in 0..LIMIT {
            held.push(Box::pin(service.clone().oneshot(K::request())));
        }
        assert!(held.iter_mut().all(|call| poll(call.as_mut()).is_pending()), "{}", case.name);
        let mut readied = service.clone();
        assert!(settled(readied.ready()).is_ok());
        let mut waits = Box::pin(readied.call(K::request()));
        for _ in 0..polls {
            assert!(poll(waits.as_mut()).is_pending(), "{}", case.name);
        }
        assert_eq!((watch.waiting(), probe.calls()), (1, LIMIT as u64), "{}", case.name);
        if called {
            drop(held);
            drop(waits);
        } else {
            drop(waits);
            drop(held);
        }
        assert_eq!(probe.calls(), LIMIT as u64, "{}: called after it left", case.name);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_24_36_a_dropped_call_leaves_nothing_behind() {
    every_layer::<DropLeavesNothing>();
}

/// A thousand callers who leave say nothing about the dependency.
struct LeaversAreNeutral;

impl Property for LeaversAreNeutral {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        let (service, probe, watch) = case.service::<K>(Script::Never);
        for _ in 0..1000 {
            let mut call = Box::pin(service.clone().oneshot(K::request()));
            assert!(poll(call.as_mut()).is_pending(), "{}", case.name);
        }
        assert_eq!((probe.calls(), probe.peak()), (1000, 1), "{}", case.name);
        assert!(watch.counted().is_none_or(|counted| counted == (0, 0)), "{}", case.name);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_38_callers_who_leave_are_neutral() {
    every_layer::<LeaversAreNeutral>();
}

/// A future that has returned its answer has let go of everything, even if somebody keeps it.
struct ReadyHasReleased;

impl Property for ReadyHasReleased {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        let (service, probe, watch) = case.service::<K>(Script::Ok);
        let mut kept = Vec::new();
        for _ in 0..10 * LIMIT {
            let mut called = service.clone();
            assert!(settled(called.ready()).is_ok());
            let mut call = Box::pin(called.call(K::request()));
            let Poll::Ready(answer) = poll(call.as_mut()) else { panic!("{}: no answer", case.name) };
            assert_eq!(L::Answer::read(&answer), Got::Good, "{}", case.name);
            assert_eq!(watch.in_flight(), 0, "{}: the finished future holds a slot", case.name);
            kept.push(call);
        }
        // Dropping them does not give anything back a second time.
        drop(kept);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_26_73_a_finished_future_has_released() {
    every_layer::<ReadyHasReleased>();
}

/// A panic is the caller's to see, a failure to the policies, and the end of nothing.
struct Panics;

impl Property for Panics {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        // In `call`, before there is a future
        let (service, probe, watch) = case.service::<K>(Script::PanicInCall);
        let mut called = service.clone();
        assert!(settled(called.ready()).is_ok());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(called.call(K::request())))).is_err(), "{}", case.name);
        assert_eq!(probe.calls(), 1, "{}", case.name);
        assert!(watch.counted().is_none_or(|counted| counted == (1, 1)), "{}: panic in call", case.name);
        quiet(case.name, &service, &probe, &watch);

        // In any poll, by a caller that catches the panic and keeps the future
        for panic in 1..=5 {
            let (service, probe, watch) = case.service::<K>(Script::PanicOnPoll(panic));
            let mut called = service.clone();
            assert!(settled(called.ready()).is_ok());
            let mut call = Box::pin(called.call(K::request()));
            for _ in 1..panic {
                assert!(poll(call.as_mut()).is_pending(), "{}", case.name);
            }
            assert!(catch_unwind(AssertUnwindSafe(|| poll(call.as_mut()).is_ready())).is_err(), "{}", case.name);
            assert!(watch.is_quiet(), "{}: the slot is free before the future is dropped", case.name);
            assert!(watch.counted().is_none_or(|counted| counted == (1, 1)), "{}: panic in poll", case.name);
            drop(call);
            assert!(watch.counted().is_none_or(|counted| counted == (1, 1)), "{}: counted twice", case.name);
            quiet(case.name, &service, &probe, &watch);
        }

        // In the inner future's own `drop`, polled or not
        for polls in 0..=5 {
            let (mut called, probe, watch) = case.service::<K>(Script::PanicInDrop);
            assert!(settled(called.ready()).is_ok());
            let mut call = Box::pin(called.call(K::request()));
            for _ in 0..polls {
                assert!(poll(call.as_mut()).is_pending(), "{}", case.name);
            }
            assert!(catch_unwind(AssertUnwindSafe(|| drop(call))).is_err(), "{}", case.name);
            quiet(case.name, &called, &probe, &watch);
        }

        // And a thousand calls later all is well.
        let (service, probe, watch) = case.service::<K>(Script::PanicInCall);
        assert!(catch_unwind(AssertUnwindSafe(|| settled(service.clone().oneshot(K::request())).is_ok())).is_err());
        probe.does(Script::Ok);
        for _ in 0..1000 {
            let answer = settled(service.clone().oneshot(K::request()));
            assert_eq!(L::Answer::read(&answer), Got::Good, "{}", case.name);
        }
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_27_28_a_panic_is_one_failure_and_leaves_nothing_behind() {
    every_layer::<Panics>();
}

/// Clones, and services made from clones of the layer, are behind the same policy; and nobody is let in that is rejected.
struct ClonesShare;

impl Property for ClonesShare {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        let (layer, watch) = (case.make)();
        let probe = Probe::<K>::new(Script::Never);
        let (a, b) = (layer.layer(probe.clone()), layer.clone().layer(probe.clone()));
        let c = a.clone();

        // Given calls in flight through two services of one layer, as many as there are slots
        let mut held = [Box::pin(a.oneshot(K::request())), Box::pin(b.clone().oneshot(K::request()))];
        assert!(held.iter_mut().all(|call| poll(call.as_mut()).is_pending()), "{}", case.name);
        assert_eq!(watch.slots.as_ref().map_or(2, Slots::in_flight), 2, "{}", case.name);

        // Then a third is rejected or waits, if there is a limit, and the service behind does not hear of it
        let mut third = Box::pin(c.clone().oneshot(K::request()));
        match poll(third.as_mut()) {
            Poll::Ready(answer) => {
                assert!(watch.limits && !watch.waits(), "{}", case.name);
                assert_eq!(L::Answer::read(&answer), Got::Rejected, "{}", case.name);
                assert_eq!(probe.calls(), 2, "{}: called though rejected", case.name);
            }
            Poll::Pending if watch.waits() => {
                assert_eq!((watch.waiting(), probe.calls()), (1, 2), "{}: called though it waits", case.name);
            }
            Poll::Pending => {
                assert!(!watch.limits, "{}: over the limit", case.name);
                assert_eq!(probe.calls(), 3, "{}", case.name);
            }
        }
        drop((held, third));

        // And a breaker that is open is open to all
        let calls = probe.calls();
        if let Some(breaker) = &watch.breaker {
            breaker.force_open();
            for service in [&b, &c] {
                let mut call = pin!(service.clone().oneshot(K::request()));
                match poll(call.as_mut()) {
                    Poll::Ready(answer) => assert_eq!(L::Answer::read(&answer), Got::Rejected, "{}", case.name),
                    Poll::Pending => assert!(!watch.breaks, "{}: open and called", case.name),
                }
            }
            assert_eq!(probe.calls() == calls, watch.breaks, "{}: called though rejected", case.name);
            breaker.reset();
        }
        quiet(case.name, &c, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_63_172_clones_share_their_policy_and_the_rejected_are_not_called() {
    every_layer::<ClonesShare>();
}

/// What the inner service says reaches the caller as it is, or what the fallback says does.
struct FailuresPass;

impl Property for FailuresPass {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        let (service, probe, watch) = case.service::<K>(Script::Err);
        for calls in 1..=5 {
            let answer = settled(service.clone().oneshot(K::request()));
            let expected = if watch.answers { Got::Good } else { Got::Bad };
            assert_eq!(L::Answer::read(&answer), expected, "{}", case.name);
            assert!(watch.counted().is_none_or(|counted| counted == (calls, calls)), "{}", case.name);
        }
        assert_eq!(probe.calls(), 5, "{}", case.name);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_60_171_failures_are_counted_and_passed_on() {
    every_layer::<FailuresPass>();
}

/// Layers and services are built, cloned, used and dropped where there is no runtime.
struct NeedsNoRuntime;

impl Property for NeedsNoRuntime {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        assert!(tokio::runtime::Handle::try_current().is_err(), "this property is checked outside of a runtime");
        let (layer, _) = (case.make)();
        drop(layer.clone().layer(Probe::<K>::new(Script::Ok)).clone());
        drop(layer);
        // A call that is ready at once needs no timer, so it runs too.
        let (service, probe, watch) = case.service::<K>(Script::Ok);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[test]
fn defect_23_nothing_needs_a_runtime_to_be_built_cloned_called_and_dropped() {
    every_layer::<NeedsNoRuntime>();
}

#[test]
fn defect_20_requests_and_errors_need_no_clone_and_no_sync() {
    // The bounds of `Contained` say that every layer, service and future is Send and Sync here, although the request of a
    // probe is neither Clone nor Sync and its error is not Clone. They also go around services that are not Clone at all.
    struct Lonely;
    impl Service<Ask> for Lonely {
        type Response = u32;
        type Error = BoxError;
        type Future = std::future::Ready<Result<u32, BoxError>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Ask) -> Self::Future {
            std::future::ready(Ok(1))
        }
    }
    let service = ServiceBuilder::new()
        .layer(Fallback::value(2))
        .layer(guard(breaker().and(bulkhead())))
        .layer(Timeout::builder("contract").attempt(HOUR).deadline().build().unwrap())
        .service(Lonely);
    assert_eq!(settled(service.oneshot(Ask::default())).unwrap(), 1);
}

/// A thousand callers of a service that is never ready, through that layer, while its breaker is forced open.
fn shut_callers<K: Kind, L: Contained<K>>(breaker: &CircuitBreaker, layer: L) {
    let probe = Probe::<K>::new(Script::NotReady);
    let service = layer.layer(probe.clone());

    // Given a breaker that is open over a service that never becomes ready
    breaker.force_open();
    for _ in 0..1000 {
        // Then each caller is rejected within one poll
        let answer = settled(service.clone().oneshot(K::request()));
        assert_eq!(L::Answer::read(&answer), Got::Rejected);
    }
    // And the service was not even asked
    assert_eq!((probe.ready_polls(), probe.calls()), (0, 0));

    // When it recovers while nobody calls
    probe.does(Script::Ok);
    breaker.reset();

    // Then the very next request gets through
    assert_eq!(L::Answer::read(&settled(service.oneshot(K::request()))), Got::Good);
    assert_eq!(probe.calls(), 1);
}

#[tokio::test]
async fn defect_10_11_an_open_breaker_does_not_wait_for_a_service_that_hangs() {
    let of_rejection = |failed: Failed<u32, BoxError>| failed.into_answer();
    let b = breaker();
    shut_callers::<Asks, _>(&b, b.clone().layer());
    shut_callers::<Asks, _>(&b, guard((bulkhead(), b.clone())));
    shut_callers::<Asks, _>(&b, guard((None::<Bulkhead>, Some(Arc::new(b.clone())))));
    let stacked = ServiceBuilder::new()
        .layer(Fallback::function(of_rejection))
        .layer(bulkhead().layer())
        .layer(Timeout::builder("contract").attempt(HOUR).build().unwrap())
        .layer(b.clone().layer());
    shut_callers::<Asks, _>(&b, stacked);
    #[cfg(feature = "http")]
    shut_callers::<support::Web, _>(&b, guard((bulkhead(), b.clone())).http());
}

#[tokio::test]
async fn defect_11_a_shadowed_breaker_shuts_nobody_out() {
    // Given an open breaker that runs dry
    let b = breaker();
    b.force_open();
    let shadow = Shadow::new(b);
    let probe = Probe::<Asks>::new(Script::Ok);
    let service = shadow.clone().layer().layer(probe.clone());

    // Then readiness is the service's own, calls go through, and it is written down what would have happened
    assert_eq!(settled(service.oneshot(Ask::default())).unwrap(), 1);
    assert_eq!((probe.ready_polls(), probe.calls()), (1, 1));
    assert_eq!(shadow.would_have_rejected(), 1);
}

#[tokio::test]
async fn defect_12_readiness_is_asked_for_again_each_time() {
    // Given a service that is ready
    let probe = Probe::<Asks>::new(Script::Ok);
    let guarded: Guard<_> = guard((breaker(), bulkhead()));
    let mut service = guarded.layer(probe.clone());
    assert!(settled(service.ready()).is_ok());

    // When it breaks before it is called
    probe.does(Script::ReadyError);

    // Then the next look at its readiness shows that
    assert_eq!(settled(service.ready()).map(|_| ()).unwrap_err().to_string(), "broken");
    assert_eq!((probe.ready_polls(), probe.calls()), (2, 0));
}

#[tokio::test]
async fn defect_08_a_task_out_of_budget_is_not_overload() {
    // Given a task that has used up its budget of messages
    let (sender, mut messages) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..1000 {
        sender.send(n).unwrap();
    }
    let service = ServiceBuilder::new()
        .layer(guard(breaker().and(bulkhead())))
        .layer(BufferLayer::new(16))
        .service(service_fn(|n: u32| async move { Ok::<_, BoxError>(n) }));
    let calls = async {
        for n in 0..200 {
            let mut drained = 0;
            while drained < 5 && messages.recv().await.is_some() {
                drained += 1;
            }
            // Then calls at zero load are not rejected, whatever the buffer seems to say
            assert_eq!(service.clone().oneshot(n).await.unwrap(), n);
        }
    };
    support::within("two hundred calls", calls).await;
}
