//! The layers, each with what watches it.

use std::num::NonZeroU32;

use super::*;

/// Takes every layer through a property.
pub(crate) fn every_layer<P: Property>() {
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

pub(crate) fn bulkhead() -> Bulkhead {
    Bulkhead::builder("contract").limit(LIMIT).build().unwrap()
}

fn queue() -> Bulkhead<Queue> {
    Bulkhead::builder("contract").limit(LIMIT).queue(LIMIT).max_wait(HOUR).build().unwrap()
}

pub(crate) fn breaker() -> CircuitBreaker {
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
    run::<P, Asks, _>("weighted bulkhead", with_slots(|slots| slots.weighted(|_: &Ask| NonZeroU32::MIN).layer()));
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
    run_queued::<P, Asks, _>("weighted queue", with_queue(|slots| slots.weighted(|_: &Ask| NonZeroU32::MIN).layer()));
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
pub(crate) fn keyed<Request>(request: &Request) -> (OfOneKey<Request>, Watch) {
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
        with_queue(|slots| slots.weighted(|_: &Request<_>| NonZeroU32::MIN).layer().http()),
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
