use std::time::Duration;

use super::{Drain, HealthChecks, Nobody, live::Live, state::Settings};
use crate::kernel::{Invalid, Name, sync::Arc};

/// Builds a [`Drain`], or changes one: see [`Drain::configure`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`grace`](Self::grace) | 5 s | zero to 100 years |
/// | [`deadline`](Self::deadline) | 30 s | above zero, at most 100 years |
/// | [`exempt`](Self::exempt) | health checks of requests that carry a [`Context`](crate::Context) | |
///
/// ```
/// use std::time::Duration;
/// use cofferdam::Drain;
///
/// let drain = Drain::builder("checkout").grace(Duration::from_secs(10)).deadline(Duration::from_secs(60)).build()?;
/// assert_eq!(drain.in_flight(), 0);
/// assert!(Drain::builder("checkout").deadline(Duration::ZERO).build().is_err());
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<X = HealthChecks> {
    name: String,
    pub(super) grace: Duration,
    pub(super) deadline: Duration,
    exempt: X,
}

impl Builder {
    pub(super) fn new(name: String) -> Self {
        Self { name, grace: Duration::from_secs(5), deadline: Duration::from_secs(30), exempt: HealthChecks }
    }
}

impl<X> Builder<X> {
    /// A builder that holds what a drain is set to.
    pub(super) fn of(name: Name, settings: Settings, exempt: X) -> Self {
        Self { name: name.to_string(), grace: settings.grace, deadline: settings.deadline, exempt }
    }

    /// How long calls are still let in after readiness has said no: as long as whoever sends them needs to see it. Twice the
    /// period in which a load balancer asks is a good measure. With zero nothing is let in from the beginning.
    ///
    /// Default: 5 s. Range: zero to 100 years.
    pub fn grace(self, time: Duration) -> Self {
        Self { grace: time, ..self }
    }

    /// How long calls in flight may take to come to their end, from when nothing new is let in. After that they are cut.
    ///
    /// Default: 30 s. Range: above zero, at most 100 years.
    pub fn deadline(self, time: Duration) -> Self {
        Self { deadline: time, ..self }
    }

    /// Which requests are let in at any time: sixteen of them at a time, and a drain does not wait for them.
    ///
    /// A function of the request, or [`Nobody`], which takes requests of any type. Default: [`HealthChecks`].
    ///
    /// ```
    /// use cofferdam::Drain;
    /// use http::Request;
    ///
    /// let drain = Drain::builder("checkout").exempt(|request: &Request<()>| request.uri().path() == "/metrics").build()?;
    /// # let _ = drain; Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn exempt<Y>(self, exempt: Y) -> Builder<Y> {
        Builder { name: self.name, grace: self.grace, deadline: self.deadline, exempt }
    }

    /// For requests of any type, none of which is let in when it has closed: `.exempt(Nobody)`.
    pub fn exempt_nobody(self) -> Builder<Nobody> {
        self.exempt(Nobody)
    }

    /// Builds the drain.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<Drain<X>, Invalid> {
        let (name, settings) = (Name::new(&self.name)?, self.check()?);
        Ok(Drain { live: Arc::new(Live::new(name, settings)), exempt: self.exempt })
    }

    pub(super) fn check(&self) -> Result<Settings, Invalid> {
        // What may be added to a moment, or nothing.
        if !self.grace.is_zero() {
            Invalid::unless_duration("grace", self.grace)
                .map_err(|_| Invalid::new("grace", crate::kernel::written::Written(self.grace), "zero to 100 years"))?;
        }
        Ok(Settings { grace: self.grace, deadline: Invalid::unless_duration("deadline", self.deadline)? })
    }
}
