//! Every builder but those of `config`, whatever it is given: it says no by name, or it builds what then runs.

use std::{
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use cofferdam::{
    AdaptiveLimit, AdaptiveThrottle, Admit, Backoff, BoxError, Budget, Bulkhead, Context as _, Criticality, Drain,
    Hedge, Immediate, Invalid, Keyed, LoadShed, Policy, Pool, Retry,
    context::{Carried, Trust},
};
use proptest::prelude::*;
use tower::{Layer, Service, service_fn, util::ServiceFn};

use super::config::{complete, duration, number, some, ten_calls, whole};

/// What was built, unless there is an error. Then it is one that can be read.
fn built<T>(result: Result<T, Invalid>) -> Option<T> {
    result.inspect_err(complete).ok()
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![3 => whole().prop_map(|size| size as usize), 1 => any::<usize>()]
}

type Answer = Ready<Result<(), BoxError>>;

/// Ten calls through a layer, every other of which fails. Nobody waits for those that take time.
fn ten_requests<L>(layer: &L)
where
    L: Layer<ServiceFn<fn(Carried) -> Answer>>,
    L::Service: Service<Carried, Error = BoxError>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let cx = &mut Context::from_waker(Waker::noop());
    let answer: fn(Carried) -> Answer =
        |call| ready(if call.criticality() == Some(Criticality::Sheddable) { Err("down".into()) } else { Ok(()) });
    let mut service = layer.layer(service_fn(answer));
    for call in 0..10 {
        if let Poll::Ready(ready) = service.poll_ready(cx) {
            ready.unwrap();
            let mut request = Carried::default();
            request.set_criticality(if call % 2 == 0 { Criticality::Sheddable } else { Criticality::Critical });
            let _ = pin!(service.call(request)).poll(cx);
        }
    }
}

/// Ten calls of a policy in which nobody waits, by itself and as a layer.
fn runs<P: Policy<Kind = Immediate> + Admit<Carried> + Clone>(policy: &P) {
    ten_requests(&policy.clone().layer());
    ten_calls(policy, &Carried::default());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_adaptive_limit_and_what_stands_over_it(
        initial in some(size()), min in some(size()), max in some(size()), patience in some(duration()),
        shares in prop::collection::vec(number(), 0..3), max_queue in some(size()), delay in some(duration()),
    ) {
        let mut builder = AdaptiveLimit::builder("builders");
        builder = initial.into_iter().fold(builder, |builder, calls| builder.initial_limit(calls));
        builder = min.into_iter().fold(builder, |builder, calls| builder.min_limit(calls));
        builder = max.into_iter().fold(builder, |builder, calls| builder.max_limit(calls));
        builder = patience.into_iter().fold(builder, |builder, time| builder.patience(time));
        let Some(limit) = built(builder.build()) else { return Ok(()) };
        runs(&limit);
        let mut builder = LoadShed::builder(limit);
        for (class, share) in [Criticality::Critical, Criticality::Sheddable].into_iter().zip(shares) {
            builder = builder.min_share(class, share);
        }
        builder = max_queue.into_iter().fold(builder, |builder, calls| builder.max_queue(calls));
        builder = delay.into_iter().fold(builder, |builder, delay| builder.queue_delay(delay));
        if let Some(shed) = built(builder.build()) {
            ten_requests(&shed.layer());
        }
    }

    #[test]
    fn a_throttle(
        aggression in some(number()), keen in some(number()), after in some(whole()), cap in some(number()),
        time in some(duration()), coin: bool,
    ) {
        let mut builder = AdaptiveThrottle::builder("builders").coin(coin);
        builder = aggression.into_iter().fold(builder, |builder, factor| builder.aggression(factor));
        builder = keen.into_iter().fold(builder, |builder, factor| builder.keen_aggression(factor));
        builder = after.into_iter().fold(builder, |builder, answers| builder.keen_after(answers));
        builder = cap.into_iter().fold(builder, |builder, share| builder.cap(share));
        builder = time.into_iter().fold(builder, |builder, time| builder.time_constant(time));
        built(builder.build()).iter().for_each(runs);
    }

    #[test]
    fn a_line(limit in size(), length in some(size()), wait in some(duration())) {
        let mut builder = Bulkhead::builder("builders").limit(limit).queue(1);
        builder = length.into_iter().fold(builder, |builder, length| builder.queue(length));
        builder = wait.into_iter().fold(builder, |builder, time| builder.max_wait(time));
        if let Some(slots) = built(builder.build()) {
            ten_requests(&slots.layer());
        }
    }

    #[test]
    fn a_pool_and_a_drain(slots in size(), shares in some(size()), grace in some(duration()), deadline in some(duration())) {
        let builder = Pool::builder("builders").slots(slots);
        let pool = built(shares.into_iter().fold(builder, |builder, shares| builder.max_shares(shares)).build());
        if let Some(share) = pool.and_then(|pool| built(pool.share("one"))) {
            runs(&share);
        }
        let mut builder = Drain::builder("builders");
        builder = grace.into_iter().fold(builder, |builder, time| builder.grace(time));
        builder = deadline.into_iter().fold(builder, |builder, time| builder.deadline(time));
        if let Some(drain) = built(builder.build()) {
            ten_requests(&drain.clone().layer());
            drop(drain.begin());
            ten_requests(&drain.layer());
        }
    }

    #[test]
    fn a_retry_and_its_budget(
        attempts in whole(), total in some(duration()), base in duration(), cap in duration(), kind in 0..5,
        longest in some(duration()), ratio in some(number()), in_flight in some(whole()),
    ) {
        let builder = Budget::builder("builders").in_flight(in_flight);
        let Some(budget) = built(ratio.into_iter().fold(builder, |builder, ratio| builder.ratio(ratio)).build()) else {
            return Ok(());
        };
        let backoff = match kind {
            0 => Backoff::full_jitter(base, cap),
            1 => Backoff::equal_jitter(base, cap),
            2 => Backoff::decorrelated(base, cap),
            3 => Backoff::exponential(base, cap),
            _ => Backoff::custom(cap, move |_| base),
        };
        let mut builder = Retry::builder("builders").attempts(attempts).backoff(backoff).budget(budget);
        builder = total.into_iter().fold(builder, |builder, total| builder.total(total));
        builder = longest.into_iter().fold(builder, |builder, longest| builder.longest_retry_after(longest));
        built(builder.idempotent(|_: &Carried| true).build()).iter().for_each(ten_requests);
    }

    #[test]
    fn a_hedge(
        extra in whole(), fixed in some(duration()), share in some(number()), shortest in some(duration()),
        longest in some(duration()),
    ) {
        let mut builder = Hedge::builder("builders").extra(extra).fixed_delay(fixed);
        builder = share.into_iter().fold(builder, |builder, share| builder.share(share));
        builder = shortest.into_iter().fold(builder, |builder, delay| builder.shortest_delay(delay));
        builder = longest.into_iter().fold(builder, |builder, delay| builder.longest_delay(delay));
        built(builder.idempotent(|_: &Carried| true).build()).iter().for_each(ten_requests);
    }

    #[test]
    fn a_policy_per_key_and_what_is_believed(
        capacity in size(), longest in some(duration()), default in some(duration()), attempts in some(whole()), task in some(size()),
    ) {
        // What there is room for is made when it is needed, so nothing is large that is empty.
        let slots = Bulkhead::builder("builders").build().unwrap();
        built(Keyed::builder(slots).by(Carried::criticality).capacity(capacity).build()).iter().for_each(runs);

        let mut builder = Trust::builder().default_deadline(default);
        builder = longest.into_iter().fold(builder, |builder, longest| builder.longest_deadline(longest));
        builder = attempts.into_iter().fold(builder, |builder, most| builder.most_attempts(most));
        builder = task.into_iter().fold(builder, |builder, bytes| builder.longest_task(bytes));
        if let Some(trust) = built(builder.build()) {
            for text in ["", "0", "1S", "99999999H", "a task"] {
                let _ = (trust.deadline(text), trust.attempt(text), trust.task(text), trust.criticality(text));
            }
        }
    }
}

#[cfg(feature = "rate-limit")]
proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rate_limit(
        permits in whole(), period in duration(), burst in some(whole()), warm_up in some(duration()), cold in some(whole()),
        length in some(size()), wait in some(duration()),
    ) {
        use cofferdam::{Rate, RateLimit};

        let Some(rate) = built(Rate::per(permits, period)) else { return Ok(()) };
        let mut builder = RateLimit::builder("builders", rate).warm_up(warm_up);
        builder = burst.into_iter().fold(builder, |builder, permits| builder.burst(permits));
        builder = cold.into_iter().fold(builder, |builder, factor| builder.cold_factor(factor));
        let Some(length) = length else {
            built(builder.build()).iter().for_each(runs);
            return Ok(());
        };
        let builder = wait.into_iter().fold(builder.queue(length), |builder, time| builder.max_wait(time));
        if let Some(limit) = built(builder.build()) {
            ten_requests(&limit.layer());
        }
    }
}
