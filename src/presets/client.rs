use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{
    Config, Explanation, Part,
    part::{Choice, Live, change, change_all, configure, control, unknown, write},
};
use crate::{
    flow::{
        retry::{self, Retry, RetryLayer},
        timeout::{self, Timeout, TimeoutLayer},
    },
    http::{
        ByMethod, ContextHeaders, Http, HttpAttempts,
        hops::{Hop, HopLayer, Outbound},
    },
    kernel::{
        Budget, Control, Guard, Guarded, Invalid, Name, Policy, Setting, attempts::Cloned, context::CarriedDeadline,
        guard,
    },
    policy::{breaker::CircuitBreaker, throttle::AdaptiveThrottle},
};

/// Builds a [`Client`].
///
/// | part | default |
/// |---|---|
/// | [`attempts`](Self::attempts) | 4 in all, of requests that may be repeated |
/// | [`budget`](Self::budget) | a [`Budget`] as it is: a tenth of the successes |
/// | [`idempotent`](Self::idempotent) | HTTP: by method or `Idempotency-Key`; gRPC: none |
/// | [`breaker`](Self::breaker) | a [`CircuitBreaker`] as it is |
/// | [`throttle`](Self::throttle) | an [`AdaptiveThrottle`] as it is |
/// | [`policy`](Self::policy) | none besides |
/// | [`timeout`](Self::timeout) of an attempt | 2 s, and never beyond the request's deadline |
/// | [`headers`](Self::headers) | `x-request-criticality`, `x-request-timeout-ms`, `x-request-task`; over gRPC `grpc-timeout` |
///
/// ```
/// use std::time::Duration;
/// use cofferdam::Bulkhead;
///
/// let stack = cofferdam::http::client("payments")
///     .timeout(Duration::from_millis(300))
///     .policy(Bulkhead::builder("payments").limit(64).build()?)
///     .set("breaker.open_time", "2s")
///     .build()?;
///
/// let invalid = cofferdam::http::client("payments").set("retry.attempts", "0").build().unwrap_err();
/// assert_eq!(invalid.to_string(), "`retry.attempts` cannot be 0: it must be 1 to 100");
/// # let _ = stack; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct ClientBuilder<P = (), R = Cloned<ByMethod>, M = Http> {
    name: String,
    attempts: u32,
    budget: Option<Budget>,
    breaker: Choice<CircuitBreaker>,
    throttle: Choice<AdaptiveThrottle>,
    policy: P,
    timeout: Option<Duration>,
    headers: ContextHeaders,
    repeat: R,
    protocol: M,
    config: Config,
}

impl<R, M> ClientBuilder<(), R, M> {
    pub(crate) fn new(name: String, headers: ContextHeaders, repeat: R, protocol: M) -> Self {
        Self {
            name,
            attempts: 4,
            budget: None,
            breaker: Choice::Ours,
            throttle: Choice::Ours,
            policy: (),
            timeout: Some(Duration::from_secs(2)),
            headers,
            repeat,
            protocol,
            config: Config::default(),
        }
    }
}

impl<P, R, M> ClientBuilder<P, R, M> {
    /// How many attempts are made at most, the original among them; with 1 there is no retry. Range: 1 to 100.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The budget that further attempts are paid from, where others pay from it too.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Another breaker, or none.
    pub fn breaker(mut self, breaker: impl Into<Option<CircuitBreaker>>) -> Self {
        self.breaker = Choice::Theirs(breaker.into());
        self
    }

    /// Another throttle, or none.
    pub fn throttle(mut self, throttle: impl Into<Option<AdaptiveThrottle>>) -> Self {
        self.throttle = Choice::Theirs(throttle.into());
        self
    }

    /// How long an attempt may take, to the head of its response. Range: above zero, at most 100 years; `None` for as long as
    /// the request's deadline lets it.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// The headers that the context of requests is written to.
    pub fn headers(mut self, headers: ContextHeaders) -> Self {
        self.headers = headers;
        self
    }

    /// A policy of yours, or a group of them, behind the throttle: such as a bulkhead or an adaptive limit.
    pub fn policy<Q>(self, policy: Q) -> ClientBuilder<Q, R, M> {
        self.with(|_, repeat, protocol| (policy, repeat, protocol))
    }

    /// Which requests may be sent more than once.
    pub fn idempotent<F>(self, idempotent: F) -> ClientBuilder<P, Cloned<F>, M> {
        self.with(|policy, _, protocol| (policy, Cloned(idempotent), protocol))
    }

    /// For another protocol, or another way to read answers: such as `Http::new().classify(..)`.
    pub fn protocol<N>(self, protocol: N) -> ClientBuilder<P, R, N> {
        self.with(|policy, repeat, _| (policy, repeat, protocol))
    }

    /// A setting in text, by its path: `retry.attempts`, `retry.total`, `timeout.attempt`, or `breaker.` or `throttle.` and any
    /// of their settings. It is checked when the stack is built.
    pub fn set(mut self, path: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.add(path.into(), value.into());
        self
    }

    /// Many settings in text, after those that were given before.
    pub fn config(mut self, config: &Config) -> Self {
        self.config.extend(config);
        self
    }

    fn with<Q, T, N>(self, change: impl FnOnce(P, R, M) -> (Q, T, N)) -> ClientBuilder<Q, T, N> {
        let Self { name, attempts, budget, breaker, throttle, policy, timeout, headers, repeat, protocol, config } =
            self;
        let (policy, repeat, protocol) = change(policy, repeat, protocol);
        ClientBuilder { name, attempts, budget, breaker, throttle, policy, timeout, headers, repeat, protocol, config }
    }
}

const LIVE: &str = "of `breaker` or `throttle`: all else is set before it is built";

const PARTS: &str = "of one of `retry`, `breaker`, `throttle` and `timeout`";

impl<P: Policy, R: Clone + 'static, M: Clone + 'static> ClientBuilder<P, R, M> {
    /// Builds the stack.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting by its path, its value and what it may be.
    pub fn build(self) -> Result<Client<P, R, M>, Invalid> {
        let Self {
            name,
            attempts,
            budget,
            breaker,
            throttle,
            policy,
            timeout: limit,
            headers,
            repeat,
            protocol,
            config,
        } = self;
        let breaker = breaker.or_make(|| CircuitBreaker::builder(&*name).build())?;
        let throttle = throttle.or_make(|| AdaptiveThrottle::builder(&*name).build())?;
        let budget = budget.map_or_else(|| Budget::builder(&*name).build(), Ok)?;
        let mut retry =
            Retry::builder(&*name).http_with(protocol.clone()).repeat(repeat).attempts(attempts).budget(budget);
        let mut timeout = Timeout::builder(&*name).deadline().protocol(protocol.clone());
        timeout.attempt = limit;

        config.make(|part, setting, value| match part {
            "retry" => write(part, &retry::Builder::fields(), &mut retry, setting, value),
            "timeout" => write(part, &timeout::Builder::fields(), &mut timeout, setting, value),
            "breaker" => configure(part, control(&breaker), setting, value),
            "throttle" => configure(part, control(&throttle), setting, value),
            _ => Err(unknown(part, PARTS)),
        })?;

        let fixed = [retry::Builder::fields().read(retry.clone()), timeout::Builder::fields().read(timeout.clone())];
        Ok(Client {
            name: Name::new(&name)?,
            retry: retry.build().map_err(|invalid| invalid.within("retry"))?,
            guard: guard((breaker.clone(), throttle.clone(), policy)).protocol(protocol),
            breaker,
            throttle,
            timeout: timeout.build().map_err(|invalid| invalid.within("timeout"))?,
            context: headers.outbound(),
            fixed: fixed.into(),
        })
    }
}

/// The stack of a client of one dependency, as a layer: see the [module](super).
///
/// ```
/// use bytes::Bytes;
/// use cofferdam::BreakerState;
/// use http_body_util::Empty;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tower::ServiceBuilder;
///
/// let stack = cofferdam::http::client("payments").build()?;
/// let payments = ServiceBuilder::new()
///     .layer(stack.clone())
///     .service(Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>());
///
/// // From an admin endpoint, while it runs:
/// stack.set("breaker.open_time", "5s")?;
/// assert_eq!(stack.breaker().unwrap().state(), BreakerState::Closed);
/// # let _ = payments; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Debug)]
pub struct Client<P = (), R = Cloned<ByMethod>, M = Http> {
    name: Name,
    retry: RetryLayer<R, CarriedDeadline, HttpAttempts<M>>,
    breaker: Option<CircuitBreaker>,
    throttle: Option<AdaptiveThrottle>,
    guard: Guard<Admission<P>, M>,
    timeout: TimeoutLayer<CarriedDeadline, M>,
    context: HopLayer<Outbound>,
    /// What the retry and the timeout are set to, for good.
    fixed: Arc<[Vec<Setting>; 2]>,
}

/// What admits the attempts of a client.
type Admission<P> = (Option<CircuitBreaker>, Option<AdaptiveThrottle>, P);

impl<P, R, M> Client<P, R, M> {
    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// What further attempts are paid from.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        self.retry.budget()
    }

    /// Its breaker, to read and to steer, unless it is left out.
    #[must_use]
    pub fn breaker(&self) -> Option<&CircuitBreaker> {
        self.breaker.as_ref()
    }

    /// Its throttle, to read and to steer, unless it is left out.
    #[must_use]
    pub fn throttle(&self) -> Option<&AdaptiveThrottle> {
        self.throttle.as_ref()
    }

    /// The policy that was added to it.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.guard.policy().2
    }

    /// What it is made of, in which order, and with which numbers.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let [retry, timeout] = &*self.fixed;
        let settings = |part: Option<&dyn Control>| part.map(Control::settings);
        let part = |path, purpose| move |settings| Part::new(path, purpose, settings);
        let parts = [
            Some(Part::new("retry", "another attempt where that helps, paid from a budget", retry.clone())),
            settings(control(&self.breaker)).map(part("breaker", "nothing is sent where nothing comes back")),
            settings(control(&self.throttle)).map(part("throttle", "as much less is sent as is turned away")),
            Some(Part::new("timeout", "of each attempt, within the request's deadline", timeout.clone())),
            Some(Part::new("context", "deadline, class and task in headers", Vec::new())),
        ];
        Explanation::new(self.name, "client", parts)
    }

    /// Changes a setting while it runs, by its path: those of `breaker` and `throttle`.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting by its path, its value and what it may be; nothing is changed then.
    pub fn set(&self, path: &str, value: &str) -> Result<(), Invalid> {
        change(&self.live(), LIVE, path, value)
    }

    /// Changes all of these settings while it runs.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set): if one of them cannot be, none is changed.
    pub fn apply(&self, config: &Config) -> Result<(), Invalid> {
        change_all(&self.live(), LIVE, config)
    }

    fn live(&self) -> Live<'_, 2> {
        [("breaker", control(&self.breaker)), ("throttle", control(&self.throttle))]
    }
}

impl<P, R: Clone, M: Clone> Clone for Client<P, R, M> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            retry: self.retry.clone(),
            breaker: self.breaker.clone(),
            throttle: self.throttle.clone(),
            guard: self.guard.clone(),
            timeout: self.timeout.clone(),
            context: self.context.clone(),
            fixed: Arc::clone(&self.fixed),
        }
    }
}

type Attempt<S, P, M> = Guarded<Timeout<Hop<S, Outbound>, CarriedDeadline, M>, Admission<P>, M>;

impl<S, P, R: Clone, M: Clone> Layer<S> for Client<P, R, M> {
    type Service = Retry<Attempt<S, P, M>, R, CarriedDeadline, HttpAttempts<M>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.retry.layer(self.guard.layer(self.timeout.layer(self.context.layer(inner))))
    }
}
