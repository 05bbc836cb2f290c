use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{
    Timeout,
    live::{Limits, Live},
};
use crate::kernel::{
    Invalid, Name, Plain,
    context::{Bounds, CarriedDeadline, NoDeadline},
};

/// Builds a [`Timeout`] layer.
///
/// | setting | default | range |
/// |---|---|---|
/// | [`attempt`](Self::attempt) | none | above zero |
/// | [`deadline`](Self::deadline) | not looked at | |
/// | `between_frames`, after `http` or `grpc` | none | above zero |
///
/// At least one of them must be set.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::Timeout;
///
/// let layer = Timeout::builder("search")
///     .attempt(Duration::from_millis(250))
///     .deadline()
///     .http()
///     .between_frames(Duration::from_secs(1))
///     .build()?;
///
/// assert!(Timeout::builder("search").build().is_err());
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<D = NoDeadline, M = Plain> {
    pub(crate) name: String,
    pub(crate) attempt: Option<Duration>,
    pub(crate) between_frames: Option<Duration>,
    pub(crate) deadline: D,
    pub(crate) protocol: M,
}

/// The layer of [`Timeout`], and the handle to all that was made with it: as a [`Control`](crate::Control) it changes what
/// they are set to, for the calls that begin after that.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Control, Timeout};
///
/// let layer = Timeout::builder("payments").attempt(Duration::from_millis(300)).build()?;
/// layer.configure("attempt", "250ms")?;
/// assert_eq!(layer.state(), "250ms at most");
/// assert!(layer.configure("attempt", "none").is_err());
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct TimeoutLayer<D = NoDeadline, M = Plain> {
    pub(super) live: Arc<Live>,
    pub(super) deadline: D,
    pub(super) protocol: M,
}

impl Builder {
    pub(super) fn new(name: String) -> Self {
        Self { name, attempt: None, between_frames: None, deadline: NoDeadline, protocol: Plain::default() }
    }
}

impl<D, M> Builder<D, M> {
    /// How long one call may take: becoming ready, and from its first poll to its answer (over HTTP, to the head).
    ///
    /// Default: none. Range: above zero, at most 100 years.
    pub fn attempt(mut self, limit: Duration) -> Self {
        self.attempt = Some(limit);
        self
    }

    /// Also keeps to the deadline that a request carries, and sends it on with the attempt's own, [to the
    /// head](crate::Deadline::to_head), if that is earlier. Over HTTP the request's deadline bounds the body as well, unless it is
    /// an [assumed](crate::Deadline::assumed) one and the answer a lasting one.
    pub fn deadline(self) -> Builder<CarriedDeadline, M> {
        Builder {
            name: self.name,
            attempt: self.attempt,
            between_frames: self.between_frames,
            deadline: CarriedDeadline,
            protocol: self.protocol,
        }
    }

    /// For services of another protocol.
    pub fn protocol<N>(self, protocol: N) -> Builder<D, N> {
        self.map_protocol(|_| protocol)
    }

    /// The same settings, and the protocol changed.
    pub(crate) fn map_protocol<N>(self, change: impl FnOnce(M) -> N) -> Builder<D, N> {
        Builder {
            name: self.name,
            attempt: self.attempt,
            between_frames: self.between_frames,
            deadline: self.deadline,
            protocol: change(self.protocol),
        }
    }
}

impl<D: Bounds, M> Builder<D, M> {
    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<TimeoutLayer<D, M>, Invalid> {
        let limits = Limits { attempt: self.attempt, between_frames: self.between_frames };
        let live = Live::new(Name::new(&self.name)?, limits.check::<D>()?);
        Ok(TimeoutLayer { live: Arc::new(live), deadline: self.deadline, protocol: self.protocol })
    }
}

impl<S, D: Clone, M: Clone> Layer<S> for TimeoutLayer<D, M> {
    type Service = Timeout<S, D, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, Arc::clone(&self.live), self.deadline.clone(), self.protocol.clone())
    }
}
