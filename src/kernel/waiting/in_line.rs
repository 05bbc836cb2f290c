use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::{Place, Turned, room::Turn};
use crate::kernel::{Admit, Instant, Rejected, Why, clock, ticket::now_for};

pin_project! {
    /// A call that waits for its turn, and is then judged by the whole group anew.
    ///
    /// It holds a place and nothing else: no token of any policy, and no readiness. Sent from one line to the next, it waits
    /// no longer in all than each of them allows.
    pub(crate) struct InLine {
        place: Option<Place>,
        until: Instant,
        // Why no longer: of all lines that it has stood in, the one that is the least patient says so.
        why: Why,
        // For when the timer is set.
        rings: Instant,
        #[pin]
        timer: Option<Sleep>,
    }
}

/// So often a call is tried in one poll that is called each time, and each time in vain.
const TRIES: u32 = 16;

/// And so long it waits before it is tried again.
const BREATH: Duration = Duration::from_millis(1);

impl InLine {
    pub(crate) fn new(place: Place) -> Self {
        Self { until: place.until(), why: place.why(), rings: place.until(), place: Some(place), timer: None }
    }

    /// Ready with the token and the time of admission, or with the rejection.
    pub(crate) fn poll_admitted<Request, P: Admit<Request>>(
        mut self: Pin<&mut Self>,
        policy: &P,
        request: &Request,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(P::Token, Instant), Rejected>> {
        let admitted = self.as_mut().poll_turn(policy, request, cx);
        let this = self.project();
        if admitted.is_pending()
            && let Some(place) = this.place
        {
            let rejected = ready!(place.poll_cut(cx));
            *this.place = None;
            return Poll::Ready(Err(rejected));
        }
        admitted
    }

    fn poll_turn<Request, P: Admit<Request>>(
        self: Pin<&mut Self>,
        policy: &P,
        request: &Request,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(P::Token, Instant), Rejected>> {
        let mut this = self.project();
        let mut tries = 0;
        loop {
            let place = this.place.as_ref().expect("a future is not polled after its end");
            let turn = match place.look(cx) {
                Turn::Called if tries < TRIES => Ok(()),
                // What it gives back when it is sent away calls it again: a policy may be in its group twice. Nobody would get out
                // of that by trying.
                Turn::Called if clock::now() >= *this.until => Err(place.rejected(*this.why)),
                Turn::Called => {
                    *this.rings = clock::now().after(BREATH);
                    this.timer.set(Some(sleep(BREATH)));
                    let timer = this.timer.as_mut().as_pin_mut().expect("it was set above");
                    ready!(timer.poll(cx));
                    continue;
                }
                Turn::Over(why) => Err(place.rejected(why)),
                Turn::Waits(ready) => {
                    let next = ready.map_or(*this.until, |ready| ready.min(*this.until));
                    if this.timer.is_none() || *this.rings != next {
                        *this.rings = next;
                        this.timer.set(Some(sleep(next.since(clock::now()))));
                    }
                    let timer = this.timer.as_mut().as_pin_mut().expect("it was set above");
                    // That it fired is the truth: it is not compared with a clock again.
                    ready!(timer.poll(cx));
                    if next < *this.until {
                        this.timer.set(None);
                        place.time_has_passed();
                        continue;
                    }
                    place.give_up(*this.why)
                }
            };
            tries += 1;
            let mut place = this.place.take();
            if let Err(rejected) = turn {
                return Poll::Ready(Err(rejected));
            }
            let now = now_for::<P>();
            match policy.enter(request, now, &mut place) {
                Ok(token) => return Poll::Ready(Ok((token, now))),
                Err(Turned::Away(rejected)) => return Poll::Ready(Err(rejected)),
                Err(Turned::Wait(mut next)) => {
                    if let Some(place) = &mut place {
                        next.take_over(place);
                    }
                    if next.until() < *this.until {
                        (*this.until, *this.why) = (next.until(), next.why());
                        this.timer.set(None);
                    }
                    *this.place = Some(next);
                }
            }
        }
    }
}
