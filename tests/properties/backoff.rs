//! Waits between attempts, for any setting.

use std::time::Duration;

use cofferdam::{Backoff, Control, Retry};
use proptest::{prelude::*, sample::select};

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        select(vec![Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(50), Duration::MAX]),
        any::<Duration>(),
        (0..10_000_u64).prop_map(Duration::from_millis),
    ]
}

fn kinds(base: Duration, cap: Duration) -> [Backoff; 5] {
    [
        Backoff::full_jitter(base, cap),
        Backoff::equal_jitter(base, cap),
        Backoff::decorrelated(base, cap),
        Backoff::exponential(base, cap),
        Backoff::custom(cap, |failures| Duration::MAX / failures),
    ]
}

proptest! {
    #[test]
    fn defect_99_no_wait_is_longer_than_the_cap(base in durations(), cap in durations(), seed: u64) {
        for backoff in kinds(base, cap) {
            let waits: Vec<_> = backoff.waits_from(seed).take(1_100).collect();
            prop_assert!(waits.iter().all(|wait| *wait <= cap), "{backoff:?}");
        }
        let exact: Vec<_> = Backoff::exponential(base, cap).waits().take(1_100).collect();
        prop_assert_eq!(exact[0], base.min(cap));
        prop_assert!(exact.is_sorted());
        if !base.is_zero() {
            prop_assert_eq!(exact[1_099], cap);
        }
    }

    #[test]
    fn defect_100_each_kind_keeps_to_its_bounds(base in 1..1_000_u64, cap in 1..100_000_u64, seed: u64) {
        let (base, cap) = (Duration::from_millis(base), Duration::from_millis(cap));
        let bounds: Vec<_> = Backoff::exponential(base, cap).waits().take(40).collect();
        for (wait, bound) in Backoff::equal_jitter(base, cap).waits_from(seed).zip(&bounds) {
            prop_assert!((*bound / 2..=*bound).contains(&wait));
        }
        for (wait, bound) in Backoff::full_jitter(base, cap).waits_from(seed).zip(&bounds) {
            prop_assert!(wait <= *bound);
        }
        let mut last = base;
        for wait in Backoff::decorrelated(base, cap).waits_from(seed).take(40) {
            prop_assert!(wait >= base.min(cap) && wait <= (last * 3).min(cap).max(base.min(cap)));
            last = wait;
        }
    }
}

#[test]
fn defect_100_full_jitter_is_evenly_spread() {
    let backoff = Backoff::full_jitter(Duration::from_millis(100), Duration::from_secs(10));
    for failures in [0, 3] {
        let bound = 0.1 * f64::from(1 << failures);
        let mut shares: Vec<f64> =
            (0..10_000).map(|seed| backoff.waits_from(seed).nth(failures).unwrap().as_secs_f64() / bound).collect();
        shares.sort_by(f64::total_cmp);
        // Kolmogorov and Smirnov: at one in a million.
        let off = shares.iter().enumerate().map(|(rank, share)| (share - rank as f64 / 10_000.0).abs());
        assert!(off.fold(0.0, f64::max) < 0.027);
    }
}

#[test]
fn defect_101_no_two_calls_wait_alike_unless_a_test_wants_it() {
    let backoff = Backoff::default();
    let mut first: Vec<_> = (0..100).map(|_| backoff.clone().waits().next()).collect();
    first.sort();
    first.dedup();
    assert!(first.len() > 95);
    let same = |seed| backoff.waits_from(seed).take(5).collect::<Vec<_>>();
    assert_eq!(same(7), same(7));
    assert_ne!(same(7), same(8));
}

proptest! {
    /// What a backoff is displayed as can be read, and is the same one: it says the same and waits the same.
    #[test]
    fn what_is_displayed_can_be_set(base in durations(), cap in durations(), seed: u64) {
        let read_again = |backoff: Backoff| {
            let text = backoff.to_string();
            let layer = Retry::builder("text").build().unwrap();
            layer.configure("backoff", &text).unwrap();
            let again = layer.backoff();
            prop_assert_eq!(again.to_string(), text.clone());
            prop_assert!(layer.settings().iter().any(|setting| setting.name == "backoff" && setting.value == text));
            let waits = |backoff: &Backoff| backoff.waits_from(seed).take(20).collect::<Vec<_>>();
            prop_assert_eq!(waits(&again), waits(&backoff));
            Ok(())
        };
        let [full, equal, decorrelated, exponential, _] = kinds(base, cap);
        for backoff in [full, equal, decorrelated, exponential, Backoff::constant(base)] {
            read_again(backoff)?;
        }
    }

    /// Whatever the text, it is a backoff or an error that says what it may be.
    #[test]
    fn no_text_is_too_odd(text in "(full_jitter|equal_jitter|decorrelated|exponential|constant|custom)?[ .0-9msu-]{0,40}|\\PC{0,120}") {
        let layer = Retry::builder("text").build().unwrap();
        let before = layer.backoff().to_string();
        if let Err(invalid) = layer.configure("backoff", &text) {
            prop_assert_eq!(invalid.field(), "backoff");
            prop_assert_eq!(layer.backoff().to_string(), before);
        }
    }
}

#[test]
fn a_backoff_in_text_is_a_kind_and_two_durations() {
    let layer = Retry::builder("text").build().unwrap();
    for (text, displayed) in [
        ("full_jitter 50ms..2s", "full_jitter 50ms..2s"),
        ("equal_jitter  1.5s .. 2.5s", "equal_jitter 1.5s..2.5s"),
        ("exponential 0s..1m", "exponential 0s..60s"),
        ("exponential 1s..1s", "constant 1s"),
        ("constant 100ms", "constant 100ms"),
    ] {
        layer.configure("backoff", text).unwrap();
        assert_eq!(layer.backoff().to_string(), displayed);
    }
    for text in [
        "",
        "full_jitter",
        "full_jitter 50ms",
        "full_jitter 50ms.2s",
        "constant 1s..2s",
        "custom 1s..2s",
        "none",
        "50ms..2s",
    ] {
        let invalid = layer.configure("backoff", text).unwrap_err();
        assert!(
            invalid.to_string().contains("such as `full_jitter 50ms..2s`, or `constant 100ms`"),
            "{text}: {invalid}"
        );
    }
    let custom =
        Retry::builder("text").backoff(Backoff::custom(Duration::from_secs(2), |_| Duration::ZERO)).build().unwrap();
    assert_eq!(custom.backoff().to_string(), "custom, 2s at most");
    assert!(custom.settings().iter().all(|setting| setting.name != "backoff"), "no text can say it");
    custom.configure("backoff", "constant 1s").unwrap();
    assert_eq!(custom.backoff().to_string(), "constant 1s");
}
