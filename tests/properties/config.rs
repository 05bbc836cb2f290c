//! Whatever a builder is given, it says no and names the setting, or it builds what then works at any time there is.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use cofferdam::{
    Admit, Bulkhead, CircuitBreaker, Ended, Instant, Invalid, Name, Outcome, Policy, Ratio, Rejected, Timeout,
    breaker::Builder,
};
use proptest::{prelude::*, sample::select};
use tower::{Layer, Service, service_fn};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Any bits, and above all those that are no number one thinks of.
pub(crate) fn number() -> impl Strategy<Value = f64> {
    let odd = vec![
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        5e-324,
        -5e-324,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        1.0 - f64::EPSILON / 2.0,
        1.0,
        1.0 + f64::EPSILON,
        100.0,
        100.00000000000001,
        f64::MAX,
        f64::MIN,
    ];
    prop_oneof![3 => select(odd), 3 => 0.0..=1.0_f64, 1 => 1.0..100.0_f64, 1 => any::<u64>().prop_map(f64::from_bits)]
}

pub(crate) fn duration() -> impl Strategy<Value = Duration> {
    let odd = vec![
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_nanos(999_999),
        Duration::from_millis(1),
        Duration::from_secs(1),
        100 * YEAR,
        100 * YEAR + Duration::from_nanos(1),
        Duration::from_nanos(u64::MAX),
        Duration::MAX,
    ];
    let any = (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos));
    prop_oneof![3 => select(odd), 3 => (0..20_000_u64).prop_map(Duration::from_millis), 1 => any]
}

pub(crate) fn whole() -> impl Strategy<Value = u32> {
    prop_oneof![3 => select(vec![0, 1, 2, 1_000, 1_001, 1 << 20, (1 << 20) + 1, u32::MAX]), 3 => 0..50_u32, 1 => any::<u32>()]
}

pub(crate) fn some<T: std::fmt::Debug + Clone>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop_oneof![1 => Just(None), 9 => value.prop_map(Some)]
}

#[derive(Clone, Copy, Debug)]
enum Setting {
    FailureRatio(Option<f64>),
    SlowCalls(Duration, f64),
    NoSlowCalls,
    ConsecutiveFailures(Option<u32>),
    MinimumCalls(u32),
    Window(Duration),
    WindowCalls(u32),
    OpenTime(Duration),
    OpenTimeGrowth(f64),
    OpenTimeMax(Duration),
    OpenTimeJitter(f64),
    Probes(u32),
    ProbeFailureRatio(f64),
    ProbeLease(Duration),
    Ramp(Option<Duration>),
}

fn setting() -> impl Strategy<Value = Setting> {
    prop_oneof![
        some(number()).prop_map(Setting::FailureRatio),
        (duration(), number()).prop_map(|(threshold, ratio)| Setting::SlowCalls(threshold, ratio)),
        Just(Setting::NoSlowCalls),
        some(whole()).prop_map(Setting::ConsecutiveFailures),
        whole().prop_map(Setting::MinimumCalls),
        duration().prop_map(Setting::Window),
        whole().prop_map(Setting::WindowCalls),
        duration().prop_map(Setting::OpenTime),
        number().prop_map(Setting::OpenTimeGrowth),
        duration().prop_map(Setting::OpenTimeMax),
        number().prop_map(Setting::OpenTimeJitter),
        whole().prop_map(Setting::Probes),
        number().prop_map(Setting::ProbeFailureRatio),
        duration().prop_map(Setting::ProbeLease),
        some(duration()).prop_map(Setting::Ramp),
    ]
}

impl Setting {
    fn apply(self, builder: Builder) -> Builder {
        match self {
            Self::FailureRatio(ratio) => builder.failure_ratio(ratio),
            Self::SlowCalls(threshold, ratio) => builder.slow_calls(threshold, ratio),
            Self::NoSlowCalls => builder.no_slow_calls(),
            Self::ConsecutiveFailures(most) => builder.consecutive_failures(most),
            Self::MinimumCalls(calls) => builder.minimum_calls(calls),
            Self::Window(length) => builder.window(length),
            Self::WindowCalls(calls) => builder.window_calls(calls),
            Self::OpenTime(time) => builder.open_time(time),
            Self::OpenTimeGrowth(factor) => builder.open_time_growth(factor),
            Self::OpenTimeMax(time) => builder.open_time_max(time),
            Self::OpenTimeJitter(ratio) => builder.open_time_jitter(ratio),
            Self::Probes(probes) => builder.probes(probes),
            Self::ProbeFailureRatio(ratio) => builder.probe_failure_ratio(ratio),
            Self::ProbeLease(lease) => builder.probe_lease(lease),
            Self::Ramp(ramp) => builder.ramp(ramp),
        }
    }

    /// The setting's name, and whether the table in the documentation allows this value by itself.
    fn allowed(self) -> (&'static str, bool) {
        let time = |time: Duration| !time.is_zero() && time <= 100 * YEAR;
        let ratio = |ratio: f64| ratio > 0.0 && ratio <= 1.0;
        match self {
            Self::FailureRatio(value) => ("failure_ratio", value.is_none_or(ratio)),
            Self::SlowCalls(threshold, share) => ("slow_calls", time(threshold) && ratio(share)),
            Self::NoSlowCalls => ("slow_calls", true),
            Self::ConsecutiveFailures(most) => ("consecutive_failures", most != Some(0)),
            Self::MinimumCalls(calls) => ("minimum_calls", calls > 0),
            Self::Window(length) => ("window", time(length) && length >= Duration::from_millis(1)),
            Self::WindowCalls(calls) => ("window_calls", (1..=1 << 20).contains(&calls)),
            Self::OpenTime(value) => ("open_time", time(value)),
            Self::OpenTimeGrowth(factor) => ("open_time_growth", (1.0..=100.0).contains(&factor)),
            Self::OpenTimeMax(value) => ("open_time_max", time(value)),
            Self::OpenTimeJitter(value) => ("open_time_jitter", (0.0..=1.0).contains(&value)),
            Self::Probes(probes) => ("probes", (1..=1_000).contains(&probes)),
            Self::ProbeFailureRatio(value) => ("probe_failure_ratio", ratio(value)),
            Self::ProbeLease(lease) => ("probe_lease", time(lease)),
            Self::Ramp(value) => ("ramp", value.is_none_or(time)),
        }
    }

    /// The setting under whose name it is refused when it does not go with another one.
    fn complains_about(self) -> Option<&'static str> {
        match self {
            Self::OpenTime(_) | Self::OpenTimeMax(_) => Some("open_time_max"),
            Self::SlowCalls(..) | Self::ProbeLease(_) => Some("probe_lease"),
            Self::MinimumCalls(_) | Self::WindowCalls(_) => Some("minimum_calls"),
            _ => None,
        }
    }
}

/// An error that can be read: it has the name, the value and the range.
pub(crate) fn complete(invalid: &Invalid) {
    assert!(!invalid.field().is_empty() && !invalid.value().is_empty() && !invalid.allowed().is_empty());
    let text = invalid.to_string();
    assert!([invalid.field(), invalid.value(), invalid.allowed()].iter().all(|part| text.contains(part)), "{text}");
}

/// Ten calls, with steps in time that are as large as they come, forward and back.
pub(crate) fn ten_calls<Request, P: Admit<Request>>(policy: &P, request: &Request) {
    let moments = [
        Instant::ORIGIN,
        Instant::ORIGIN.after(Duration::from_nanos(1)),
        Instant::now(),
        Instant::now().after(Duration::from_secs(1)),
        Instant::now().after(100 * YEAR),
        Instant::ORIGIN,
        Instant::ORIGIN.after(Duration::from_nanos(u64::MAX - 1)),
        Instant::NEVER,
        Instant::NEVER,
        Instant::now(),
    ];
    let outcomes = [Outcome::Failure, Outcome::Success, Outcome::Overload, Outcome::Abandoned, Outcome::Ignored];
    for (nth, now) in moments.into_iter().enumerate() {
        let _ = policy.shut(|| now);
        let Ok(token) = policy.admit(request, now) else { continue };
        let mut ended = Ended::new(outcomes[nth % 5], now, moments[(nth * 7) % 10]);
        ended.head = (nth % 3 == 0).then_some(moments[nth * 3 % 10]);
        ended.retry_after = (nth % 2 == 0).then_some(Duration::MAX);
        policy.settle(token, &ended);
        if let Ok(token) = policy.admit(request, now) {
            policy.undo(token, now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// One setting, everything else as it is by default: it is taken exactly when the table says so, and if it is not,
    /// the error bears its name, or that of the setting with which it does not agree.
    #[test]
    fn a_breakers_setting_is_taken_exactly_when_the_table_says_so(setting in setting()) {
        let (field, allowed) = setting.allowed();
        match setting.apply(CircuitBreaker::builder("config")).build() {
            Ok(_) => prop_assert!(allowed, "{setting:?}"),
            Err(invalid) => {
                complete(&invalid);
                let field = if allowed { setting.complains_about() } else { Some(field) };
                prop_assert_eq!(Some(invalid.field()), field, "{:?}", invalid);
            }
        }
    }

    /// Any settings at all: refused, or it runs. Then some of them change on the way, and it runs on.
    #[test]
    fn a_breaker_that_builds_runs(
        settings in prop::collection::vec(setting(), 0..5),
        changes in prop::collection::vec(setting(), 0..5),
    ) {
        let builder = settings.iter().fold(CircuitBreaker::builder("config"), |builder, setting| setting.apply(builder));
        let breaker = match builder.build() {
            Ok(breaker) => breaker,
            Err(invalid) => {
                complete(&invalid);
                return Ok(());
            }
        };
        ten_calls(&breaker, &());
        for change in changes {
            if let Err(invalid) = breaker.configure(|settings| change.apply(settings)) {
                complete(&invalid);
            }
            ten_calls(&breaker, &());
            let counts = breaker.counts_at(Instant::NEVER);
            prop_assert!(counts.failures <= counts.calls && counts.slow <= counts.calls);
        }
        // The handles work on what it has become.
        for control in [CircuitBreaker::force_open, CircuitBreaker::force_closed, CircuitBreaker::disable, CircuitBreaker::reset] {
            control(&breaker);
            ten_calls(&breaker, &());
        }
    }

    /// A bulkhead takes every limit from one to the largest, and every weight.
    #[test]
    fn a_bulkhead_that_builds_runs(
        limit in prop_oneof![0..3_usize, any::<usize>(), select(vec![(u32::MAX >> 1) as usize, (u32::MAX >> 1) as usize + 1, usize::MAX])],
        resize in prop_oneof![0..3_usize, any::<usize>()],
        weight in prop_oneof![1..3_u32, 1..=u32::MAX, Just(u32::MAX)],
    ) {
        let fits = |limit: usize| (1..=(u32::MAX >> 1) as usize).contains(&limit);
        let slots = match Bulkhead::builder("config").limit(limit).build() {
            Ok(slots) => slots,
            Err(invalid) => {
                complete(&invalid);
                prop_assert!(!fits(limit));
                prop_assert_eq!(invalid.field(), "limit");
                return Ok(());
            }
        };
        prop_assert!(fits(limit));
        ten_calls(&slots, &());
        prop_assert_eq!(slots.resize(resize).is_ok(), fits(resize));
        ten_calls(&slots.clone().weighted(crate::support::weight_of), &weight);
        prop_assert_eq!(slots.in_flight(), 0);
    }

    /// A timeout takes every time above nothing, up to a hundred years.
    #[test]
    fn a_timeout_that_builds_runs(attempt in some(duration())) {
        let builder = Timeout::builder("config");
        let layer = match attempt.iter().fold(builder, |builder, limit| builder.attempt(*limit)).build() {
            Ok(layer) => layer,
            Err(invalid) => {
                complete(&invalid);
                prop_assert_eq!(invalid.field(), "attempt");
                prop_assert!(attempt.is_none_or(|limit| limit.is_zero() || limit > 100 * YEAR));
                return Ok(());
            }
        };
        prop_assert!(attempt.is_some_and(|limit| !limit.is_zero() && limit <= 100 * YEAR));
        // A call that answers at once, and one that never does: its timer is set, however far away its end is.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let cx = &mut Context::from_waker(Waker::noop());
        let mut quick = layer.layer(service_fn(|()| std::future::ready(Ok::<_, Rejected>(1))));
        prop_assert_eq!(quick.poll_ready(cx), Poll::Ready(Ok(())));
        prop_assert_eq!(pin!(quick.call(())).poll(cx), Poll::Ready(Ok(1)));
        let mut hung = layer.layer(service_fn(|()| std::future::pending::<Result<u32, Rejected>>()));
        prop_assert_eq!(hung.poll_ready(cx), Poll::Ready(Ok(())));
        let _ = pin!(hung.call(())).poll(cx);
    }

    /// A ratio is from nothing to one, and reached when the share is at least that.
    #[test]
    fn a_ratio_is_a_share_or_an_error(value in number(), part in any::<u64>(), whole in any::<u64>()) {
        match Ratio::new(value) {
            Ok(ratio) => {
                prop_assert!((0.0..=1.0).contains(&ratio.get()));
                prop_assert_eq!(ratio.is_reached(part, whole), whole > 0 && part as f64 / whole as f64 >= value);
            }
            Err(invalid) => {
                complete(&invalid);
                prop_assert!(value.is_nan() || !(0.0..=1.0).contains(&value));
            }
        }
    }

    /// A name that is refused is refused for its length or its characters; any other is what it says.
    #[test]
    fn a_name_is_kept_as_it_is_or_refused(text in prop_oneof![".{0,20}", "[a-zß]{100,140}", "\\PC{0,5}[\\x00-\\x1f\\x7f]"]) {
        match Name::new(&text) {
            Ok(name) => {
                prop_assert_eq!(name.as_str(), text.as_str());
                prop_assert_eq!(Name::new(&text), Ok(name));
            }
            Err(invalid) => {
                complete(&invalid);
                prop_assert_eq!(invalid.field(), "name");
                prop_assert!(text.is_empty() || text.len() > 128 || text.chars().any(char::is_control));
            }
        }
    }

    /// Time does not overflow, and a rejection keeps what it is told as far as it can say it.
    #[test]
    fn moments_and_waits_saturate(first in duration(), second in duration()) {
        let moment = Instant::ORIGIN.after(first);
        prop_assert!(moment.after(second) >= moment);
        prop_assert!(moment.after(second).since(moment) <= second);
        prop_assert_eq!(moment.since(moment.after(second)), Duration::ZERO);
        let rejected = Rejected::new(Name::new("config").unwrap(), cofferdam::Why::Full).with_retry_after(first);
        let said = rejected.retry_after().unwrap();
        let most = Duration::from_millis(u64::from(u32::MAX) - 1);
        prop_assert!(said >= first.min(most) && said <= first.saturating_add(Duration::from_millis(1)));
    }
}

/// Two settings that are fine one by one: the error names the one that has to give way.
#[test]
fn what_does_not_agree_is_refused_by_name() {
    let second = Duration::from_secs(1);
    let refused: [(Builder, &str, &str); 4] = [
        (CircuitBreaker::builder("config").open_time(31 * second), "open_time_max", "30s"),
        (CircuitBreaker::builder("config").open_time_max(second / 2), "open_time_max", "500ms"),
        (CircuitBreaker::builder("config").slow_calls(11 * second, 0.5), "probe_lease", "10s"),
        (CircuitBreaker::builder("config").window_calls(9), "minimum_calls", "10"),
    ];
    for (builder, field, value) in refused {
        let invalid = builder.build().unwrap_err();
        assert_eq!((invalid.field(), invalid.value()), (field, value));
    }
}

/// The range in an error is the range in the documentation.
#[test]
fn an_error_tells_the_range_that_holds() {
    for length in [Duration::ZERO, Duration::from_nanos(999_999), Duration::MAX] {
        let invalid = CircuitBreaker::builder("config").window(length).build().unwrap_err();
        assert_eq!((invalid.field(), invalid.allowed()), ("window", "1 ms to 100 years"));
    }
    let invalid = CircuitBreaker::builder("config").failure_ratio(-0.5).build().unwrap_err();
    assert_eq!(invalid.to_string(), "`failure_ratio` cannot be -0.5: it must be above 0, at most 1");
    let invalid = CircuitBreaker::builder("config").open_time_growth(f64::NAN).build().unwrap_err();
    assert_eq!(invalid.to_string(), "`open_time_growth` cannot be NaN: it must be 1 to 100");
    let invalid = Timeout::builder("config").attempt(Duration::ZERO).build().unwrap_err();
    assert_eq!(invalid.to_string(), "`attempt` cannot be 0s: it must be above zero, at most 100 years");
}

/// A change that is refused changes nothing, and one that panics harms nobody else.
#[test]
fn a_change_that_fails_changes_nothing() {
    let breaker = CircuitBreaker::builder("config").consecutive_failures(1).build().unwrap();
    assert!(breaker.configure(|settings| settings.consecutive_failures(5).probes(0)).is_err());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        breaker.configure(|_| -> Builder { panic!("in the change") })
    }));
    assert!(panicked.is_err());

    // It still opens at the first failure.
    let now = Instant::ORIGIN;
    let token = breaker.admit(&(), now).unwrap();
    breaker.settle(token, &Ended::new(Outcome::Failure, now, now));
    assert_eq!(breaker.state(), cofferdam::BreakerState::Open);
}
