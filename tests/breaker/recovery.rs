//! How the load comes back.

use super::*;

/// A hundred callers at each tenth of the ramp: a dependency that has just come back gets a fifth of the load, and then
/// more. If it fails again soon, it is left alone for longer.
#[test]
fn defect_65_closing_does_not_let_everybody_in_at_once() {
    let builder = touchy().ramp(ms(10_000)).open_time_growth(2.0);
    let breaker = open(builder);
    call(&breaker, Outcome::Success, 1_000);
    assert_eq!(breaker.state(), BreakerState::Closed);
    for tenth in 0..10 {
        let through = (0..100).filter(|_| admit(&breaker, 1_000 + tenth * 1_000).is_ok()).count() as u64;
        let stated = 20 + 8 * tenth;
        assert!(through.abs_diff(stated) <= 1, "{through} of 100 after {tenth} s");
    }
    assert!((0..100).all(|_| admit(&breaker, 11_000).is_ok()));

    // It fails within ten seconds of closing: the same outage, and twice the open time.
    let breaker = open(touchy().open_time_growth(2.0));
    call(&breaker, Outcome::Success, 1_000);
    call(&breaker, Outcome::Failure, 10_999);
    assert_eq!(admit(&breaker, 10_999).unwrap_err().retry_after(), Some(ms(2_000)));
}

/// The ramp is switched off while it runs: all calls flow at once, also one whose clock was read before the closing.
#[test]
fn a_ramp_that_is_switched_off_holds_nobody_up() {
    let breaker = open(touchy().ramp(ms(10_000)));
    call(&breaker, Outcome::Success, 1_000);
    breaker.configure(|settings| settings.ramp(None)).unwrap();
    assert!((0..100).all(|_| admit(&breaker, 999).is_ok()));
}

/// It was over, and nobody had called since: a longer one is for the next time.
#[test]
fn a_ramp_that_is_over_does_not_begin_again_when_a_longer_one_is_set() {
    let breaker = open(touchy().ramp(ms(300)));
    call(&breaker, Outcome::Success, 1_000);
    breaker.configure(|settings| settings.ramp(None)).unwrap();
    breaker.configure(|settings| settings.ramp(ms(60_000))).unwrap();
    assert!((0..10).any(|_| admit(&breaker, 1_100).is_err()), "it still goes on");
    assert!((0..100).all(|_| admit(&breaker, 1_300).is_ok()));
    assert!((0..100).all(|_| admit(&breaker, 2_000).is_ok()));
}

/// A thousand clients see an outage begin in the same moment, and each has a call whenever it would probe. Their probes come
/// all the time, and not all at once.
#[test]
fn defect_223_the_probes_of_many_clients_do_not_come_at_once() {
    const SECONDS: u64 = 20;
    fastrand::seed(223);
    let default = || CircuitBreaker::builder("payments").consecutive_failures(1);
    let probes = |builder: &dyn Fn() -> Builder| {
        let breakers: Vec<_> = (0..1_000).map(|_| open(builder())).collect();
        let mut tenths = vec![0_u32; SECONDS as usize * 10];
        for millis in (1..SECONDS * 1_000).step_by(5) {
            for breaker in &breakers {
                if let Ok(probe) = admit(breaker, millis) {
                    tenths[millis as usize / 100] += 1;
                    settle(breaker, probe, Outcome::Failure, millis);
                }
            }
        }
        let mean = f64::from(tenths.iter().sum::<u32>()) / tenths.len() as f64;
        (f64::from(tenths.into_iter().max().unwrap()) / mean, mean * 10.0 / 1_000.0)
    };
    let (peak, each) = probes(&default);
    assert!(peak <= 3.0, "{peak} times the mean");
    assert!(each <= 1.0, "{each} probes a second and client");
    // Without any jitter they do.
    assert!(probes(&|| default().open_time_jitter(0.0)).0 > 9.0);
}
