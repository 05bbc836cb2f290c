use std::task::{Context, Poll};

use super::{Builder, Exempt, Finished, HealthChecks, Inside, State, live::Live};
use crate::kernel::{
    Admit, Bell, Cutting, Ended, Immediate, Instant, Invalid, Name, Policy, Rejected, Timing, clock,
    sync::Arc,
    waiting::{Left, Place, Turned},
};

/// Takes a server out of service without losing a call.
///
/// See the [module](super) for a picture.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Drain, DrainState, Policy};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::Invalid> {
/// let drain = Drain::builder("checkout").grace(Duration::ZERO).build()?;
/// let layer = drain.clone().layer();
/// assert_eq!(drain.state(), DrainState::Ready);
///
/// drain.begin().await;
/// assert_eq!(drain.state(), DrainState::Drained);
/// # let _ = layer; Ok(()) }
/// ```
#[doc(alias = "graceful shutdown")]
#[derive(Clone, Debug)]
pub struct Drain<X = HealthChecks> {
    pub(super) live: Arc<Live>,
    pub(super) exempt: X,
}

impl Drain {
    /// Starts a drain of that name, which its rejections will carry.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }
}

impl<X> Drain<X> {
    /// The name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.live.name
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> State {
        self.live.read().0
    }

    /// How many calls are in flight.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.live.read().1
    }

    /// Begins to drain, in this moment, whatever becomes of the future: that waits for the end.
    ///
    /// If a drain is under way, this joins it. The future keeps the time, for which see [`Finished`]: drop it only if
    /// another one is being awaited.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cofferdam::{Drain, DrainState};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::Invalid> {
    /// let drain = Drain::builder("checkout").build()?;
    /// drop(drain.begin());
    /// assert_eq!(drain.state(), DrainState::Leaving);
    /// # Ok(()) }
    /// ```
    pub fn begin(&self) -> Finished {
        self.live.begin(clock::now());
        self.finished()
    }

    /// Waits until a drain is over that somebody else begins, or has begun.
    pub fn finished(&self) -> Finished {
        Finished::new(Arc::clone(&self.live))
    }

    /// Undoes a drain: calls are let in again. Futures that wait for its end go on to wait, for that of the next.
    ///
    /// Returns whether calls are let in: not if the deadline has cut some, as that drain is over and cannot be undone.
    ///
    /// ```
    /// use cofferdam::{Drain, DrainState};
    ///
    /// let drain = Drain::builder("checkout").build()?;
    /// drop(drain.begin());
    /// assert!(drain.resume());
    /// assert_eq!(drain.state(), DrainState::Ready);
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn resume(&self) -> bool {
        self.live.resume()
    }

    /// Counts as a call for as long as the value is held: for what lasts longer than the answer to its request, such as an
    /// upgraded connection, or begins with no request at all.
    ///
    /// The deadline does not end it: await [`finished`](Self::finished) beside it.
    ///
    /// # Errors
    ///
    /// [`Rejected`] when nothing new is let in any more.
    ///
    /// ```
    /// use cofferdam::Drain;
    ///
    /// let drain = Drain::builder("checkout").build()?;
    /// let held = drain.hold()?;
    /// assert_eq!(drain.in_flight(), 1);
    /// drop(held);
    /// assert_eq!(drain.in_flight(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hold(&self) -> Result<Hold, Rejected> {
        if self.live.enter() || self.live.enter_late() {
            Ok(Hold(Arc::clone(&self.live)))
        } else {
            Err(self.live.rejected())
        }
    }

    /// Changes the settings, for drains that begin after that.
    ///
    /// # Errors
    ///
    /// [`Invalid`]; nothing is changed then.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cofferdam::Drain;
    ///
    /// let drain = Drain::builder("checkout").build()?;
    /// drain.configure(|settings| settings.grace(Duration::from_secs(15)))?;
    /// assert!(drain.configure(|settings| settings.deadline(Duration::ZERO)).is_err());
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn configure(&self, change: impl FnOnce(Builder<X>) -> Builder<X>) -> Result<(), Invalid>
    where
        X: Clone,
    {
        let settings = change(self.settings()).check()?;
        self.live.configure(settings);
        Ok(())
    }

    /// What it is set to.
    pub(super) fn settings(&self) -> Builder<X>
    where
        X: Clone,
    {
        Builder::of(self.name(), self.live.settings(), self.exempt.clone())
    }

    /// For a call that comes when a drain has begun.
    #[cold]
    fn admit_late<Request>(&self, request: &Request) -> Result<Inside, Rejected>
    where
        X: Exempt<Request>,
    {
        if self.live.enter_late() {
            return Ok(Inside::COUNTED);
        }
        if X::ANY && self.exempt.is_exempt(request) && self.live.enter_exempt() {
            return Ok(Inside::EXEMPT);
        }
        Err(self.live.rejected())
    }
}

impl<X> Drain<X> {
    #[cold]
    fn take_back(&self, place: &mut Place) -> Option<Inside> {
        place.take_back(|waiting: &Waiting| Arc::ptr_eq(&waiting.live, &self.live))?.inside.take()
    }
}

impl<X> Policy for Drain<X> {
    type Kind = Immediate<Cutting>;
    type Token = Inside;

    /// Only those who come while it is leaving ask for the time.
    const TIMING: Timing = Timing::Unused;

    fn name(&self) -> Option<Name> {
        Some(Self::name(self))
    }

    fn bells(&self, visit: &mut dyn FnMut(&std::sync::Arc<Bell>)) {
        visit(&self.live.changed);
    }

    #[inline]
    fn is_departing(&self) -> bool {
        self.live.is_departing()
    }

    #[inline]
    fn poll_cut(&self, inside: &mut Inside, cx: &mut Context<'_>) -> Poll<Rejected> {
        self.live.poll_cut(inside, cx)
    }

    #[inline(always)]
    fn settle(&self, inside: Inside, _: &Ended) {
        self.live.leave_from(inside);
    }

    #[inline]
    fn undo(&self, inside: Inside, _: Instant) {
        self.live.leave_from(inside);
    }

    /// A call that waits in line has been let in, and is not to be lost.
    fn wait(&self, inside: Inside, _: Instant, place: &mut Place) {
        place.leave(Waiting { live: Arc::clone(&self.live), inside: Some(inside) });
    }
}

impl<Request, X: Exempt<Request>> Admit<Request> for Drain<X> {
    #[inline(always)]
    fn admit(&self, request: &Request, _: Instant) -> Result<Inside, Rejected> {
        if self.live.enter() { Ok(Inside::COUNTED) } else { self.admit_late(request) }
    }

    #[inline]
    fn enter(&self, request: &Request, now: Instant, place: &mut Option<Place>) -> Result<Inside, Turned> {
        match place.as_mut().and_then(|place| self.take_back(place)) {
            None => Ok(self.admit(request, now)?),
            // Its turn came by the end of one that was cut.
            Some(inside) if self.live.is_cut() => {
                self.live.leave_from(inside);
                Err(self.live.rejected().into())
            }
            Some(inside) => Ok(inside),
        }
    }

    #[inline]
    fn shut(&self, _: impl FnOnce() -> Instant) -> Option<Rejected> {
        // Where somebody may be exempt, the service behind has to be ready for it.
        (!X::ANY && self.live.is_closed()).then(|| self.live.rejected())
    }
}

/// A call that was let in, and waits for its turn with another policy of its group.
struct Waiting {
    live: Arc<Live>,
    inside: Option<Inside>,
}

impl Left for Waiting {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Rejected> {
        let Some(inside) = &mut self.inside else { return Poll::Pending };
        // It has not begun, so nothing was cut off.
        self.live.poll_cut(inside, cx).map(|_| self.live.rejected())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(inside) = self.inside.take() {
            self.live.leave_from(inside);
        }
    }
}

/// Something that a drain waits for as for a call: see [`Drain::hold`].
#[derive(Debug)]
#[must_use = "it counts for as long as it is held"]
pub struct Hold(Arc<Live>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.leave();
    }
}
