use std::time::Duration;

use super::{
    Client,
    sending::{BODY_LIMIT, Sending, body_limit},
};
use crate::{
    flow::{
        hedge::{self, Hedge},
        retry::{self, Retry, Unsent},
        timeout::Timeout,
    },
    http::{
        ByMethod, ContextHeaders, Http, HttpAttempts,
        replay::{AsReplay, MapBody, Replayed, Taped},
    },
    kernel::{Budget, Dependency, Invalid, Name, Policy, context::CarriedDeadline, guard},
    policy::{
        breaker::CircuitBreaker,
        limit::{AdaptiveLimit, Knee},
        throttle::AdaptiveThrottle,
    },
    presets::{
        Config,
        part::{self, Choice},
    },
};

/// Builds a [`Client`].
///
/// | part | default |
/// |---|---|
/// | [`dependency`](Self::dependency) | one of its own: what its parts know, they tell each other |
/// | [`budget`](Self::budget) of retries and hedges | the dependency's: a tenth of the successes |
/// | [`idempotent`](Self::idempotent) | HTTP: by method or `Idempotency-Key`; gRPC: none |
/// | [`unsent`](Self::unsent): what costs the budget less | none |
/// | [`body_limit`](Self::body_limit) of what is sent again | 64 KiB |
/// | [`retry`](Self::retry), [`attempts`](Self::attempts) | a [`Retry`]: 4 attempts in all |
/// | [`hedge`](Self::hedge) | a [`Hedge`]: what about 2 % of the calls take longer than is sent again, while nothing is wrong |
/// | [`breaker`](Self::breaker) | a [`CircuitBreaker`] to which overloads are failures only if nothing below heeds them |
/// | [`throttle`](Self::throttle) | an [`AdaptiveThrottle`] |
/// | [`limit`](Self::limit) | none; [`limited`](Self::limited) adds an [`AdaptiveLimit`] |
/// | [`policy`](Self::policy) | none besides |
/// | [`timeout`](Self::timeout) of an attempt | 2 s, and never beyond the request's deadline |
/// | [`headers`](Self::headers) | `x-request-criticality`, `-timeout-ms`, `-head-timeout-ms`, `-task` and `-attempt`; over gRPC `grpc-timeout` and `grpc-previous-rpc-attempts` |
/// | [`exhausted_header`](Self::exhausted_header) of answers that were given up | `x-request-exhausted`, and over gRPC pushback |
///
/// ```
/// use std::time::Duration;
/// use cofferdam::Bulkhead;
///
/// let stack = cofferdam::http::client("payments")
///     .timeout(Duration::from_millis(300))
///     .retry(|retry| retry.attempts(2).total(Duration::from_secs(1)))
///     .hedge(|hedge| hedge.extra(1))
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
pub struct ClientBuilder<P = (), I = ByMethod, W = AsReplay, M = Http, A = HttpAttempts<M>> {
    name: String,
    dependency: Option<Dependency>,
    budget: Option<Budget>,
    retry: RetryBuilder<I, A>,
    has_retry: bool,
    hedge: HedgeBuilder<W, M>,
    has_hedge: bool,
    breaker: Choice<CircuitBreaker>,
    throttle: Choice<AdaptiveThrottle>,
    limit: Choice<AdaptiveLimit<Knee, CarriedDeadline>>,
    policy: P,
    timeout: Option<Duration>,
    headers: ContextHeaders,
    protocol: M,
    config: Config,
}

/// The retry of a client, before it is built: see [`ClientBuilder::retry`].
pub type RetryBuilder<I, A = HttpAttempts> = retry::Builder<Replayed<I>, CarriedDeadline, A>;

/// The hedge of a client, before it is built: see [`ClientBuilder::hedge`].
pub type HedgeBuilder<W, M> = hedge::Builder<Taped<W>, CarriedDeadline, HttpAttempts<M>>;

impl<I, M: Clone> ClientBuilder<(), I, AsReplay, M> {
    pub(crate) fn new(name: String, headers: ContextHeaders, idempotent: I, protocol: M) -> Self {
        let retry = Retry::builder(&*name).repeat(Replayed::of(idempotent));
        let hedge = Hedge::builder(&*name).repeat(Taped::default());
        Self {
            dependency: None,
            budget: None,
            retry: retry.http_with(protocol.clone()),
            has_retry: true,
            hedge: hedge.http_with(protocol.clone()),
            has_hedge: true,
            breaker: Choice::Ours,
            throttle: Choice::Ours,
            limit: Choice::Theirs(None),
            policy: (),
            timeout: Some(Duration::from_secs(2)),
            headers,
            protocol,
            config: Config::default(),
            name,
        }
    }
}

impl<P, I, W, M> ClientBuilder<P, I, W, M> {
    /// The header by which an answer says that all its attempts are used up, or none: see
    /// [`exhausted_header`](retry::Builder::exhausted_header) of the retry, which writes it. The hedge reads it as well. Said before
    /// [`unsent`](Self::unsent).
    pub fn exhausted_header<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        let name = name.into();
        self.retry = self.retry.exhausted_header(name);
        self.hedge = self.hedge.exhausted_header(name);
        self
    }

    /// For another protocol, or another way to read answers: such as `Http::new().classify(..)`. Said before
    /// [`unsent`](Self::unsent).
    pub fn protocol<N: Clone>(self, protocol: N) -> ClientBuilder<P, I, W, N> {
        self.with(|old| (old.0, old.1.read_by(protocol.clone()), old.2.read_by(protocol.clone()), protocol))
    }
}

impl<P, I, W, M, A> ClientBuilder<P, I, W, M, A> {
    /// What is known of the dependency, where others share it: another stack, or a policy of yours.
    pub fn dependency(mut self, dependency: &Dependency) -> Self {
        self.dependency = Some(dependency.clone());
        self
    }

    /// The budget that further attempts are paid from, where others pay from it too.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Sets the retry in full: waits, which answers call for another attempt, how long in all.
    pub fn retry(mut self, change: impl FnOnce(RetryBuilder<I, A>) -> RetryBuilder<I, A>) -> Self {
        (self.retry, self.has_retry) = (change(self.retry), true);
        self
    }

    /// How many attempts are made one after the other at most, the original among them. Range: 1 to 100.
    pub fn attempts(self, attempts: u32) -> Self {
        self.retry(|retry| retry.attempts(attempts))
    }

    /// Leaves the retry out.
    pub fn without_retry(mut self) -> Self {
        self.has_retry = false;
        self
    }

    /// Sets the hedge in full: how many extra attempts, and after what time.
    pub fn hedge(mut self, change: impl FnOnce(HedgeBuilder<W, M>) -> HedgeBuilder<W, M>) -> Self {
        (self.hedge, self.has_hedge) = (change(self.hedge), true);
        self
    }

    /// Leaves the hedge out.
    pub fn without_hedge(mut self) -> Self {
        self.has_hedge = false;
        self
    }

    /// Another breaker, or none. It is as it was built: with which [`dependency`](crate::breaker::Builder::dependency), and
    /// whether [overloads](crate::breaker::Builder::overloads) are failures.
    pub fn breaker(mut self, breaker: impl Into<Option<CircuitBreaker>>) -> Self {
        self.breaker = Choice::Theirs(breaker.into());
        self
    }

    /// Another throttle, or none.
    pub fn throttle(mut self, throttle: impl Into<Option<AdaptiveThrottle>>) -> Self {
        self.throttle = Choice::Theirs(throttle.into());
        self
    }

    /// A limit behind the throttle, or none.
    pub fn limit(mut self, limit: impl Into<Option<AdaptiveLimit<Knee, CarriedDeadline>>>) -> Self {
        self.limit = Choice::Theirs(limit.into());
        self
    }

    /// An [`AdaptiveLimit`] as it is, behind the throttle: for a dependency that does not protect itself. It is not there by
    /// default, as it turns away at once what comes beyond the twenty calls that it begins with, until it has learned more: a
    /// burst at the start of a process is no overload.
    pub fn limited(mut self) -> Self {
        self.limit = Choice::Ours;
        self
    }

    /// How long an attempt may take, to the head of its response. Range: above zero, at most 100 years; `None` for as long as
    /// the request's deadline lets it. The server is told so, as a time [to the head](crate::Deadline::to_head).
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// The headers that the context of requests is written to. For a dependency of somebody else say
    /// [`ContextHeaders::none`].
    pub fn headers(mut self, headers: ContextHeaders) -> Self {
        self.headers = headers;
        self
    }

    /// How much of a request's body is kept for another attempt, in bytes; a longer one is sent once. Range: at most 1 GiB.
    pub fn body_limit(mut self, limit: usize) -> Self {
        self.retry = self.retry.body_limit(limit);
        self
    }

    /// A policy of yours, or a group of them, innermost of those that admit calls: such as a bulkhead.
    pub fn policy<Q>(self, policy: Q) -> ClientBuilder<Q, I, W, M, A> {
        self.with(|old| (policy, old.1, old.2, old.3))
    }

    /// Which requests may be sent more than once.
    pub fn idempotent<F>(self, idempotent: F) -> ClientBuilder<P, F, W, M, A> {
        self.with(|old| (old.0, old.1.idempotent(idempotent), old.2, old.3))
    }

    /// Which errors say that nothing of an attempt was sent, as when there was nobody to connect to: another attempt after such a
    /// one costs the budget a tenth. See [`unsent`](retry::Builder::unsent) of the retry. Said after [`protocol`](Self::protocol).
    /// Default: none.
    ///
    /// ```
    /// use hyper_util::client::legacy;
    ///
    /// let stack = cofferdam::http::client("payments").unsent(|error: &legacy::Error| error.is_connect()).build()?;
    /// # let _ = stack; Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn unsent<E, F>(self, unsent: F) -> ClientBuilder<P, I, W, M, Unsent<A, F>>
    where
        F: Fn(&E) -> bool,
    {
        self.with(|old| (old.0, old.1.unsent(unsent), old.2, old.3))
    }

    /// Makes the body that the service takes, where it takes only one type, such as `axum::body::Body::new`. Others are sent a
    /// [`Replay`](crate::Replay) of the request's own body, and a Tonic `Channel` its own by `tonic::client`, with the feature
    /// `tonic`.
    pub fn map_body<F>(self, map: F) -> ClientBuilder<P, I, MapBody<F>, M, A> {
        self.with(|old| (old.0, old.1, old.2.map_body(map), old.3))
    }

    /// The service takes what that makes.
    #[cfg(feature = "tonic")]
    pub(crate) fn way_back<N>(self, way_back: N) -> ClientBuilder<P, I, N, M, A> {
        self.with(|old| (old.0, old.1, old.2.way_back(way_back), old.3))
    }

    /// A setting in text, by its path: `retry.`, `budget.`, `hedge.`, `breaker.`, `throttle.`, `limit.` or `timeout.` and any of
    /// the settings of that part; or a part alone that is `off` or `on`: see [`Config`]. It is checked when the stack is built.
    pub fn set(mut self, path: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.add(path.into(), value.into());
        self
    }

    /// Many settings in text, after those that were given before.
    pub fn config(mut self, config: &Config) -> Self {
        self.config.extend(config);
        self
    }

    /// Changes the types, and keeps all else.
    fn with<Q, J, V, N, T>(
        self,
        change: impl FnOnce(Typed<P, I, W, M, A>) -> Typed<Q, J, V, N, T>,
    ) -> ClientBuilder<Q, J, V, N, T> {
        let (policy, retry, hedge, protocol) = change((self.policy, self.retry, self.hedge, self.protocol));
        ClientBuilder {
            name: self.name,
            dependency: self.dependency,
            budget: self.budget,
            retry,
            has_retry: self.has_retry,
            hedge,
            has_hedge: self.has_hedge,
            breaker: self.breaker,
            throttle: self.throttle,
            limit: self.limit,
            policy,
            timeout: self.timeout,
            headers: self.headers,
            protocol,
            config: self.config,
        }
    }
}

/// What has the types of a builder.
type Typed<P, I, W, M, A> = (P, RetryBuilder<I, A>, HedgeBuilder<W, M>, M);

impl<P, I, W, M, A> ClientBuilder<P, I, W, M, A>
where
    P: Policy,
    I: Send + Sync + 'static,
    W: Send + Sync + 'static,
    M: Clone + Send + Sync + 'static,
    A: Send + Sync + 'static,
{
    /// Builds the stack.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting by its path, its value and what it may be.
    pub fn build(mut self) -> Result<Client<P, I, W, M, A>, Invalid> {
        part::choose(&mut self.config, |part, on| match part {
            "retry" => self.has_retry = on,
            "hedge" => self.has_hedge = on,
            "breaker" => self.breaker.switch(on),
            "throttle" => self.throttle.switch(on),
            "limit" => self.limit.switch(on),
            _ => {}
        })?;
        let name = Name::new(&self.name)?;
        let (mut retry, mut hedge, budget) = (self.retry, self.hedge, self.budget);
        if let Some(budget) = &budget {
            (retry, hedge) = (retry.or_budget(budget), hedge.or_budget(budget));
        }
        for (_, value) in self.config.iter().filter(|(path, _)| *path == BODY_LIMIT) {
            retry = retry.body_limit(body_limit(0, value).map_err(|invalid| invalid.within("retry"))?);
        }
        let own = || {
            let builder = Dependency::builder(&*self.name);
            budget.into_iter().fold(builder, |builder, budget| builder.budget(budget)).build()
        };
        let dependency = self.dependency.map_or_else(own, Ok)?;
        let retry = retry.or_dependency(&dependency).build().map_err(|invalid| invalid.within("retry"))?;
        let hedge = hedge.or_dependency(&dependency).build().map_err(|invalid| invalid.within("hedge"))?;
        if !self.has_retry {
            retry.suspend();
        }
        if !self.has_hedge {
            hedge.suspend();
        }
        let throttle =
            self.throttle.or_make(|| AdaptiveThrottle::builder(&*self.name).dependency(&dependency).build())?;
        let limit =
            self.limit.or_make(|| AdaptiveLimit::builder(&*self.name).deadline().dependency(&dependency).build())?;
        // A server that turns calls away works, and whoever heeds that must be let ask: a breaker that opened would keep the
        // throttle from ever learning how much is taken.
        let overloads = throttle.is_none() && limit.is_none();
        let breaker = self
            .breaker
            .or_make(|| CircuitBreaker::builder(&*self.name).dependency(&dependency).overloads(overloads).build())?;
        let mut timeout = Timeout::builder(&*self.name).deadline().protocol(self.protocol.clone());
        timeout.attempt = self.timeout;

        let client = Client {
            name,
            dependency,
            retry: Sending(retry),
            has_retry: self.has_retry,
            hedge,
            has_hedge: self.has_hedge,
            guard: guard((breaker, throttle, limit, self.policy)).protocol(self.protocol),
            timeout: timeout.build().map_err(|invalid| invalid.within("timeout"))?,
            context: self.headers.outbound(),
        };
        // The last one of how much is kept holds, and it is set already.
        let is_set = |path: &str| self.has_retry && path == BODY_LIMIT;
        let rest = self.config.iter().filter(|(path, _)| !is_set(path));
        part::make_all(rest, |path, value| client.set(path, value))?;
        Ok(client)
    }
}
