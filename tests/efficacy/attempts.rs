//! Calls that are sent again: nobody is kept down by them.

use crate::lab::{
    Way,
    attempts::{self, Trial},
    contention, stampede,
};

/// A run with optimizations takes a tenth of the time, and can afford more seeds.
const SEEDS: u64 = if cfg!(debug_assertions) { 1 } else { 3 };

const NEVER: f64 = f64::INFINITY;

fn trial(trials: Vec<Trial>, name: &str) -> Trial {
    trials.into_iter().find(|trial| trial.name == name).expect("there is such a trial")
}

/// Runs the trial of that name, and compares its figures, in their order, with what they must reach.
fn reaches(trials: Vec<Trial>, name: &str, way: Way, bounds: &[f64]) {
    for (figure, value, bound, good) in trial(trials, name).reaches(way, 0..SEEDS, bounds) {
        assert!(good, "{name}, {way:?}: {figure} is {value:.3}, and must be {bound}");
    }
}

/// Recovery, calls for a request in all and in the stall, success before it and at the end.
fn stall(name: &str, recovery: f64, in_the_stall: f64) {
    reaches(attempts::stalls(), name, Way::Breaker, &[recovery, 1.1, in_the_stall, 0.999, 0.999]);
}

#[test]
fn the_laboratory_measures_what_others_have_measured() {
    let figures = |way| trial(attempts::stalls(), "S3").worst(way, 0..1);
    // Four attempts and jitter: it is never well again.
    assert_eq!(figures(Way::Always)[0].1, NEVER);
    assert!(figures(Way::Always)[2].1 > 3.0);
    // Tower's budget gets over it in half a minute.
    let tower = figures(Way::Tower)[0].1;
    assert!((20.0..40.0).contains(&tower), "{tower}");
}

#[test]
fn s3_after_a_stall_it_is_back_at_once() {
    stall("S3", 1.5, 0.1);
    stall("S3 load 0.93", 1.5, 0.1);
}

#[test]
fn s3_with_several_clients_that_know_nothing_of_each_other() {
    stall("S3, 5 clients", 1.5, 0.1);
    stall("S3, 20 clients", 1.5, 0.2);
}

#[test]
fn s3_after_short_stalls_and_long_ones() {
    stall("S3 stall of 1 s", 1.5, 0.6);
    stall("S3 stall of 30 s", 1.5, 0.05);
}

/// What has piled up in the server's line is done before anything else, so it takes as long as that work: two seconds of
/// it, or five.
#[test]
fn s3_after_a_wave_it_is_back_as_soon_as_its_work_is_done() {
    for (size, seconds) in [(600, 3.0), (1_500, 6.0)] {
        for load in [0.7, 0.93] {
            let name = format!("S3 wave of {size}, load {load}");
            reaches(attempts::waves(), &name, Way::Breaker, &[seconds, 1.1, 0.999, 0.999]);
            for way in [Way::Limit, Way::Throttle] {
                reaches(attempts::waves(), &name, way, &[0.5, 1.1, 0.999, 0.999]);
            }
        }
    }
}

/// A breaker is no limit: of a server that has a fifth left, it gets a third of that, as it is closed or open. With a limit
/// behind it all is used; and either is well again when the server is.
#[test]
fn s3_of_a_server_that_has_less_to_give_something_is_left() {
    for (times, breaker) in [(1.5, 0.9), (2.0, 0.6), (5.0, 0.3)] {
        let name = format!("S3 {times} times slower");
        reaches(attempts::weaknesses(), &name, Way::Breaker, &[breaker, 3.0, 0.999, 0.999]);
        for way in [Way::Limit, Way::Throttle] {
            reaches(attempts::weaknesses(), &name, way, &[0.98, 0.5, 0.999, 0.999]);
        }
    }
}

#[test]
fn s3c_a_cache_that_is_emptied_does_not_drown_the_database() {
    for way in [Way::Limit, Way::Throttle] {
        reaches(stampede::stampedes(), "S3c", way, &[10.0, 1.05, 0.999, 0.4, 0.999]);
    }
}

#[test]
fn s5_full_jitter_does_what_the_article_says() {
    let near = |value: f64, wanted: f64| (value / wanted - 1.0).abs() < 0.05;
    for (name, seconds, calls) in
        [("full", 4.9, 796.0), ("equal", 6.7, 812.0), ("decorrelated", 4.5, 999.0), ("none", 2.0, 2423.0)]
    {
        let (_, backoff) = contention::backoffs().into_iter().find(|(other, _)| *other == name).unwrap();
        let mean = contention::mean(100, backoff.as_ref());
        assert!(near(mean.seconds, seconds) && near(mean.calls as f64, calls), "{name}: {mean:?}");
    }
}

#[test]
fn s6_calls_that_fail_by_chance_are_mended() {
    reaches(attempts::chances(), "S6 1 %, 100 clients", Way::Budget, &[1.02, 0.999]);
    reaches(attempts::chances(), "S6 10 %, 1000 clients", Way::Budget, &[1.12, 0.96]);
}

/// A breaker leaves alone what answers half of the calls, or a fifth.
#[test]
fn s6_half_of_the_answers_are_better_than_none() {
    for clients in [1, 100] {
        reaches(attempts::chances(), &format!("S6 50 %, {clients} clients"), Way::Breaker, &[1.1, 0.5]);
    }
}

#[test]
fn s6_where_all_fail_nobody_sends_more() {
    for clients in [1, 100, 1000] {
        reaches(attempts::chances(), &format!("S6 100 %, {clients} clients"), Way::Budget, &[1.1, 0.0]);
    }
}

#[test]
fn s6_step_with_full_budgets_little_more_is_sent() {
    reaches(attempts::steps(), "S6-step 100 %, 100 clients", Way::Budget, &[1.02, 1.01, 0.0]);
    reaches(attempts::steps(), "S6-step 100 %, 1000 clients", Way::Budget, &[1.2, 1.06, 0.0]);
}

#[test]
fn s6b_layers_of_retries_do_not_multiply() {
    reaches(attempts::layers(), "S6b 100 %", Way::Layers, &[1.1, 0.0]);
    reaches(attempts::layers(), "S6b 30 %", Way::Layers, &[1.105, 0.74]);
}

#[test]
fn a_blip_is_waited_for() {
    for (clients, most) in [(1, 6.0), (10, 8.0), (100, 16.0)] {
        reaches(attempts::blips(), &format!("blip, {clients} in turn"), Way::Budget, &[most, 0.99]);
    }
}
