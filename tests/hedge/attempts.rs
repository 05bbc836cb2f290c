//! Which attempt answers, what becomes of the others, and what each of them needs.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_takes_long_is_sent_again_and_the_first_answer_wins() {
    let (layer, start) = (hedge(10), Instant::now());
    let script = Script::new([Do::Ok(50), Do::Ok(5)]);
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 2);
    let notes = script.notes(start);
    // Timers fire up to a millisecond late.
    assert!((10..13).contains(&notes[1].0), "{notes:?}");
    let order: Vec<_> = notes.iter().map(|(_, number, what)| (*number, *what)).collect();
    assert_eq!(order, [(1, "sent"), (2, "sent"), (2, "ended"), (1, "dropped")]);
    assert_eq!((layer.counts().sent, layer.counts().won, layer.in_flight()), (1, 1, 0));

    // Two at most, each after another delay.
    let (script, start) = (Script::new([Do::Never, Do::Never, Do::Ok(30)]), Instant::now());
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 3);
    let sent: Vec<_> = script.notes(start).iter().filter(|note| note.2 == "sent").map(|note| note.0 / 10).collect();
    assert_eq!(sent, [0, 1, 2]);

    let one = Hedge::builder("one").fixed_delay(ms(10)).extra(1).budget(rich()).build().unwrap();
    let script = Script::new([Do::Ok(100), Do::Never]);
    assert_eq!(one.layer(script.clone()).oneshot(()).await.unwrap(), 1);
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_take_long_is_sent_once() {
    let (layer, script) = (hedge(10), Script::new([Do::Ok(0), Do::Ok(9)]));
    for number in [1, 2] {
        assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), number);
    }
    assert_eq!((script.calls(), layer.counts().sent), (2, 0));
}

/// A limit of one: the original has the slot, and the hedge takes none, waits for none and is told of.
#[tokio::test(start_paused = true)]
async fn defect_123_a_hedge_holds_no_capacity_that_it_may_not_use() {
    let slots = Bulkhead::builder("one").limit(1).build().unwrap();
    let (layer, script) = (hedge(10), Script::new([Do::Ok(50)]));
    let service = layer.layer(slots.clone().layer().layer(script.clone()));
    let mut call = Box::pin(service.oneshot(()));
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(slots.in_flight(), 1);
    assert_eq!(call.await.unwrap(), 1);
    assert_eq!((script.calls(), slots.in_flight()), (1, 0));

    // One that is not ready at once gets no hedge; the original is waited for.
    let told = reasons("unready");
    let layer = Hedge::builder("unready").fixed_delay(ms(10)).budget(rich()).build().unwrap();
    let script = Script::new([Do::Ok(50)]);
    let service = tower::limit::ConcurrencyLimit::new(script.clone(), 1);
    assert_eq!(layer.layer(service).oneshot(()).await.unwrap(), 1);
    assert_eq!((script.calls(), layer.budget().in_flight()), (1, 0));
    assert_eq!(told(), [GivenUp::NotReady, GivenUp::NotReady]);
}

#[tokio::test(start_paused = true)]
async fn defect_124_each_attempt_makes_its_own_clone_ready() {
    // The script panics if an instance is called that was not made ready, and clones of it are not.
    let script = Script::new([Do::Never, Do::Never, Do::Ok(1)]);
    assert_eq!(hedge(5).layer(script.clone()).oneshot(()).await.unwrap(), 3);
    // Over a real buffer and a real limit, with hedges that fire.
    let script = Script::new((0..400).map(|number| if number % 3 == 0 { Do::Ok(30) } else { Do::Ok(1) }));
    let limited = tower::limit::ConcurrencyLimit::new(script, 100);
    let service = hedge(5).layer(tower::buffer::Buffer::new(limited, 100));
    let calls = (0..100).map(|_| service.clone().oneshot(()));
    assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn defect_125_losers_are_dropped_before_the_answer_is_seen_and_count_as_left() {
    let breaker = CircuitBreaker::builder("inner").build().unwrap();
    let layer = hedge(10);
    let script = Script::new([Do::Never, Do::Ok(5)]);
    let service = layer.layer(breaker.clone().layer().layer(script.clone()));
    let start = Instant::now();
    assert_eq!(service.clone().oneshot(()).await.unwrap(), 2);
    assert_eq!(script.notes(start).last().unwrap().1, 1);
    // One success, and nobody's failure.
    assert_eq!((breaker.counts().calls, breaker.counts().failures), (1, 0));

    // A caller who leaves takes all attempts along.
    script.also([Do::Never, Do::Never, Do::Never]);
    let call = tokio::time::timeout(ms(25), service.oneshot(()));
    assert!(call.await.is_err());
    let dropped = script.notes(start).iter().filter(|note| note.2 == "dropped").count();
    assert_eq!((dropped, layer.budget().in_flight(), layer.in_flight()), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn defect_126_what_must_not_be_sent_twice_is_sent_once() {
    let builder = Hedge::builder("once").fixed_delay(ms(10)).budget(rich());
    let layer = builder.idempotent(|request: &u32| *request != 7).build().unwrap();
    let script = Script::new([Do::Ok(10_000), Do::Err(10_000)]);
    assert_eq!(layer.layer(script.clone()).oneshot(7).await.unwrap(), 1);
    assert!(layer.layer(script.clone()).oneshot(7).await.is_err());
    assert_eq!((script.calls(), layer.counts().sent), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn defect_127_without_a_budget_the_original_is_the_answer_and_nobody_waits_for_others() {
    let told = reasons("empty");
    let budget = Budget::builder("empty").build().unwrap();
    while budget.extra().is_ok() {}
    let layer = Hedge::builder("empty").fixed_delay(ms(10)).budget(budget).build().unwrap();
    let script = Script::new([Do::Ok(100), Do::Err(50), Do::Err(5)]);
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 1);
    for (number, took) in [(2, 50), (3, 5)] {
        let start = Instant::now();
        let error = layer.layer(script.clone()).oneshot(()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("failure {number}"));
        assert!((took..took + 2).contains(&(Instant::now().since(start).as_millis() as u64)));
    }
    assert_eq!(script.calls(), 3);
    assert!(told().iter().all(|why| *why == GivenUp::Empty));
}

#[tokio::test(start_paused = true)]
async fn defect_129_a_fast_failure_does_not_win() {
    // The original fails late, and the hedge has the answer after that.
    let script = Script::new([Do::Err(60), Do::Ok(70)]);
    let one = Hedge::builder("one").fixed_delay(ms(10)).extra(1).budget(rich()).build().unwrap();
    assert_eq!(one.layer(script).oneshot(()).await.unwrap(), 2);
    // The hedge fails fast, and the original has the answer.
    let script = Script::new([Do::Ok(60), Do::Err(1)]);
    assert_eq!(one.layer(script).oneshot(()).await.unwrap(), 1);
    // If all fail, the error is the original's, whoever failed last.
    for script in [[Do::Err(60), Do::Err(1), Do::Err(1)], [Do::Err(20), Do::Err(90), Do::Err(30)]] {
        let error = hedge(10).layer(Script::new(script)).oneshot(()).await.unwrap_err();
        assert_eq!(error.to_string(), "failure 1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_sends_the_next_at_once() {
    let (start, script) = (Instant::now(), Script::new([Do::Err(2), Do::TimesOut(3), Do::Ok(4)]));
    let layer = hedge(1_000);
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 3);
    assert!(Instant::now().since(start) < ms(15));
    assert_eq!((layer.counts().sent, layer.counts().won), (2, 1));
    // But not after it was turned away.
    let script = Script::new([Do::Reject]);
    let error = layer.layer(script.clone()).oneshot(()).await.unwrap_err();
    assert_eq!((error.carried().unwrap().why(), script.calls()), (Why::Full, 1));
}

#[tokio::test(start_paused = true)]
async fn after_not_now_there_is_no_further_attempt_and_those_in_flight_are_waited_for() {
    let classify = |answer: Result<&u32, &BoxError>| match answer {
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Overload,
    };
    let builder = Hedge::builder("not now").fixed_delay(ms(10)).budget(rich());
    let layer = builder.classify(classify).build().unwrap();
    let script = Script::new([Do::Err(5)]);
    assert!(layer.layer(script.clone()).oneshot(()).await.is_err());
    assert_eq!(script.calls(), 1);
    // Neither is there for other calls, for a second.
    let script = Script::new([Do::Ok(60), Do::Ok(60), Do::Err(5)]);
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 1);
    assert_eq!(script.calls(), 1);
    tokio::time::advance(ms(1_001)).await;
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 2);
    assert_eq!(script.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_attempt_drops_the_others_and_goes_on() {
    for todo in [[Do::Panic(30), Do::Never], [Do::Never, Do::Panic(5)]] {
        let layer = Hedge::builder("panics").fixed_delay(ms(10)).extra(1).budget(rich()).build().unwrap();
        let (script, start) = (Script::new(todo), Instant::now());
        let mut call = Box::pin(layer.layer(script.clone()).oneshot(()));
        let panicked = AssertUnwindSafe(&mut call).catch_unwind().await;
        assert!(panicked.is_err());
        // The call is still there, and its attempts are not.
        assert_eq!(script.notes(start).iter().filter(|note| note.2 == "dropped").count(), script.calls() as usize);
        drop(call);
        assert_eq!((layer.budget().in_flight(), layer.in_flight()), (0, 0));
    }
}

/// In whatever way three attempts end at the same time, and wherever the call is dropped: nothing is left.
#[tokio::test(start_paused = true)]
async fn defect_128_attempts_that_end_together_and_calls_that_are_dropped_leave_nothing() {
    let ways = |millis| [Do::Ok(millis), Do::Err(millis), Do::Never, Do::TimesOut(millis)];
    for first in ways(30) {
        for second in ways(20) {
            for third in ways(10) {
                for patience in [5, 15, 25, 30, 40, 100] {
                    let layer = hedge(10);
                    let script = Script::new([first, second, third]);
                    let call = layer.layer(script.clone()).oneshot(());
                    let answer = tokio::time::timeout(ms(patience), call).await;
                    let any_good = [first, second, third].iter().any(|way| matches!(way, Do::Ok(_)));
                    if patience == 100 {
                        assert!(answer.is_err() || any_good == answer.unwrap().is_ok());
                    }
                    let notes = script.notes(Instant::ORIGIN);
                    let sent = notes.iter().filter(|note| note.2 == "sent").count();
                    assert_eq!(2 * sent, notes.len());
                    assert_eq!((layer.budget().in_flight(), layer.in_flight()), (0, 0));
                }
            }
        }
    }
}
