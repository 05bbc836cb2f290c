use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{
    Config, Explanation, Part,
    part::{Choice, Live, change, change_all, configure, control, unknown, write},
};
use crate::{
    flow::timeout::{self, Timeout, TimeoutLayer},
    http::{
        ContextHeaders, Http,
        hops::{Hop, HopLayer, Inbound},
    },
    kernel::{
        Control, Guard, Guarded, Invalid, Name, Policy, Setting,
        context::{CarriedDeadline, Trust, trust},
        guard,
    },
    policy::{limit::AdaptiveLimit, shed::LoadShed},
};

/// Builds a [`Server`].
///
/// | part | default |
/// |---|---|
/// | [`headers`](Self::headers) | `x-request-criticality`, `x-request-timeout-ms`, `x-request-task`; over gRPC `grpc-timeout` |
/// | [`trust`](Self::trust) | the defaults of [`Trust`], and a deadline of 30 s for requests that name none |
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

    /// A setting in text, by its path: `shedding.` and a setting of [`LoadShed`] or of its limit, `timeout.attempt`,
    /// `context.default_deadline` or `context.longest_deadline`. It is checked when the stack is built.
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
        let Self { name, headers, trust, shedding, policy, timeout, protocol, config } = self;
        let (policy, protocol) = change(policy, protocol);
        ServerBuilder { name, headers, trust, shedding, policy, timeout, protocol, config }
    }
}

/// The deadline of a request that names none.
const DEADLINE: Duration = Duration::from_secs(30);

const LIVE: &str = "of `shedding`: all else is set before it is built";

const PARTS: &str = "of one of `context`, `shedding` and `timeout`";

impl<P: Policy, M: Clone + 'static> ServerBuilder<P, M> {
    /// Builds the stack.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting by its path, its value and what it may be.
    pub fn build(self) -> Result<Server<P, M>, Invalid> {
        let Self { name, headers, trust, shedding, policy, timeout: limit, protocol, config } = self;
        let shedding = shedding.or_make(|| {
            let limit = AdaptiveLimit::builder(&*name).deadline().build()?;
            LoadShed::builder(limit).build()
        })?;
        let trust = trust.or_make(|| Trust::builder().default_deadline(DEADLINE).build())?;
        let mut trust = trust::Builder::from(trust.unwrap_or_default());
        let mut timeout = Timeout::builder(&*name).deadline().protocol(protocol.clone());
        timeout.attempt = limit;

        config.make(|part, setting, value| match part {
            "context" => write(part, &trust::fields(), &mut trust, setting, value),
            "timeout" => write(part, &timeout::Builder::fields(), &mut timeout, setting, value),
            "shedding" => configure(part, control(&shedding), setting, value),
            _ => Err(unknown(part, PARTS)),
        })?;

        let fixed = [trust::fields().read(trust), timeout::Builder::fields().read(timeout.clone())];
        Ok(Server {
            name: Name::new(&name)?,
            context: headers.inbound(trust.build().map_err(|invalid| invalid.within("context"))?),
            shedding: shedding.clone(),
            guard: guard((shedding, policy)).protocol(protocol),
            timeout: timeout.build().map_err(|invalid| invalid.within("timeout"))?,
            fixed: fixed.into(),
        })
    }
}

/// The stack of a server, as a layer: see the [module](super).
///
/// ```
/// use axum::{Router, routing::get};
///
/// let stack = cofferdam::http::server("checkout").build()?;
/// let app: Router = Router::new().route("/", get(|| async { "done" })).layer(stack.clone());
///
/// // From an admin endpoint, while it runs:
/// stack.set("shedding.max_limit", "200")?;
/// assert_eq!(stack.shedding().unwrap().waiting(), 0);
/// # let _ = app; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Debug)]
pub struct Server<P = (), M = Http> {
    name: Name,
    context: HopLayer<Inbound>,
    shedding: Option<LoadShed>,
    guard: Guard<Admission<P>, M>,
    timeout: TimeoutLayer<CarriedDeadline, M>,
    /// What the context and the timeout are set to, for good.
    fixed: Arc<[Vec<Setting>; 2]>,
}

/// What admits calls at a server.
type Admission<P> = (Option<LoadShed>, P);

impl<P, M> Server<P, M> {
    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// Its load shedding, to read and to steer, unless it is left out.
    #[must_use]
    pub fn shedding(&self) -> Option<&LoadShed> {
        self.shedding.as_ref()
    }

    /// The policy that was added to it.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.guard.policy().1
    }

    /// What it is made of, in which order, and with which numbers.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let [context, timeout] = &*self.fixed;
        let shedding = control(&self.shedding)
            .map(Control::settings)
            .map(|settings| Part::new("shedding", "as much as can be done, what matters most first", settings));
        let parts = [
            Some(Part::new("context", "what requests say of themselves, as far as it is believed", context.clone())),
            shedding,
            Some(Part::new("timeout", "nothing is worked on for longer than somebody waits", timeout.clone())),
        ];
        Explanation::new(self.name, "server", parts)
    }

    /// Changes a setting while it runs, by its path: those of `shedding`.
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

    fn live(&self) -> Live<'_, 1> {
        [("shedding", control(&self.shedding))]
    }
}

impl<P, M: Clone> Clone for Server<P, M> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            context: self.context.clone(),
            shedding: self.shedding.clone(),
            guard: self.guard.clone(),
            timeout: self.timeout.clone(),
            fixed: Arc::clone(&self.fixed),
        }
    }
}

impl<S, P, M: Clone> Layer<S> for Server<P, M> {
    type Service = Hop<Guarded<Timeout<S, CarriedDeadline, M>, Admission<P>, M>, Inbound>;

    fn layer(&self, inner: S) -> Self::Service {
        self.context.layer(self.guard.layer(self.timeout.layer(inner)))
    }
}
