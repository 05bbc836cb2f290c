//! Whom it cuts first.

use super::*;

#[test]
fn a_coin_cuts_all_ranks_alike() {
    let throttle = builder().coin(true).build().unwrap();
    for second in 5..7 {
        second_of(&throttle, Outcome::Overload, second * 1_000);
    }
    let sent = second_of(&throttle, Outcome::Overload, 7_000);
    // A twentieth of each: 50, give or take five times seven.
    assert!(sent.iter().all(|sent| (15..=85).contains(sent)), "{sent:?}");
}

/// Ten times what the server takes is asked for, and nine tenths are cut: no health check is, which ranks highest.
#[test]
fn defect_161_health_checks_go_through_ten_times_too_much() {
    let throttle = throttle();
    let (mut sent, mut checks) = (0, 0);
    for millis in 5_000..35_000 {
        // A tenth of the calls is taken.
        let outcome = if millis % 10 == 0 { Outcome::Success } else { Outcome::Overload };
        sent += u32::from(call(&throttle, rank(Criticality::Critical, millis), outcome, millis));
        if millis % 250 == 0 {
            checks += u32::from(call(&throttle, rank(Criticality::CriticalPlus, millis), Outcome::Success, millis));
        }
    }
    assert_eq!(checks, 120, "all of them");
    assert!(sent < 10_000, "{sent} of 30,000");
}

/// Less is cut of what ranks higher, and a class that is all cut gets its turn when there is room: nobody is starved for good.
#[test]
fn defect_163_the_lowest_are_cut_first_and_come_back_when_there_is_room() {
    let throttle = throttle();
    let second = |from: u64, room: usize| {
        let mut sent = [0; 4];
        for millis in from..from + 1_000 {
            let mut taken = 0;
            for class in Criticality::ALL.into_iter().rev() {
                let outcome = if taken < room { Outcome::Success } else { Outcome::Overload };
                if call(&throttle, rank(class, millis), outcome, millis) {
                    (sent[class as usize], taken) = (sent[class as usize] + 1, taken + 1);
                }
            }
        }
        sent
    };
    for from in 5..8 {
        second(from * 1_000, 2);
    }
    let sent = second(8_000, 2);
    // Some of the lowest find out now and then whether there is room again.
    assert!(sent.is_sorted() && sent[0] < 200 && sent[3] == 1_000, "{sent:?}");
    for from in 9..13 {
        second(from * 1_000, 4);
    }
    assert_eq!(second(13_000, 4), [1_000; 4]);
}

/// A request that says of itself in its headers that it matters most is cut like the others; what a layer believed of it, and put
/// into its extensions, is believed here.
#[cfg(feature = "http")]
#[test]
fn defect_164_what_a_stranger_claims_is_cut_like_the_rest() {
    use cofferdam::Context;
    use http::Request;

    let throttle = AdaptiveThrottle::builder("search").build().unwrap();
    let claims = Request::builder().header("x-request-criticality", "critical-plus").body(()).unwrap();
    let mut believed = Request::new(());
    believed.set_criticality(Criticality::CriticalPlus);
    let mut sent = [0, 0];
    for millis in 5_000..8_000 {
        // Half of it would be taken.
        for (nth, request) in [&claims, &believed].into_iter().enumerate() {
            let outcome = if millis % 2 == 0 { Outcome::Success } else { Outcome::Overload };
            sent[nth] += u32::from(
                throttle
                    .admit(request, at(millis))
                    .map(|token| throttle.settle(token, &Ended::new(outcome, at(millis), at(millis))))
                    .is_ok(),
            );
        }
    }
    assert!(sent[0] * 5 < sent[1], "{sent:?}");
}
