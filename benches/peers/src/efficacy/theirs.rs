//! The peers, as their documentation recommends them, around one server. Attempts time out after a second, as in the
//! laboratory; nothing else is set that is not in the comment above it.

use std::{
    future::ready,
    iter, mem,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use cofferdam::BoxError;
use failsafe::futures::CircuitBreaker as _;
use futures_util::FutureExt;
use recloser::{AsyncRecloser, Recloser};
use seatbelt::{
    RecoveryInfo, ResilienceContext,
    breaker::{Breaker, HalfOpenMode},
    hedging::Hedging,
    retry::Retry,
    timeout::Timeout,
};
use tick::{Clock, ClockControl};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn, timeout::Timeout as Timed};
use tower_resilience::{
    bulkhead::BulkheadLayer,
    circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer, SlidingWindowType},
    retry::{RetryBudget, RetryBudgetBuilder, RetryLayer},
    timelimiter::{TimeLimiterError, TimeLimiterLayer},
};

use crate::{
    clocks::Ticking,
    lab::{Ask, Client, contention::Waiting, fanout},
    remote::{Failed, Remote, client},
};

/// How long an attempt may take.
pub const ATTEMPT: Duration = Duration::from_secs(1);

type Limited = TimeLimiterError<Failed>;
type Broken = CircuitBreakerError<Limited>;

/// tower-resilience's time limiter, with its preset of a second.
fn limited(
    remote: Remote<Ask>,
) -> impl Service<Ask, Response = (), Error = Limited, Future: Send> + Clone + Send + 'static {
    TimeLimiterLayer::fast().build().layer(remote)
}

/// Of what calls its breaker judges. It opens when half of them fail, for 30 s.
#[derive(Clone, Copy)]
pub enum Window {
    /// Its preset and default: of the first hundred, and of all since.
    Calls,
    /// The example of its documentation: of a minute, and at least ten.
    Minute,
    /// Of five seconds: no default and no example, but what suits these experiments.
    FiveSeconds,
}

impl Window {
    fn layer(self) -> CircuitBreakerLayer {
        let time = |seconds| {
            let builder = CircuitBreakerLayer::builder().failure_rate_threshold(0.5).minimum_number_of_calls(10);
            builder
                .sliding_window_type(SlidingWindowType::TimeBased)
                .sliding_window_duration(Duration::from_secs(seconds))
        };
        let builder = match self {
            Self::Calls => CircuitBreakerLayer::standard(),
            Self::Minute => time(60),
            Self::FiveSeconds => time(5),
        };
        builder.build().expect("the settings are valid")
    }
}

/// Its breaker.
fn broken(
    remote: Remote<Ask>,
    window: Window,
) -> impl Service<Ask, Response = (), Error = Broken, Future: Send> + Clone + Send + 'static {
    window.layer().layer(limited(remote))
}

/// Without retries.
pub fn resilience_breaker(remote: Remote<Ask>, window: Window) -> Client {
    client(broken(remote, window))
}

/// Its bulkhead, with its default: 25 calls, and the others wait.
pub fn resilience_bulkhead(remote: Remote<Ask>) -> Client {
    client(BulkheadLayer::builder().build().expect("the default is valid").layer(limited(remote)))
}

/// The same, which rejects what it has no room for.
pub fn resilience_full_bulkhead(remote: Remote<Ask>) -> Client {
    let bulkhead = BulkheadLayer::builder().reject_when_full();
    client(bulkhead.build().expect("the default is valid").layer(limited(remote)))
}

/// Its retry, with its preset: three attempts, from 100 ms on, and the budget that is given.
pub fn resilience_retry(remote: Remote<Ask>, budget: Option<Arc<dyn RetryBudget>>) -> Client {
    let retry = RetryLayer::<Ask, (), Limited>::exponential_backoff();
    let retry = match budget {
        Some(budget) => retry.budget(budget),
        None => retry,
    };
    client(retry.build().layer(limited(remote)))
}

/// The order that its guide recommends for clients of other services, retry around breaker around limiter, and the predicate
/// that it recommends along with a budget.
pub fn resilience_stack(remote: Remote<Ask>, budget: Option<Arc<dyn RetryBudget>>, window: Window) -> Client {
    let retry = RetryLayer::<Ask, (), Broken>::exponential_backoff().retry_on(|error| !error.is_circuit_open());
    let retry = match budget {
        Some(budget) => retry.budget(budget),
        None => retry,
    };
    client(retry.build().layer(broken(remote, window)))
}

/// The example of its readme: ten a second, at most a hundred.
pub fn token_bucket() -> Arc<dyn RetryBudget> {
    RetryBudgetBuilder::new().token_bucket().tokens_per_second(10.0).max_tokens(100).build().expect("it is valid")
}

/// Its other budget, with its defaults.
pub fn aimd() -> Arc<dyn RetryBudget> {
    RetryBudgetBuilder::new().aimd().build().expect("the defaults are valid")
}

type Context = ResilienceContext<Ask, Result<(), Failed>>;

/// Every error is one that may pass, as in the examples of its documentation.
fn recovery<T>(answer: &Result<T, Failed>) -> RecoveryInfo {
    if answer.is_ok() { RecoveryInfo::never() } else { RecoveryInfo::retry() }
}

/// seatbelt's retry around its timeout, with its defaults: four attempts, from 10 ms on, with jitter.
pub fn seatbelt_retry(
    remote: impl Service<Ask, Response = (), Error = Failed, Future: Send> + Clone + Send + Sync + 'static,
    clock: &Clock,
) -> impl Service<Ask, Response = (), Error = Failed, Future: Send> + Clone + Send + Sync + 'static {
    let context = Context::new(clock);
    ServiceBuilder::new()
        .layer(Retry::layer("retry", &context).clone_input().recovery_with(|answer, _| recovery(answer)))
        .service(remote)
}

/// How long its retry waits, which it tells whoever asks, before each of more attempts than anybody makes.
pub fn seatbelt_waits(base: Duration, cap: Duration) -> impl Fn(u64) -> Waiting {
    move |_| {
        let (control, waits) = (ClockControl::new().auto_advance_timers(true), Arc::new(Mutex::new(Vec::new())));
        let told = Arc::clone(&waits);
        let context = ResilienceContext::<(), Result<(), Failed>>::new(control.to_clock());
        let retry = Retry::layer("retry", &context)
            .clone_input()
            .recovery_with(|answer, _| recovery(answer))
            .base_delay(base)
            .max_delay(cap)
            .max_retry_attempts(200)
            .on_retry(move |_, args| told.lock().expect("nobody panics").push(args.retry_delay()));
        let service = ServiceBuilder::new().layer(retry).service(service_fn(|()| ready(Err::<(), _>(Failed::There))));
        let mut all = Box::pin(service.oneshot(()));
        while (&mut all).now_or_never().is_none() {}
        let waits = mem::take(&mut *waits.lock().expect("nobody panics"));
        Box::new(waits.into_iter().chain(iter::repeat(cap)))
    }
}

/// Its timeout.
pub fn seatbelt_timeout(
    remote: Remote<Ask>,
    clock: &Clock,
) -> impl Service<Ask, Response = (), Error = Failed, Future: Send> + Clone + Send + Sync + 'static {
    let timeout = Timeout::layer("timeout", &Context::new(clock)).timeout(ATTEMPT).timeout_error(|_| Failed::Late);
    ServiceBuilder::new().layer(timeout).service(remote)
}

/// Its breaker around its timeout, with its defaults, a tenth of at least 100 calls in 30 s, open for 5 s; its default mode lets
/// in ever more for half a minute after that, and the other one it has closes after one good call.
pub fn seatbelt_breaker(
    remote: Remote<Ask>,
    clock: &Clock,
    mode: HalfOpenMode,
) -> impl Service<Ask, Response = (), Error = Failed, Future: Send> + Clone + Send + Sync + 'static {
    let breaker = Breaker::layer("breaker", &Context::new(clock))
        .recovery_with(|answer, _| recovery(answer))
        .half_open_mode(mode)
        .rejected_input_error(|_, _| Failed::Refused);
    ServiceBuilder::new().layer(breaker).service(seatbelt_timeout(remote, clock))
}

/// Its hedging, with its defaults or another delay.
pub fn seatbelt_hedging(remote: Remote<()>, delay: Option<Duration>) -> fanout::Client {
    let ticking = Ticking::begin();
    let context = ResilienceContext::<(), Result<(), Failed>>::new(ticking.clock());
    let hedging = Hedging::layer("hedging", &context).clone_input().recovery_with(|answer, _| recovery(answer));
    let hedging = match delay {
        Some(delay) => hedging.hedging_delay(delay),
        None => hedging,
    };
    let client = client(ServiceBuilder::new().layer(hedging).service(remote));
    Rc::new(move || {
        ticking.catch_up();
        client(())
    })
}

/// recloser around tower's timeout, with its defaults: half of 100 calls, open for 30 s.
pub fn recloser(remote: Remote<Ask>) -> impl Service<Ask, Response = (), Error = BoxError> + Clone + 'static {
    let (breaker, timed) = (AsyncRecloser::from(Recloser::default()), Timed::new(remote, ATTEMPT));
    service_fn(move |ask| {
        let (breaker, call) = (breaker.clone(), timed.clone().oneshot(ask));
        async move {
            breaker.call(call).await.map_err(|error| match error {
                recloser::Error::Inner(error) => error,
                recloser::Error::Rejected => Failed::Refused.into(),
            })
        }
    })
}

/// failsafe around tower's timeout, with its defaults: four fifths of the calls of 30 s, or five failures in a row; open for 10 s,
/// and longer each time.
pub fn failsafe(remote: Remote<Ask>) -> impl Service<Ask, Response = (), Error = BoxError> + Clone + 'static {
    let (breaker, timed) = (failsafe::Config::new().build(), Timed::new(remote, ATTEMPT));
    service_fn(move |ask| {
        let (breaker, call) = (breaker.clone(), timed.clone().oneshot(ask));
        async move {
            breaker.call(call).await.map_err(|error| match error {
                failsafe::Error::Inner(error) => error,
                failsafe::Error::Rejected => Failed::Refused.into(),
            })
        }
    })
}
