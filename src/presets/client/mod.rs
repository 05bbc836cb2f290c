//! The stack of a client of one dependency.

mod builder;
mod sending;

use tower_layer::Layer;

pub use builder::{ClientBuilder, HedgeBuilder, RetryBuilder};

use self::sending::Sending;
use super::{
    Config, Explanation, Part,
    part::{Live, change, change_all, control, controls},
};
use crate::{
    flow::{
        hedge::{Hedge, HedgeLayer},
        retry::{Retry, RetryLayer},
        timeout::{Timeout, TimeoutLayer},
    },
    http::{
        ByMethod, Http, HttpAttempts,
        hops::{Hop, HopLayer, Outbound},
        replay::{AsReplay, Replayed, Taped},
    },
    kernel::{Budget, Control, Dependency, Guard, Guarded, Invalid, Name, Policy, context::CarriedDeadline},
    policy::{
        breaker::CircuitBreaker,
        limit::{AdaptiveLimit, Knee},
        throttle::AdaptiveThrottle,
    },
};

/// The stack of a client of one dependency, as a layer: see the [module](super).
///
/// ```
/// use bytes::Bytes;
/// use cofferdam::{BreakerState, Replay};
/// use http_body_util::Full;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tower::ServiceBuilder;
///
/// let stack = cofferdam::http::client("payments").build()?;
/// let payments = ServiceBuilder::new()
///     .layer(stack.clone())
///     .service(Client::builder(TokioExecutor::new()).build_http::<Replay<Full<Bytes>>>());
///
/// // From an admin endpoint, while it runs:
/// stack.set("timeout.attempt", "500ms")?;
/// assert_eq!(stack.breaker().unwrap().state(), BreakerState::Closed);
/// # let _ = payments; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Debug)]
pub struct Client<P = (), I = ByMethod, W = AsReplay, M = Http, A = HttpAttempts<M>> {
    name: Name,
    dependency: Dependency,
    retry: Sending<I, A>,
    has_retry: bool,
    hedge: HedgeLayer<Taped<W>, CarriedDeadline, HttpAttempts<M>>,
    has_hedge: bool,
    guard: Guard<Admission<P>, M>,
    timeout: TimeoutLayer<CarriedDeadline, M>,
    context: HopLayer<Outbound>,
}

/// What admits the attempts of a client.
type Admission<P> = (Option<CircuitBreaker>, Option<AdaptiveThrottle>, Option<AdaptiveLimit<Knee, CarriedDeadline>>, P);

/// What a setting that is none may be.
const PARTS: &str = "of one of `retry`, `budget`, `hedge`, `breaker`, `throttle`, `limit` and `timeout`";

impl<P, I, W, M, A> Client<P, I, W, M, A> {
    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// What its parts know of the dependency.
    #[must_use]
    pub fn dependency(&self) -> &Dependency {
        &self.dependency
    }

    /// What further attempts are paid from.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        self.retry.0.budget()
    }

    /// Its retry, to read and to steer, unless it is left out.
    #[must_use]
    pub fn retry(&self) -> Option<&RetryLayer<Replayed<I>, CarriedDeadline, A>> {
        self.has_retry.then_some(&self.retry.0)
    }

    /// Its hedge, to read and to steer, unless it is left out.
    #[must_use]
    pub fn hedge(&self) -> Option<&HedgeLayer<Taped<W>, CarriedDeadline, HttpAttempts<M>>> {
        self.has_hedge.then_some(&self.hedge)
    }

    /// Its breaker, to read and to steer, unless it is left out.
    #[must_use]
    pub fn breaker(&self) -> Option<&CircuitBreaker> {
        self.guard.policy().0.as_ref()
    }

    /// Its throttle, to read and to steer, unless it is left out.
    #[must_use]
    pub fn throttle(&self) -> Option<&AdaptiveThrottle> {
        self.guard.policy().1.as_ref()
    }

    /// Its limit, to read and to steer, unless there is none.
    #[must_use]
    pub fn limit(&self) -> Option<&AdaptiveLimit<Knee, CarriedDeadline>> {
        self.guard.policy().2.as_ref()
    }

    /// The policy that was added to it.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.guard.policy().3
    }
}

impl<P, I, W, M, A> Client<P, I, W, M, A>
where
    P: Policy,
    I: Send + Sync + 'static,
    W: Send + Sync + 'static,
    M: Send + Sync + 'static,
    A: Send + Sync + 'static,
{
    /// What it is made of, in which order, and with which numbers.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let mut parts: Vec<Part> = self.live().iter().filter_map(Live::explain).collect();
        if let Some(retry) = parts.iter_mut().find(|part| part.path() == "retry") {
            // A function is no setting in text, but it is there.
            let backoff = self.retry.0.backoff();
            retry.add(backoff.is_custom().then(|| ("backoff", backoff.to_string())));
        }
        let place = parts.iter().position(|part| part.path() == "timeout").unwrap_or(parts.len());
        if let Some(policy) = Part::of_policy(self.policy()) {
            parts.insert(place, policy);
        }
        parts.push(Part::new("context", "deadline, class and task in headers", Vec::new()));
        Explanation::new(self.name, "client", parts)
    }

    /// Changes a setting while it runs, by its path.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting by its path, its value and what it may be; nothing is changed then.
    pub fn set(&self, path: &str, value: &str) -> Result<(), Invalid> {
        change(&self.live(), PARTS, path, value)
    }

    /// Changes all of these settings while it runs.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set): if one of them cannot be, none is changed.
    pub fn apply(&self, config: &Config) -> Result<(), Invalid> {
        change_all(&self.live(), PARTS, config)
    }

    /// Its parts for operators, with their paths, outermost first: what each is doing, its switches and its settings. What is left
    /// out is not there, and a policy of yours is in your hands.
    ///
    /// ```
    /// let stack = cofferdam::http::client("payments").build()?;
    /// for (path, control) in stack.controls() {
    ///     println!("{path}: {}", control.state());
    ///     for setting in control.settings() {
    ///         println!("  {path}.{setting}");
    ///     }
    /// }
    /// let (_, breaker) = stack.controls().find(|(path, _)| *path == "breaker").unwrap();
    /// breaker.force("open")?;
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn controls(&self) -> impl Iterator<Item = (&'static str, &dyn Control)> {
        controls(self.live())
    }

    fn live(&self) -> [Live<'_>; 7] {
        let part = |path, purpose, control| Live { path, purpose, control };
        let (breaker, throttle, limit, _) = self.guard.policy();
        let retry: Option<&dyn Control> = self.has_retry.then_some(&self.retry as _);
        let hedge: Option<&dyn Control> = self.has_hedge.then_some(&self.hedge as _);
        let budget: Option<&dyn Control> = (self.has_retry || self.has_hedge).then_some(self.budget() as _);
        [
            part("retry", "another attempt where that helps, paid from the budget", retry),
            part("budget", "of extra attempts, earned by successes", budget),
            part("hedge", "once more what takes unusually long, paid from the same budget", hedge),
            part("breaker", "nothing is sent where nothing comes back", control(breaker)),
            part("throttle", "as much less is sent as is turned away", control(throttle)),
            part("limit", "as many at a time as get done", control(limit)),
            part("timeout", "of each attempt, within the request's deadline", Some(&self.timeout)),
        ]
    }
}

impl<P, I: Clone, W: Clone, M: Clone, A: Clone> Clone for Client<P, I, W, M, A> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            dependency: self.dependency.clone(),
            retry: self.retry.clone(),
            has_retry: self.has_retry,
            hedge: self.hedge.clone(),
            has_hedge: self.has_hedge,
            guard: self.guard.clone(),
            timeout: self.timeout.clone(),
            context: self.context.clone(),
        }
    }
}

/// An attempt, from the hedge inwards.
type Attempt<S, P, M> = Guarded<Timeout<Hop<S, Outbound>, CarriedDeadline, M>, Admission<P>, M>;

/// The attempts of a call that are made at the same time.
type Hedged<S, P, W, M> = Hedge<Attempt<S, P, M>, Taped<W>, CarriedDeadline, HttpAttempts<M>>;

impl<S, P, I: Clone, W: Clone, M: Clone, A: Clone> Layer<S> for Client<P, I, W, M, A> {
    type Service = Retry<Hedged<S, P, W, M>, Replayed<I>, CarriedDeadline, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let attempt = self.guard.layer(self.timeout.layer(self.context.layer(inner)));
        self.retry.0.layer(self.hedge.layer(attempt))
    }
}
