use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::{
    Learner,
    age::Age,
    held::Held,
    slots::{MOST, Slots},
};
use crate::kernel::{
    Attempt, Deadline, GivenUp, Instant, Made, Next, Outcome,
    attempts::{AttemptProtocol, How, Repeat},
    budget::Extra,
    clock,
    context::AttemptSource,
    event::{self, Attempted},
};

/// Timers tell no finer time: a delay that has grown by less has not grown.
const TICK: Duration = Duration::from_millis(1);

/// What further attempts are made of.
pub(super) struct Rest<S, K> {
    pub(super) service: S,
    pub(super) kept: K,
    pub(super) deadline: Option<Deadline>,
}

/// An attempt that was made.
#[derive(Debug)]
struct Sent {
    made: Made,
    started: Instant,
    /// What pays for it, while it is in flight.
    extra: Option<Extra>,
}

pin_project! {
    /// The future of a [`Hedge`](super::Hedge).
    ///
    /// Dropped, it cancels all attempts that are in flight, and makes no other. Observers are told of them.
    #[project = HedgeProjection]
    #[must_use = "futures do nothing unless polled"]
    pub struct HedgeFuture<S: Service<R::Request>, R: Repeat<Request>, D, M, Request> {
        #[pin]
        slots: Slots<S::Future>,
        #[pin]
        timer: Option<Sleep>,
        rest: Option<Rest<S, R::Kept>>,
        age: Age,
        started: Instant,
        sent: [Option<Sent>; MOST],
        turns: u32,
        failed: Option<Result<S::Response, S::Error>>,
        held: Held,
        how: How<R, D, M>,
    }

    impl<S: Service<R::Request>, R: Repeat<Request>, D, M, Request> PinnedDrop for HedgeFuture<S, R, D, M, Request> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            if event::anybody() {
                this.project().give_up(Next::GivenUp(GivenUp::Left), clock::coarse());
            }
        }
    }
}

impl<S: Service<R::Request>, R: Repeat<Request>, D, M, Request> HedgeFuture<S, R, D, M, Request> {
    #[inline]
    pub(super) fn new(
        future: S::Future,
        rest: Option<Rest<S, R::Kept>>,
        started: Instant,
        held: Held,
        how: How<R, D, M>,
    ) -> Self {
        let age = if rest.is_some() { Age::Fresh } else { Age::Settled };
        Self {
            slots: Slots::new(future),
            timer: None,
            rest,
            age,
            started,
            sent: [const { None }; MOST],
            turns: 0,
            failed: None,
            held,
            how,
        }
    }
}

/// If an attempt panics, the others are dropped at once, and not when somebody drops what is left of the call.
struct OnPanic<'p, S: Service<R::Request>, R: Repeat<Request>, D, M, Request>(HedgeProjection<'p, S, R, D, M, Request>);

impl<S: Service<R::Request>, R: Repeat<Request>, D, M, Request> Drop for OnPanic<'_, S, R, D, M, Request> {
    fn drop(&mut self) {
        self.0.slots.as_mut().clear();
    }
}

impl<S, R, D, M, Request> Future for HedgeFuture<S, R, D, M, Request>
where
    S: Service<R::Request> + Clone,
    R: Repeat<Request>,
    D: AttemptSource<R::Request>,
    M: AttemptProtocol<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = OnPanic(self.project());
        let polled = this.0.run(cx);
        mem::forget(this);
        polled
    }
}

impl<S, R, D, M, Request> HedgeProjection<'_, S, R, D, M, Request>
where
    S: Service<R::Request> + Clone,
    R: Repeat<Request>,
    D: AttemptSource<R::Request>,
    M: AttemptProtocol<S::Response, S::Error>,
{
    fn run(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Response, S::Error>> {
        assert!(!self.slots.are_empty(), "a future is not polled after its end");
        loop {
            if let Some(answer) = self.poll_attempts(cx) {
                return Poll::Ready(answer);
            }
            self.wait();
            let Some(timer) = self.timer.as_mut().as_pin_mut() else { return Poll::Pending };
            ready!(timer.poll(cx));
            self.take_turn(cx);
        }
    }

    /// Polls all attempts in the order in which they were sent: of two that have an answer, the earlier one has it.
    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Option<Result<S::Response, S::Error>> {
        for index in 0..=MOST {
            let Some(attempt) = self.slots.as_mut().slot(index).as_pin_mut() else { continue };
            let Poll::Ready(answer) = attempt.poll(cx) else { continue };
            self.slots.as_mut().slot(index).set(None);
            let answer = self.judge(index, answer, cx);
            if answer.is_some() {
                return answer;
            }
        }
        None
    }

    /// The call waits for the first time.
    #[inline]
    fn wait(&mut self) {
        if mem::replace(&mut self.held.waits, true) {
            return;
        }
        let (plan, now) = (&self.held.plan, clock::now());
        plan.crowd.enter(now);
        if let Age::Fresh = self.age {
            *self.age = match plan.delay() {
                Some(delay) => {
                    self.timer.set(Some(sleep(delay)));
                    Age::Below(delay)
                }
                None => Age::Untimed(now),
            };
        }
    }

    /// The timer has fired: the youngest attempt is as old as the delay was.
    #[cold]
    fn take_turn(&mut self, cx: &mut Context<'_>) {
        let Some(delay) = self.held.plan.delay() else { return self.timer.set(None) };
        if let Age::Below(before) = *self.age
            && let Some(overdue) = self.overdue(before)
        {
            // We were late, and not the call: what has come meanwhile may not have been looked at yet.
            *self.age = Age::Excused(before);
            return self.set_timer(overdue + before);
        }
        if let Age::Below(before) | Age::Excused(before) = *self.age {
            // Others have taken long meanwhile, so it is not old any more.
            if delay >= before + TICK {
                *self.age = match *self.age {
                    Age::Excused(_) => Age::Excused(delay),
                    _ => Age::Below(delay),
                };
                return self.set_timer(delay - before);
            }
            self.learn(|learner| learner.late());
            *self.age = Age::Reached;
        }
        *self.turns += 1;
        if let Err(why) = self.begin(Made::AfterDelay, cx) {
            event::given_up(self.held.plan.common.name, self.number(self.sent()), why);
        }
        let extra = self.held.plan.extra();
        if *self.turns < extra && self.sent() < extra as usize {
            // From now on, and not from when the timer was due: what was just sent is to get as old as that.
            let late = self.late().unwrap_or_default();
            self.set_timer(late + delay);
        } else {
            self.timer.set(None);
        }
    }

    /// By how much the timer was late.
    fn late(&mut self) -> Option<Duration> {
        self.timer.as_mut().as_pin_mut().map(|timer| clock::overdue(&timer))
    }

    /// The same, if that is more than half of what it was set to.
    fn overdue(&mut self, before: Duration) -> Option<Duration> {
        self.late().filter(|late| *late > (before / 2).max(2 * TICK))
    }

    fn set_timer(&mut self, after: Duration) {
        if let Some(timer) = self.timer.as_mut().as_pin_mut() {
            let deadline = timer.deadline() + after;
            timer.reset(deadline);
        }
    }

    /// Sends another attempt, or says why not. It is paid for last: what is not sent costs nothing.
    fn begin(&mut self, made: Made, cx: &mut Context<'_>) -> Result<(), GivenUp> {
        let (plan, now) = (&self.held.plan, clock::coarse());
        let index = self.sent();
        if index >= plan.extra() as usize {
            return Err(GivenUp::Attempts);
        }
        let rest = self.rest.as_mut().ok_or(GivenUp::Unrepeatable)?;
        if let Some(why) = plan.why_none(now) {
            return Err(why);
        }
        if rest.deadline.is_some_and(|deadline| deadline.moment() <= now) {
            return Err(GivenUp::Time);
        }
        let mut service = rest.service.clone();
        // An error is not the call's either: the attempts that are in flight may have its answer.
        let Poll::Ready(Ok(())) = service.poll_ready(cx) else { return Err(GivenUp::NotReady) };
        let mut request = self.how.repeat.again(&mut rest.kept).ok_or(GivenUp::Unrepeatable)?;
        let extra = plan.common.budget.extra_at(now)?;
        plan.count_sent();
        let attempt = (0..=index).fold(Attempt::FIRST, |attempt, _| attempt.next());
        self.how.deadline.number(&mut request, attempt);
        let future = service.call(request);
        self.slots.as_mut().slot(index + 1).set(Some(future));
        self.sent[index] = Some(Sent { made, started: now, extra: Some(extra) });
        Ok(())
    }

    /// What comes of this answer: the call's own, or nothing yet.
    fn judge(
        &mut self,
        index: usize,
        answer: Result<S::Response, S::Error>,
        cx: &mut Context<'_>,
    ) -> Option<Result<S::Response, S::Error>> {
        let now = clock::coarse();
        let reading = self.how.protocol.read(answer.as_ref());
        self.held.plan.tell(&reading, now);
        if let Some(sent) = index.checked_sub(1).and_then(|extra| self.sent[extra].as_mut()) {
            sent.extra = None;
        }
        let ended = self.ended(index, reading.outcome, now);
        if !reading.outcome.is_bad() && reading.rejected.is_none() {
            self.learn_from(index, now);
            if index > 0 {
                self.held.plan.count_won();
            }
            return Some(self.answer(answer, ended));
        }
        if self.how.protocol.is_final(answer.as_ref()) {
            return Some(self.answer(answer, ended));
        }
        let next = self.after_failure(index, reading.outcome, cx);
        event::attempted(self.held.plan.common.name, ended, next);
        if index == 0 {
            *self.failed = Some(answer);
        }
        if self.slots.are_empty() {
            self.end();
            return self.failed.take();
        }
        None
    }

    /// What follows an attempt that has failed.
    #[cold]
    fn after_failure(&mut self, index: usize, outcome: Outcome, cx: &mut Context<'_>) -> Next {
        if index == 0 && !matches!(*self.age, Age::Reached) {
            // How long it would have taken is not known.
            *self.age = Age::Settled;
        }
        let was_repeatable = self.rest.is_some();
        if outcome != Outcome::Failure {
            // "Not now", or one of ours has turned it away: more of them would fare no better.
            *self.rest = None;
            self.timer.set(None);
        }
        match self.begin(Made::AfterFailure, cx) {
            Ok(()) => Next::AtOnce,
            Err(_) if !self.slots.are_empty() => Next::Others,
            Err(_) if outcome == Outcome::Ignored => Next::Answered,
            Err(_) if outcome == Outcome::Overload => Next::GivenUp(GivenUp::LeftAlone),
            Err(_) if !was_repeatable => Next::GivenUp(self.held.plan.suspended().unwrap_or(GivenUp::Unrepeatable)),
            Err(why) => Next::GivenUp(why),
        }
    }

    /// The call has this answer: the other attempts are dropped before anybody sees it.
    fn answer(&mut self, answer: Result<S::Response, S::Error>, ended: Attempted) -> Result<S::Response, S::Error> {
        event::attempted(self.held.plan.common.name, ended, Next::Answered);
        self.give_up(Next::Superseded, ended.now);
        self.end();
        answer
    }

    /// Nothing is in flight any more, and nothing is waited for.
    fn end(&mut self) {
        self.slots.as_mut().clear();
        self.sent.iter_mut().flatten().for_each(|sent| sent.extra = None);
        self.timer.set(None);
        self.held.leave();
    }

    /// An attempt has had the answer, in a call that may be learned from.
    #[inline]
    fn learn_from(&mut self, index: usize, now: Instant) {
        let sent = self.sent() > 0;
        match mem::replace(self.age, Age::Settled) {
            // Of one that was waited for, what was known may have been forgotten meanwhile.
            Age::Fresh | Age::Below(_) | Age::Excused(_) => {
                let took = now.since(*self.started);
                self.learn(|learner| if learner.calls() == 0 { learner.seen(took) } else { learner.in_time() });
            }
            Age::Untimed(since) => self.learn(|learner| learner.seen(clock::now().since(since))),
            Age::Reached if sent && index == 0 => self.learn(Learner::lost),
            Age::Reached if sent => self.learn(Learner::won),
            Age::Reached | Age::Settled => {}
        }
    }

    #[inline]
    fn learn(&self, step: impl FnOnce(&Learner)) {
        if self.held.plan.is_learning() {
            step(&self.held.plan.learner);
        }
    }
}

impl<S: Service<R::Request>, R: Repeat<Request>, D, M, Request> HedgeProjection<'_, S, R, D, M, Request> {
    /// Tells of all attempts that are in flight, and are about to be dropped.
    fn give_up(&self, next: Next, now: Instant) {
        for index in (0..=MOST).filter(|index| self.slots.is_taken(*index)) {
            event::attempted(self.held.plan.common.name, self.ended(index, Outcome::Abandoned, now), next);
        }
    }

    /// How many attempts were sent besides the original.
    fn sent(&self) -> usize {
        self.sent.iter().flatten().count()
    }

    /// The number of an attempt: the original is the first.
    fn number(&self, index: usize) -> u32 {
        index as u32 + 1
    }

    fn ended(&self, index: usize, outcome: Outcome, now: Instant) -> Attempted {
        let sent = index.checked_sub(1).and_then(|extra| self.sent[extra].as_ref());
        let (made, started) = sent.map_or((Made::First, *self.started), |sent| (sent.made, sent.started));
        Attempted { number: self.number(index), made, outcome, started, now }
    }
}
