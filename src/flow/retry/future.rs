use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::{Waits, plan::Plan, rest::Rest};
use crate::kernel::{
    Attempt, GivenUp, Instant, Made, Next, Outcome, Reading, Rejected, Why,
    attempts::{AttemptProtocol, Exhausted, How, Repeat},
    budget::{Extra, NoExtra},
    clock,
    context::AttemptSource,
    event::{self, Attempted},
    seldom::Seldom,
};

pin_project! {
    #[project = StateProjection]
    enum State<F, T, E> {
        Calling { #[pin] future: F },
        Waiting { wait: Seldom<Pin<Box<Wait<T, E>>>> },
    }
}

pin_project! {
    // What waits is boxed, so that calls that are answered well at once do not carry room for it.
    #[project = WaitProjection]
    struct Wait<T, E> {
        #[pin]
        timer: Sleep,
        last: Option<Result<T, E>>,
    }
}

pin_project! {
    /// The future of a [`Retry`](super::Retry).
    ///
    /// Dropped, it cancels the attempt that is going on, and makes no other. Observers are told of both.
    #[project = RetryProjection]
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryFuture<S: Service<R::Request>, R: Repeat<Request>, D, M, Request> {
        #[pin]
        state: State<S::Future, S::Response, S::Error>,
        rest: Option<Rest<S, R::Kept>>,
        waits: Seldom<Box<Waits>>,
        extra: Seldom<Extra>,
        // Whether anything of the last attempt was sent.
        was_sent: bool,
        attempt: Attempt,
        // [`Instant::ORIGIN`] if nobody asked for it, or the attempt has ended.
        started: Instant,
        plan: Arc<Plan>,
        how: How<R, D, M>,
    }

    impl<S: Service<R::Request>, R: Repeat<Request>, D, M, Request> PinnedDrop for RetryFuture<S, R, D, M, Request> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if *this.started != Instant::ORIGIN || this.waits.0.is_some() {
                left(this.plan, *this.attempt, *this.started, Going::of(this.state.project()));
            }
        }
    }
}

/// If an attempt panics, it has not been left by its caller.
struct OnPanic<'s>(&'s mut Instant);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        *self.0 = Instant::ORIGIN;
    }
}

/// Polls the attempt that is going on.
#[inline(always)]
fn poll_attempt<F: Future>(future: Pin<&mut F>, started: &mut Instant, cx: &mut Context<'_>) -> Poll<F::Output> {
    let panics = OnPanic(started);
    let polled = future.poll(cx);
    mem::forget(panics);
    polled
}

/// What a future is dropped in.
enum Going {
    Attempt,
    Wait,
    Over,
}

impl Going {
    fn of<F, T, E>(state: StateProjection<'_, F, T, E>) -> Self {
        match state {
            StateProjection::Calling { .. } => Self::Attempt,
            StateProjection::Waiting { wait } if wait.0.as_ref().is_some_and(|wait| wait.last.is_some()) => Self::Wait,
            StateProjection::Waiting { .. } => Self::Over,
        }
    }
}

/// Tells of an attempt that is going on, or of one that was to come. It is given values: what has its address taken is in memory
/// for all calls.
#[cold]
#[inline(never)]
fn left(plan: &Plan, attempt: Attempt, started: Instant, going: Going) {
    let (name, number) = (plan.common.name, attempt.number());
    match going {
        Going::Attempt if started != Instant::ORIGIN => {
            let (made, outcome) = (made(attempt), Outcome::Abandoned);
            let attempt = Attempted { number, made, outcome, started, now: clock::coarse() };
            event::attempted(name, attempt, Next::GivenUp(GivenUp::Left));
        }
        Going::Wait => event::given_up(name, number, GivenUp::Left),
        Going::Attempt | Going::Over => {}
    }
}

impl<S: Service<R::Request>, R: Repeat<Request>, D, M, Request> RetryFuture<S, R, D, M, Request> {
    #[inline(always)]
    pub(super) fn new(
        future: S::Future,
        rest: Option<Rest<S, R::Kept>>,
        started: Instant,
        plan: Arc<Plan>,
        how: How<R, D, M>,
    ) -> Self {
        let state = State::Calling { future };
        Self {
            state,
            rest,
            waits: Seldom(None),
            extra: Seldom(None),
            was_sent: true,
            attempt: Attempt::FIRST,
            started,
            plan,
            how,
        }
    }
}

impl<S, R, D, M, Request> Future for RetryFuture<S, R, D, M, Request>
where
    S: Service<R::Request> + Clone,
    R: Repeat<Request>,
    D: AttemptSource<R::Request>,
    M: AttemptProtocol<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let StateProjection::Calling { future } = this.state.project() else {
            return self.poll_on(cx, None);
        };
        let answer = ready!(poll_attempt(future, this.started, cx));
        let reading = this.how.protocol.read(answer.as_ref());
        // Most calls have one attempt that goes well, of which nobody hears: they need nothing of what the others do.
        let is_quiet = *this.started == Instant::ORIGIN && this.plan.when.is_by_outcome() && !this.attempt.is_extra();
        if is_quiet && reading.outcome == Outcome::Success {
            this.plan.common.budget.succeeded_at(clock::coarse());
            return Poll::Ready(answer);
        }
        self.poll_on(cx, Some((answer, reading)))
    }
}

impl<S, R, D, M, Request> RetryFuture<S, R, D, M, Request>
where
    S: Service<R::Request> + Clone,
    R: Repeat<Request>,
    D: AttemptSource<R::Request>,
    M: AttemptProtocol<S::Response, S::Error>,
{
    /// Goes on from an answer, or from where it is.
    #[inline(never)]
    fn poll_on(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: Option<Read<S::Response, S::Error>>,
    ) -> Poll<Result<S::Response, S::Error>> {
        let mut this = self.project();
        let mut judged = read.map(|(answer, reading)| this.judge(answer, reading));
        loop {
            match judged.take() {
                Some((last, Next::After(wait))) => {
                    let wait = Box::pin(Wait { timer: sleep(wait), last: Some(last) });
                    this.state.set(State::Waiting { wait: Seldom(Some(wait)) });
                }
                Some((mut last, Next::GivenUp(why))) => {
                    // One that never was to be sent again is not used up: whoever called may know better.
                    if this.rest.is_some() {
                        this.how.protocol.mark(&mut last, Exhausted::new(this.attempt.number(), why));
                    }
                    return Poll::Ready(last);
                }
                // There is one attempt at a time, so there are no others to wait for.
                Some((last, Next::Answered | Next::AtOnce | Next::Others | Next::Superseded)) => {
                    return Poll::Ready(last);
                }
                None => {}
            }
            judged = match this.state.as_mut().project() {
                // Calling => (answered | Waiting)
                StateProjection::Calling { future } => {
                    let answer = ready!(poll_attempt(future, this.started, cx));
                    let reading = this.how.protocol.read(answer.as_ref());
                    Some(this.judge(answer, reading))
                }
                // Waiting => (answered | Waiting | Calling)
                StateProjection::Waiting { wait } => {
                    let wait = wait.0.as_mut().expect("it is there until it is dropped");
                    let WaitProjection { timer, last } = wait.as_mut().project();
                    ready!(timer.poll(cx));
                    let last = last.take().expect("a future is not polled after its end");
                    match this.begin(cx) {
                        Begin::Attempt(mut service, request) => {
                            // It may hold what the attempt needs: a slot, until its body is read.
                            drop(last);
                            this.state.set(State::Calling { future: service.call(request) });
                            continue;
                        }
                        Begin::Failed(error) => return Poll::Ready(Err(error)),
                        Begin::Nothing(next) => Some((last, next)),
                    }
                }
            };
        }
    }
}

/// An answer, and what it says. Whoever classifies is asked once.
type Read<T, E> = (Result<T, E>, Reading);

/// An answer, and what follows it.
type Judged<T, E> = (Result<T, E>, Next);

/// What came of an attempt's turn.
enum Begin<S, R, E> {
    /// To be made in place of the last answer, of this service, which is ready.
    Attempt(S, R),
    /// The service will never be ready again.
    Failed(E),
    Nothing(Next),
}

impl<S, R, D, M, Request> RetryProjection<'_, S, R, D, M, Request>
where
    S: Service<R::Request> + Clone,
    R: Repeat<Request>,
    D: AttemptSource<R::Request>,
    M: AttemptProtocol<S::Response, S::Error>,
{
    /// What follows this answer.
    fn judge(&mut self, answer: Result<S::Response, S::Error>, reading: Reading) -> Judged<S::Response, S::Error> {
        self.extra.0 = None;
        let now = clock::coarse();
        let read = answer.as_ref();
        let wanted = count(self.plan, &reading, now) && !self.how.protocol.is_final(read);
        let next = if !wanted {
            Next::Answered
        } else if self.rest.is_none() {
            Next::GivenUp(self.plan.why_once())
        } else {
            let ours = reading.rejected.and_then(|rejected| rejected.retry_after());
            *self.was_sent = self.how.protocol.was_sent(read) && reading.rejected.is_none_or(was_begun);
            self.plan_next(reading.retry_after.or(ours))
        };
        let (number, made, outcome) = (self.attempt.number(), made(*self.attempt), reading.outcome);
        let started = mem::replace(self.started, Instant::ORIGIN);
        if outcome == Outcome::Success && self.rest.as_ref().is_some_and(|rest| rest.deadline.is_some()) {
            self.plan.pace.took(now.since(started), now);
        }
        // When nobody listened as it began, nobody knows how long it took.
        if started != Instant::ORIGIN {
            event::attempted(self.plan.common.name, Attempted { number, made, outcome, started, now }, next);
        }
        (answer, next)
    }

    /// The turn of an attempt has come. Only now is it known how things stand: a blip is over, and an outage is not.
    #[cold]
    #[inline(never)]
    fn begin(&mut self, cx: &mut Context<'_>) -> Begin<S, R::Request, S::Error> {
        if self.plan.is_open() {
            return self.give_up(GivenUp::Open);
        }
        if self.plan.common.budget.is_failing() {
            return self.pass_over();
        }
        let rest = self.rest.as_mut().expect("nobody waits without it");
        // A timer that is late may have slept past it.
        let now = clock::now();
        if rest.is_too_late(now, self.plan.pace.least(now)) {
            return self.give_up(GivenUp::Time);
        }
        let mut service = rest.service.clone();
        match service.poll_ready(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                event::given_up(self.plan.common.name, self.attempt.number(), GivenUp::NotReady);
                return Begin::Failed(error);
            }
            Poll::Pending => return self.give_up(GivenUp::NotReady),
        }
        // Paid for last: what is not sent costs nothing.
        let Some(mut request) = self.how.repeat.again(&mut rest.kept) else {
            return self.give_up(GivenUp::Unrepeatable);
        };
        match self.plan.common.budget.extra_after(*self.was_sent, clock::coarse()) {
            Ok(extra) => self.extra.0 = Some(extra),
            // Others have failed in this very moment.
            Err(NoExtra::Failing) => return self.pass_over(),
            Err(none) => return self.give_up(none.into()),
        }
        // The answer before has come, and is not passed on.
        self.how.repeat.supersede(&mut rest.kept);
        *self.attempt = self.attempt.next();
        *self.started = clock::coarse();
        self.how.deadline.number(&mut request, *self.attempt);
        Begin::Attempt(service, request)
    }

    /// The attempt is used up without being sent.
    fn pass_over(&mut self) -> Begin<S, R::Request, S::Error> {
        event::given_up(self.plan.common.name, self.attempt.number(), GivenUp::Failing);
        *self.attempt = self.attempt.next();
        match self.plan_next(None) {
            Next::GivenUp(why) => self.give_up(why),
            next => Begin::Nothing(next),
        }
    }

    /// Says what was left open when the last attempt was told of.
    fn give_up(&mut self, why: GivenUp) -> Begin<S, R::Request, S::Error> {
        event::given_up(self.plan.common.name, self.attempt.number(), why);
        Begin::Nothing(Next::GivenUp(why))
    }

    /// What follows an attempt that failed.
    #[cold]
    fn plan_next(&mut self, asked: Option<Duration>) -> Next {
        let (plan, now) = (&**self.plan, clock::now());
        if self.attempt.number() >= plan.attempts() {
            return Next::GivenUp(GivenUp::Attempts);
        }
        // It is not worth the wait: a breaker that knows of an outage is not mistaken by a blip.
        if plan.is_open() {
            return Next::GivenUp(GivenUp::Open);
        }
        if plan.common.budget.is_short_at(*self.was_sent, now) {
            return Next::GivenUp(GivenUp::Empty);
        }
        if asked.is_some_and(|asked| asked > plan.longest_retry_after()) {
            return Next::GivenUp(GivenUp::LeftAlone);
        }
        let waits = self.waits.0.get_or_insert_with(|| Box::new(plan.backoff().waits()));
        let wait = waits.next().unwrap_or_default();
        // After what was asked for, or all who were asked would come back at once.
        let wait = wait.saturating_add(asked.unwrap_or_default());
        let least = plan.pace.least(now);
        if self.rest.as_ref().is_some_and(|rest| rest.is_too_late(now.after(wait), least)) {
            return Next::GivenUp(GivenUp::Time);
        }
        Next::After(wait)
    }
}

fn made(attempt: Attempt) -> Made {
    if attempt.is_extra() { Made::AfterFailure } else { Made::First }
}

/// Whether one of ours has ended a call that had begun, rather than turned it away.
fn was_begun(rejected: Rejected) -> bool {
    matches!(rejected.why(), Why::TimedOut | Why::DeadlineExceeded | Why::Cut)
}

/// Tells the budget what became of an attempt. Whether it calls for another.
fn count(plan: &Plan, reading: &Reading, now: Instant) -> bool {
    match reading.outcome {
        Outcome::Success => plan.common.budget.succeeded_at(now),
        Outcome::Failure | Outcome::Overload => plan.common.budget.failed(),
        Outcome::Ignored | Outcome::Abandoned => {}
    }
    match reading.rejected {
        // Turned away by one of ours.
        Some(rejected) if !reading.outcome.is_bad() => plan.rejections() && rejected.retry_after().is_some(),
        _ => plan.when.wants(reading),
    }
}
