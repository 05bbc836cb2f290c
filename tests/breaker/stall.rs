//! A dependency that stops answering opens the breaker before anything times out, and nothing else looks like that.

use super::*;

fn let_in(breaker: &CircuitBreaker, millis: u64) -> Token {
    admit(breaker, millis).expect("calls flow")
}

fn end(breaker: &CircuitBreaker, token: Token, outcome: Outcome, from: u64, to: u64) {
    breaker.settle(token, &Ended::new(outcome, at(from), at(to)));
}

/// A hundred calls a second that take so long each, from one second on; returns when the last was answered.
fn steady(breaker: &CircuitBreaker, took: u64, calls: u64) -> u64 {
    let mut now = 1_000;
    let mut out: std::collections::VecDeque<(Token, u64)> = std::collections::VecDeque::new();
    for _ in 0..calls {
        while let Some(&(token, started)) = out.front().filter(|(_, started)| started + took <= now) {
            out.pop_front();
            end(breaker, token, Outcome::Success, started, started + took);
        }
        out.push_back((let_in(breaker, now), now));
        now += 10;
    }
    for (token, started) in out {
        end(breaker, token, Outcome::Success, started, started + took);
        now = started + took;
    }
    now
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("reports").build().expect("the defaults make sense")
}

/// When a hundred calls a second that nobody answers open it, counted from the beginning.
fn opens_after(breaker: &CircuitBreaker, from: u64) -> Option<u64> {
    (0..500).map(|nth| nth * 10).find(|&passed| admit(breaker, from + passed).is_err())
}

#[test]
fn a_hung_dependency_opens_it_long_before_its_timeout() {
    let breaker = breaker();
    let now = steady(&breaker, 20, 100);
    let after = opens_after(&breaker, now).expect("it opens");
    // The silence shows after 250 ms, and must last for as long again: from then on time without calls would not count.
    assert!((250..=600).contains(&after), "after {after} ms");
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn what_is_usually_slow_is_given_more_time() {
    let breaker = breaker();
    let now = steady(&breaker, 100, 200);
    let after = opens_after(&breaker, now).expect("it opens");
    assert!((800..=1_700).contains(&after), "after {after} ms");
}

#[test]
fn nothing_is_a_stall_before_anything_is_known_or_if_it_is_switched_off() {
    assert_eq!(opens_after(&breaker(), 1_000), None);
    let breaker = breaker();
    let now = steady(&breaker, 20, 100);
    breaker.configure(|settings| settings.stall(None)).unwrap();
    assert_eq!(opens_after(&breaker, now), None);
    // And on again, with what was learned.
    breaker.configure(|settings| settings.stall((ms(100), 2.0))).unwrap();
    assert!(opens_after(&breaker, now + 10_000).is_some());
}

#[test]
fn idle_time_is_not_quiet_time() {
    let breaker = breaker();
    let mut now = steady(&breaker, 20, 100);
    for _ in 0..50 {
        now += 60_000;
        let calls: Vec<Token> = (0..20).map(|_| let_in(&breaker, now)).collect();
        calls.into_iter().for_each(|token| end(&breaker, token, Outcome::Success, now, now + 20));
        // One at a time, and each much later than the answer before.
        let token = let_in(&breaker, now + 2_000);
        end(&breaker, token, Outcome::Success, now + 2_000, now + 2_020);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn twice_as_slow_is_no_stall_and_neither_are_downloads() {
    let breaker = breaker();
    steady(&breaker, 20, 100);
    steady(&breaker, 40, 500);
    assert_eq!(breaker.state(), BreakerState::Closed);
    let downloads = self::breaker();
    steady(&downloads, 3_000, 1_000);
    assert_eq!(downloads.state(), BreakerState::Closed);
}

/// Answers whose bodies go on for hours are answers: nothing has ended for a long time, and nothing is wrong.
#[test]
fn streams_that_go_on_are_no_stall() {
    let breaker = breaker();
    let now = steady(&breaker, 20, 100);
    let mut streams = Vec::new();
    for nth in 0..500 {
        let came = now + nth * 10;
        let token = let_in(&breaker, came);
        breaker.head(&token, at(came), at(came + 5));
        streams.push((token, came));
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    // When even their heads do not come any more, it opens.
    let last = now + 5_000;
    assert!(opens_after(&breaker, last).is_some_and(|after| after <= 600));
    for (token, came) in streams {
        end(&breaker, token, Outcome::Success, came, last + 9_000);
    }
}

/// Rejections further in, and callers that leave early, leave nobody waiting.
#[test]
fn what_never_reached_the_dependency_is_no_stall() {
    for outcome in [Outcome::Ignored, Outcome::Abandoned] {
        let breaker = breaker();
        let now = steady(&breaker, 20, 100);
        for nth in 0..500 {
            let token = let_in(&breaker, now + nth * 10);
            end(&breaker, token, outcome, now + nth * 10, now + nth * 10);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}

/// What a probe was waited for is open time too: else a stall that ends meanwhile is seen an open time later.
#[test]
fn the_open_time_counts_from_when_the_failed_probe_was_sent() {
    let breaker = CircuitBreaker::builder("reports")
        .open_time(ms(1_100))
        .open_time_growth(1.0)
        .open_time_jitter(0.0)
        .build()
        .expect("the settings make sense");
    let now = steady(&breaker, 20, 100);
    let opened = now + opens_after(&breaker, now).expect("it opens");

    let probe = let_in(&breaker, opened + 1_100);
    end(&breaker, probe, Outcome::Failure, opened + 1_100, opened + 2_100);
    assert!(admit(&breaker, opened + 2_199).is_err());
    let probe = let_in(&breaker, opened + 2_200);

    // It took longer than the open time: the next may go, and no other beside it.
    end(&breaker, probe, Outcome::Failure, opened + 2_200, opened + 5_000);
    let _probe = let_in(&breaker, opened + 5_000);
    assert!(admit(&breaker, opened + 5_000).is_err());
}
