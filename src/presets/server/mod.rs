//! The stack of a server.

mod builder;

use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

pub use builder::ServerBuilder;

use super::{
    Config, Explanation, Part,
    part::{Live, change, change_all, control},
};
use crate::{
    flow::timeout::{Timeout, TimeoutLayer},
    http::{
        Http,
        hops::{Hop, HopLayer, Inbound},
    },
    kernel::{Guard, Guarded, Invalid, Name, Policy, Setting, context::CarriedDeadline},
    policy::{
        drain::{Drain, Readiness},
        shed::LoadShed,
    },
};

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
    readiness: Readiness,
    drain: Guard<Option<Drain>, M>,
    context: HopLayer<Inbound>,
    /// What the context is set to, for good.
    believed: Arc<[Setting]>,
    guard: Guard<Admission<P>, M>,
    timeout: TimeoutLayer<CarriedDeadline, M>,
}

/// The deadline of a request that names none.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a setting that is none may be.
const PARTS: &str = "of one of `drain`, `shedding` and `timeout`, or of `context` before it is built";

/// What admits calls at a server.
type Admission<P> = (Option<LoadShed>, P);

impl<P, M> Server<P, M> {
    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// Its drain, to begin when the process is told to go, unless it is left out.
    #[must_use]
    pub fn drain(&self) -> Option<&Drain> {
        self.drain.policy().as_ref()
    }

    /// A service that answers whether requests should be sent here: mount it at `/readyz`. See [`Drain::readiness`]. Without a
    /// drain they always should.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Its load shedding, to read and to steer, unless it is left out.
    #[must_use]
    pub fn shedding(&self) -> Option<&LoadShed> {
        self.guard.policy().0.as_ref()
    }

    /// The policy that was added to it.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.guard.policy().1
    }
}

impl<P: Policy, M: Send + Sync> Server<P, M> {
    /// What it is made of, in which order, and with which numbers.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let mut parts: Vec<Part> = self.live().iter().filter_map(Live::explain).collect();
        let context =
            Part::new("context", "what requests say of themselves, as far as it is believed", self.believed.to_vec());
        parts.insert(usize::from(self.drain().is_some()), context);
        if let Some(policy) = Part::of_policy(self.policy()) {
            parts.insert(parts.len() - 1, policy);
        }
        Explanation::new(self.name, "server", parts)
    }

    /// Changes a setting while it runs, by its path: any but those of `context`.
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

    fn live(&self) -> [Live<'_>; 3] {
        let part = |path, purpose, control| Live { path, purpose, control };
        [
            part("drain", "when it goes, no call is lost", control(self.drain.policy())),
            part("shedding", "as much as can be done, what matters most first", control(&self.guard.policy().0)),
            part("timeout", "nothing is worked on for longer than somebody waits", Some(&self.timeout)),
        ]
    }
}

impl<P, M: Clone> Clone for Server<P, M> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            readiness: self.readiness.clone(),
            drain: self.drain.clone(),
            context: self.context.clone(),
            believed: Arc::clone(&self.believed),
            guard: self.guard.clone(),
            timeout: self.timeout.clone(),
        }
    }
}

/// A call that the drain has let in.
type Inside<S, P, M> = Hop<Guarded<Timeout<S, CarriedDeadline, M>, Admission<P>, M>, Inbound>;

impl<S, P, M: Clone> Layer<S> for Server<P, M> {
    type Service = Guarded<Inside<S, P, M>, Option<Drain>, M>;

    fn layer(&self, inner: S) -> Self::Service {
        self.drain.layer(self.context.layer(self.guard.layer(self.timeout.layer(inner))))
    }
}
