use std::time::Duration;

use super::{DEADLINE, Server, believed::Believed};
use crate::{
    flow::timeout::Timeout,
    http::{ContextHeaders, Http},
    kernel::{
        Invalid, Name, Policy,
        context::{Trust, trust},
        guard,
    },
    policy::{drain::Drain, limit::AdaptiveLimit, shed::LoadShed},
    presets::{
        Config,
        part::{self, Choice},
    },
};

/// Builds a [`Server`].
///
/// | part | default |
/// |---|---|
/// | [`drain`](Self::drain) | a [`Drain`]: 5 s from readiness to refusal, then 30 s for what is in flight |
/// | [`headers`](Self::headers) | `x-request-criticality`, `-timeout-ms`, `-head-timeout-ms`, `-task` and `-attempt`; over gRPC `grpc-timeout` and `grpc-previous-rpc-attempts` |
/// | [`trust`](Self::trust) | the defaults of [`Trust`], and a deadline of 30 s for requests that name none, to the end of their answers unless they [last](crate::presets#answers-that-take-long) |
/// | [`shedding`](Self::shedding) | a [`LoadShed`] over an [`AdaptiveLimit`], both as they are |
/// | [`policy`](Self::policy) | none besides |
/// | [`timeout`](Self::timeout) | none but the request's deadline |
///
/// ```
/// use std::time::Duration;
/// use cofferdam::context::Trust;
///
/// let stack = cofferdam::http::server("checkout")
///     .trust(Trust::builder().default_deadline(Duration::from_secs(2)).build()?)
///     .set("shedding.max_queue", "500")
///     .build()?;
///
/// let invalid = cofferdam::http::server("checkout").set("shedding.max_queue", "0").build().unwrap_err();
/// assert_eq!(invalid.to_string(), "`shedding.max_queue` cannot be 0: it must be 1 to 1048576");
/// # let _ = stack; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct ServerBuilder<P = (), M = Http> {
    name: String,
    drain: Choice<Drain>,
    headers: ContextHeaders,
    trust: Choice<Trust>,
    shedding: Choice<LoadShed>,
    policy: P,
    timeout: Option<Duration>,
    protocol: M,
    config: Config,
}

impl<M> ServerBuilder<(), M> {
    pub(crate) fn new(name: String, headers: ContextHeaders, protocol: M) -> Self {
        Self {
            name,
            drain: Choice::Ours,
            headers,
            trust: Choice::Ours,
            shedding: Choice::Ours,
            policy: (),
            timeout: None,
            protocol,
            config: Config::default(),
        }
    }
}

impl<P, M> ServerBuilder<P, M> {
    /// Another drain, or none.
    pub fn drain(mut self, drain: impl Into<Option<Drain>>) -> Self {
        self.drain = Choice::Theirs(drain.into());
        self
    }

    /// The headers that the context of requests is read from.
    pub fn headers(mut self, headers: ContextHeaders) -> Self {
        self.headers = headers;
        self
    }

    /// How far requests are believed, and which deadline they have if they name none.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = Choice::Theirs(Some(trust));
        self
    }

    /// Another load shedding, or none.
    pub fn shedding(mut self, shedding: impl Into<Option<LoadShed>>) -> Self {
        self.shedding = Choice::Theirs(shedding.into());
        self
    }

    /// A policy of yours, or a group of them, behind the shedding: such as a rate limit, or a bulkhead of a resource.
    pub fn policy<Q>(self, policy: Q) -> ServerBuilder<Q, M> {
        self.with(|_, protocol| (policy, protocol))
    }

    /// How long a call may take in any case. Default: as long as its deadline lets it. Range: above zero, at most 100 years.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// For another protocol, or another wording: such as `Http::new().wording(..)`.
    pub fn protocol<N>(self, protocol: N) -> ServerBuilder<P, N> {
        self.with(|policy, _| (policy, protocol))
    }

    /// A setting in text, by its path: `drain.`, `shedding.` (with those of its limit), `timeout.` or `context.` and any of the
    /// settings of that part; or a part alone that is `off` or `on`: see [`Config`]. It is checked when the stack is built.
    pub fn set(mut self, path: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.add(path.into(), value.into());
        self
    }

    /// Many settings in text, after those that were given before.
    pub fn config(mut self, config: &Config) -> Self {
        self.config.extend(config);
        self
    }

    fn with<Q, N>(self, change: impl FnOnce(P, M) -> (Q, N)) -> ServerBuilder<Q, N> {
        let Self { name, drain, headers, trust, shedding, policy, timeout, protocol, config } = self;
        let (policy, protocol) = change(policy, protocol);
        ServerBuilder { name, drain, headers, trust, shedding, policy, timeout, protocol, config }
    }
}

impl<P: Policy, M: Clone + Send + Sync + 'static> ServerBuilder<P, M> {
    /// Builds the stack.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting by its path, its value and what it may be.
    pub fn build(mut self) -> Result<Server<P, M>, Invalid> {
        part::choose(&mut self.config, |part, on| match part {
            "drain" => self.drain.switch(on),
            "shedding" => self.shedding.switch(on),
            _ => {}
        })?;
        let (name, protocol) = (Name::new(&self.name)?, self.protocol);
        let drain = self.drain.or_make(|| Drain::builder(&*self.name).build())?;
        let shedding = self.shedding.or_make(|| {
            let limit = AdaptiveLimit::builder(&*self.name).deadline().build()?;
            LoadShed::builder(limit).build()
        })?;
        let mut timeout = Timeout::builder(&*self.name).deadline().protocol(protocol.clone());
        timeout.attempt = self.timeout;
        let trust = self.trust.or_make(|| Trust::builder().default_deadline(DEADLINE).build())?;
        let mut trust = trust::Builder::from(trust.unwrap_or_default());
        for (path, value) in self.config.iter() {
            if let Some(("context", setting)) = path.split_once('.') {
                trust = trust::fields().write(trust, setting, value).map_err(|invalid| invalid.within("context"))?;
            }
        }

        let trust = trust.build().map_err(|invalid| invalid.within("context"))?;
        let server = Server {
            name,
            readiness: drain
                .as_ref()
                .map_or_else(|| Drain::builder(&*self.name).build(), |it| Ok(it.clone()))?
                .readiness(),
            context: self.headers.inbound(trust),
            believed: Believed { name, trust },
            guard: guard((drain, shedding, self.policy)).protocol(protocol),
            timeout: timeout.build().map_err(|invalid| invalid.within("timeout"))?,
        };
        let rest = self.config.iter().filter(|(path, _)| !path.starts_with("context."));
        part::make_all(rest, |path, value| server.set(path, value))?;
        Ok(server)
    }
}
