use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::{
    Drained,
    live::Live,
    state::{Next, Step},
};
use crate::kernel::{Listening, clock, sync::Arc};

pin_project! {
    /// Waits until a drain is over: made by [`Drain::begin`](super::Drain::begin) and [`Drain::finished`](super::Drain::finished).
    ///
    /// It is woken by the end of the last call, and by its timer. That one also closes the drain when the grace period is
    /// over, and cuts what is left at the deadline: so somebody has to await one of these futures. Without any, calls that
    /// come when the grace period is over still close it, but nothing is cut.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it undoes nothing, and another one goes on from there.
    ///
    /// # Panics
    ///
    /// Polled outside of a tokio runtime with a timer, while a drain is under way.
    #[must_use = "somebody has to await the end of a drain, or nothing is cut at its deadline"]
    pub struct Finished {
        live: Arc<Live>,
        listening: Option<Listening>,
        #[pin]
        timer: Option<Sleep>,
        // What the timer is for.
        step: Option<Step>,
    }
}

impl Finished {
    pub(super) fn new(live: Arc<Live>) -> Self {
        Self { live, listening: None, timer: None, step: None }
    }
}

impl Future for Finished {
    type Output = Drained;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Drained> {
        let mut this = self.project();
        loop {
            // It listens before it looks, or it might miss what happens in between; and never twice.
            *this.listening = None;
            *this.listening = Some(this.live.changed.listen(cx.waker()));
            let (moment, step) = match this.live.next() {
                Next::Over(drained) => {
                    *this.listening = None;
                    return Poll::Ready(drained);
                }
                Next::Begin => {
                    this.timer.set(None);
                    *this.step = None;
                    return Poll::Pending;
                }
                Next::At(moment, step) => (moment, step),
            };
            if *this.step != Some(step) {
                this.timer.set(Some(sleep(moment.since(clock::now()))));
                *this.step = Some(step);
            }
            if let Some(timer) = this.timer.as_mut().as_pin_mut() {
                ready!(timer.poll(cx));
            }
            this.timer.set(None);
            *this.step = None;
            this.live.step(step);
        }
    }
}

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finished").field("state", &self.live.read().0).finish_non_exhaustive()
    }
}
