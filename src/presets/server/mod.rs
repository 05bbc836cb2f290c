//! The stack of a server.

mod believed;
mod builder;

use std::time::Duration;

use tower_layer::Layer;

pub use builder::ServerBuilder;

use self::believed::Believed;
use super::{
    Config, Explanation, Part,
    part::{Live, change, change_all, control, controls},
};
use crate::{
    flow::timeout::{Timeout, TimeoutLayer},
    http::{
        Http,
        hops::{Hop, HopLayer, Inbound},
    },
    kernel::{Control, Guard, Guarded, Invalid, Name, Policy, context::CarriedDeadline},
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
    context: HopLayer<Inbound>,
    believed: Believed,
    guard: Guard<Admission<P>, M>,
    timeout: TimeoutLayer<CarriedDeadline, M>,
}

/// The deadline of a request that names none.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a setting that is none may be.
const PARTS: &str = "of one of `drain`, `context`, `shedding` and `timeout`";

/// What admits calls at a server: all of it in one group, so that a call is followed once.
type Admission<P> = (Option<Drain>, Option<LoadShed>, P);

impl<P, M> Server<P, M> {
    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// Its drain, to begin when the process is told to go, unless it is left out.
    #[must_use]
    pub fn drain(&self) -> Option<&Drain> {
        self.guard.policy().0.as_ref()
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
        self.guard.policy().1.as_ref()
    }

    /// The policy that was added to it.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.guard.policy().2
    }
}

impl<P: Policy, M: Send + Sync> Server<P, M> {
    /// What it is made of, in which order, and with which numbers.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let mut parts: Vec<Part> = self.live().iter().filter_map(Live::explain).collect();
        if let Some(policy) = Part::of_policy(self.policy()) {
            parts.insert(parts.len() - 1, policy);
        }
        Explanation::new(self.name, "server", parts)
    }

    /// Changes a setting while it runs, by its path. Those of `context` stay what they were when it was built.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting by its path, its value and what it may be; nothing is changed then. One of `context` may be
    /// what it is, so that a file can be read again that has some.
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
    /// let stack = cofferdam::http::server("checkout").build()?;
    /// for (path, control) in stack.controls() {
    ///     println!("{path}: {}", control.state());
    ///     for setting in control.settings() {
    ///         println!("  {path}.{setting}");
    ///     }
    /// }
    /// let (_, drain) = stack.controls().find(|(path, _)| *path == "drain").unwrap();
    /// drain.force("drained")?;
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn controls(&self) -> impl Iterator<Item = (&'static str, &dyn Control)> {
        controls(self.live())
    }

    fn live(&self) -> [Live<'_>; 4] {
        let part = |path, purpose, control| Live { path, purpose, control };
        [
            part("context", "what requests say of themselves, as far as it is believed", Some(&self.believed)),
            part("drain", "when it goes, no call is lost", control(&self.guard.policy().0)),
            part("shedding", "as much as can be done, what matters most first", control(&self.guard.policy().1)),
            part("timeout", "nothing is worked on for longer than somebody waits", Some(&self.timeout)),
        ]
    }
}

impl<P, M: Clone> Clone for Server<P, M> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            readiness: self.readiness.clone(),
            context: self.context.clone(),
            believed: self.believed,
            guard: self.guard.clone(),
            timeout: self.timeout.clone(),
        }
    }
}

impl<S, P, M: Clone> Layer<S> for Server<P, M> {
    type Service = Hop<Guarded<Timeout<S, CarriedDeadline, M>, Admission<P>, M>, Inbound>;

    fn layer(&self, inner: S) -> Self::Service {
        self.context.layer(self.guard.layer(self.timeout.layer(inner)))
    }
}
