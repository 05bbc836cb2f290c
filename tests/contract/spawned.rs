//! The commonest program there is: a call over `BoxError` in a task of its own. And what became of it, found again in
//! whatever it was wrapped into.

use std::{error::Error, fmt, io, num::NonZeroU32, time::Duration};

use cofferdam::{
    AdaptiveLimit, BoxError, Bulkhead, Carries, CircuitBreaker, Criticality, Drain, Failed, Fallback, Keyed, LoadShed,
    Outcome, Policy, Refused, Rejected, Shadow, Timeout, TimeoutLayer, Why, bulkhead::Queue, context::Rank, guard,
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Ask, Asks, Kind, Probe, Script, within};

/// Any error that lives that long. A function that is to work in a spawned call names `BoxError` like this.
type Boxed<'a> = Box<dyn Error + Send + Sync + 'a>;

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("spawned").build().unwrap()
}

fn slots() -> Bulkhead {
    Bulkhead::builder("spawned").limit(4).build().unwrap()
}

fn limit() -> AdaptiveLimit {
    AdaptiveLimit::builder("spawned").build().unwrap()
}

fn timeout() -> TimeoutLayer {
    Timeout::builder("spawned").attempt(Duration::from_secs(60)).build().unwrap()
}

fn queued() -> Bulkhead<Queue> {
    Bulkhead::builder("spawned").queue(8).build().unwrap()
}

async fn echo(n: u32) -> Result<u32, BoxError> {
    Ok(n)
}

/// Spawns a call, as everybody does.
macro_rules! spawned {
    ($layer:expr) => {{
        let service = ServiceBuilder::new().layer($layer).service(service_fn(echo));
        let clone = service.clone();
        let answer = within("the call", tokio::spawn(async move { clone.clone().oneshot(1).await })).await;
        assert_eq!(answer.unwrap().unwrap(), 1);
        // The other way to call, with the service borrowed across an await.
        let mut service = service;
        let call = async move { service.ready().await?.call(2).await };
        assert_eq!(within("the call", tokio::spawn(call)).await.unwrap().unwrap(), 2);
    }};
}

#[tokio::test]
async fn defect_20_every_policy_is_spawned_over_box_error() {
    spawned!(breaker().layer());
    spawned!(slots().layer());
    spawned!(slots().weighted(|n: &u32| NonZeroU32::MIN.saturating_add(*n)).layer());
    spawned!(limit().weighted(|_: &u32| NonZeroU32::MIN).layer());
    let shed = LoadShed::builder(limit()).rank(|_: &u32| Rank::of(Criticality::Critical, None)).build().unwrap();
    spawned!(shed.weighted(|_: &u32| NonZeroU32::MIN).layer());
    spawned!(Drain::builder("spawned").exempt_nobody().build().unwrap().layer());
    spawned!(queued().layer());
    spawned!(Keyed::builder(breaker().and(slots())).by(|n: &u32| *n).build().unwrap().layer());
    spawned!(Keyed::builder(queued()).by(|n: &u32| *n).build().unwrap().layer());
    spawned!(guard((breaker(), queued().weighted(|n: &u32| NonZeroU32::MIN.saturating_add(*n)), slots())));
    spawned!(guard(()));
    spawned!(guard((cofferdam::Pool::builder("spawned").build().unwrap().share("spawned").unwrap(), breaker())));
    spawned!(guard((breaker(), slots())));
    spawned!(guard(breaker().and(slots()).and(())));
    spawned!(Some(slots()).layer());
    spawned!(None::<Bulkhead>.layer());
    spawned!(std::sync::Arc::new(slots()).layer());
    spawned!(Shadow::new(breaker()).layer());
    spawned!(ServiceBuilder::new().layer(breaker().layer()).layer(slots().layer()));
}

#[tokio::test]
async fn defect_20_every_flow_is_spawned_over_box_error() {
    fn answer(failed: Failed<u32, Boxed<'_>>) -> Result<u32, Boxed<'_>> {
        failed.into_answer()
    }
    fn keeping(failed: Failed<u32, Boxed<'_>>, _: u32) -> Result<u32, Boxed<'_>> {
        failed.into_answer()
    }
    fn wanted(failed: &Failed<u32, Boxed<'_>>) -> bool {
        failed.rejected().is_none()
    }
    fn classify(answer: Result<&u32, &Boxed<'_>>) -> Outcome {
        if answer.is_ok() { Outcome::Success } else { Outcome::Failure }
    }
    spawned!(timeout());
    spawned!(Fallback::value(7));
    spawned!(Fallback::value(7).on([cofferdam::Cause::Failure]));
    spawned!(Fallback::value(7).when(wanted));
    spawned!(Fallback::function(answer));
    spawned!(Fallback::keeping(|n: &u32| *n, keeping));
    spawned!(breaker().layer().classify(classify));

    // All of them, in the recommended order.
    spawned!(
        ServiceBuilder::new().layer(Fallback::function(answer)).layer(guard(breaker().and(slots()))).layer(timeout())
    );
}

/// A deadline needs a request that carries one, and a service as an answer needs services with names.
#[tokio::test]
async fn defect_20_deadlines_and_services_as_fallback_are_spawned_over_box_error() {
    let layer = ServiceBuilder::new()
        .layer(Fallback::service(|_: &Ask| Ask::default(), Probe::<Asks>::new(Script::Ok)))
        .layer(guard(breaker().and(slots())))
        .layer(Timeout::builder("spawned").attempt(Duration::from_secs(60)).deadline().build().unwrap());
    let service = layer.service(Probe::<Asks>::new(Script::Err));
    let answer = tokio::spawn(async move { service.clone().oneshot(Asks::request()).await });
    assert_eq!(within("the call", answer).await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn defect_20_calls_without_a_service_are_spawned() {
    let slots = slots();
    let guard = guard(breaker().and(slots.clone()));

    // Over `BoxError`, and over an error that knows nothing of us
    let call = {
        let guard = guard.clone();
        tokio::spawn(async move { guard.call(&(), || async { Ok::<_, BoxError>(1) }).await })
    };
    assert_eq!(within("the call", call).await.unwrap().unwrap(), 1);
    let call = tokio::spawn(async move { guard.call(&(), || async { Err::<(), _>(io::ErrorKind::NotFound) }).await });
    assert_eq!(within("the call", call).await.unwrap(), Err(Refused::Inner(io::ErrorKind::NotFound)));
    assert_eq!(slots.in_flight(), 0);
}

/// A user's own error, which carries a rejection by two functions.
#[derive(Debug)]
enum ShopError {
    Rejected(Rejected),
    SoldOut,
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::SoldOut => f.write_str("sold out"),
        }
    }
}

impl Error for ShopError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::SoldOut => None,
        }
    }
}

impl Carries for ShopError {
    fn carry(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }

    fn carried(&self) -> Option<&Rejected> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::SoldOut => None,
        }
    }
}

#[tokio::test]
async fn defect_21_an_error_of_your_own_carries_rejections_in_both_directions() {
    // Given two breakers around a shop, of which the inner one is open
    let (outer, inner) = (breaker(), CircuitBreaker::builder("shop").build().unwrap());
    let service = ServiceBuilder::new()
        .layer(Fallback::function(|failed: Failed<u32, ShopError>| failed.into_answer()))
        .layer(outer.clone().layer())
        .layer(inner.clone().layer())
        .layer(timeout())
        .service(service_fn(|_: u32| async { Err::<u32, _>(ShopError::SoldOut) }));
    inner.force_open();

    // When a call is spawned
    let call = {
        let service = service.clone();
        tokio::spawn(async move { service.clone().oneshot(1).await })
    };
    let answer = within("the call", call).await.unwrap();

    // Then the error is the user's, names the inner breaker, and the outer one knows that it is none of its business
    assert!(matches!(answer, Err(ShopError::Rejected(rejected)) if rejected.by().as_str() == "shop"));
    assert_eq!(outer.counts().calls, 0);

    // But the shop's own error is a failure to both
    inner.reset();
    assert!(matches!(service.oneshot(1).await, Err(ShopError::SoldOut)));
    assert_eq!((outer.counts().failures, inner.counts().failures), (1, 1));
}

/// Wraps an error as applications do.
#[derive(Debug)]
struct During(&'static str, BoxError);

impl fmt::Display for During {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "during {}: {}", self.0, self.1)
    }
}

impl Error for During {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.1.as_ref())
    }
}

/// Walks the sources.
fn find<T: Error + 'static>(error: &BoxError) -> Option<&T> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error.as_ref());
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[tokio::test]
async fn defect_21_causes_are_found_through_six_layers_and_any_wrapping() {
    // Given six layers of ours, with somebody else's wrapping in between
    let names = ["one", "two", "three", "four"];
    let breakers = names.map(|name| CircuitBreaker::builder(name).build().unwrap());
    let [one, two, three, four] = breakers.clone();
    let full = Bulkhead::builder("five").limit(1).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(one.layer())
        .layer(two.layer())
        .map_err(|error: BoxError| BoxError::from(During("checkout", error)))
        .layer(three.layer())
        .layer(full.clone().layer())
        .layer(four.layer())
        .map_err(|error: BoxError| BoxError::from(During("payment", error)))
        .layer(timeout())
        .service(service_fn(|_: u32| async { Err::<u32, BoxError>(io::Error::other("reset by peer").into()) }));

    // Then each layer's rejection is found, with its name, whatever it is wrapped into
    for (name, breaker) in names.iter().zip(&breakers) {
        breaker.force_open();
        let error = service.clone().oneshot(1).await.unwrap_err();
        let rejected = Rejected::find(error.as_ref()).unwrap();
        assert_eq!((rejected.by().as_str(), rejected.why()), (*name, Why::Open));
        assert!(find::<io::Error>(&error).is_none());
        breaker.reset();
    }
    // That of the bulkhead too
    let held = full.clone().layer();
    let held = held.call(&(), std::future::pending::<Result<(), BoxError>>);
    let error = service.clone().oneshot(1).await.unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::Full);
    drop(held);

    // None of these was held against the dependency, by anybody
    assert!(breakers.iter().all(|breaker| breaker.counts().calls == 0));

    // And the dependency's own error is found as what it is, and counted by all
    let error = service.oneshot(1).await.unwrap_err();
    assert_eq!(find::<io::Error>(&error).unwrap().to_string(), "reset by peer");
    assert!(Rejected::find(error.as_ref()).is_none());
    assert!(breakers.iter().all(|breaker| breaker.counts().failures == 1));
}
