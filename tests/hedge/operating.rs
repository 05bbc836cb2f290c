//! The delay that is learned, what is told of attempts, and what operators change.

use super::*;
use crate::support::poll;

type Attempts = Vec<(u32, Made, Outcome, Next)>;

fn attempts_of(name: &'static str) -> (Arc<Mutex<Attempts>>, cofferdam::Subscription) {
    let told = Arc::new(Mutex::new(Attempts::new()));
    let writes = told.clone();
    let subscription = observe(move |event: &Told| {
        if let What::Attempt { number, made, outcome, next, .. } = event.what
            && event.by.as_str() == name
        {
            writes.lock().unwrap().push((number, made, outcome, next));
        }
    });
    (told, subscription)
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_told_with_its_reason_and_what_follows() {
    let (told, _subscription) = attempts_of("told");
    let layer = Hedge::builder("told").fixed_delay(ms(10)).budget(rich()).build().unwrap();
    let call = |todo: Vec<Do>| layer.layer(Script::new(todo)).oneshot(());
    let take = || std::mem::take(&mut *told.lock().unwrap());

    call(vec![Do::Ok(0)]).await.unwrap();
    assert_eq!(take(), [(1, Made::First, Outcome::Success, Next::Answered)]);

    call(vec![Do::Never, Do::Ok(1)]).await.unwrap();
    let expected = [
        (2, Made::AfterDelay, Outcome::Success, Next::Answered),
        (1, Made::First, Outcome::Abandoned, Next::Superseded),
    ];
    assert_eq!(take(), expected);

    call(vec![Do::Err(1), Do::Err(1), Do::Err(1)]).await.unwrap_err();
    let expected = [
        (1, Made::First, Outcome::Failure, Next::AtOnce),
        (2, Made::AfterFailure, Outcome::Failure, Next::AtOnce),
        (3, Made::AfterFailure, Outcome::Failure, Next::GivenUp(GivenUp::Attempts)),
    ];
    assert_eq!(take(), expected);

    // Whatever must not be sent again, and one that was switched off.
    let once = Hedge::builder("told").fixed_delay(ms(10)).idempotent(|_: &()| false).build().unwrap();
    once.layer(Script::new([Do::Err(1)])).oneshot(()).await.unwrap_err();
    once.suspend();
    once.layer(Script::new([Do::Err(1)])).oneshot(()).await.unwrap_err();
    let once = |why| (1, Made::First, Outcome::Failure, Next::GivenUp(why));
    assert_eq!(take(), [once(GivenUp::Unrepeatable), once(GivenUp::Off)]);

    layer.budget().succeeded();
    call(vec![Do::Ok(60), Do::Never, Do::Err(1)]).await.unwrap();
    let expected = [
        (3, Made::AfterDelay, Outcome::Failure, Next::Others),
        (1, Made::First, Outcome::Success, Next::Answered),
        (2, Made::AfterDelay, Outcome::Abandoned, Next::Superseded),
    ];
    assert_eq!(take(), expected);
}

#[tokio::test(start_paused = true)]
async fn attempts_that_are_left_by_the_caller_are_told_each() {
    let (told, _subscription) = attempts_of("left");
    let layer = Hedge::builder("left").fixed_delay(ms(10)).budget(rich()).build().unwrap();
    let take = || std::mem::take(&mut *told.lock().unwrap());
    let left = |number, made| (number, made, Outcome::Abandoned, Next::GivenUp(GivenUp::Left));

    let mut call = Box::pin(layer.layer(Script::new([Do::Never, Do::Never])).oneshot(()));
    assert!(poll(call.as_mut()).is_pending());
    tokio::time::advance(ms(10)).await;
    assert!(poll(call.as_mut()).is_pending());
    assert_eq!(take(), []);
    drop(call);
    assert_eq!(take(), [left(1, Made::First), left(2, Made::AfterDelay)]);

    // One of which the answer is known is not told twice
    let mut call = Box::pin(layer.layer(Script::new([Do::Err(1), Do::Never])).oneshot(()));
    for _ in 0..2 {
        assert!(poll(call.as_mut()).is_pending());
        tokio::time::advance(ms(1)).await;
    }
    assert!(poll(call.as_mut()).is_pending());
    drop(call);
    let failed = (1, Made::First, Outcome::Failure, Next::AtOnce);
    assert_eq!(take(), [failed, left(2, Made::AfterFailure)]);
}

/// Calls of which one in twenty-five takes long.
async fn learn(service: &(impl Service<(), Response = u32, Error = BoxError> + Clone), script: &Script, calls: u64) {
    for call in 0..calls {
        script.also([Do::Ok(if call % 25 == 24 { 200 } else { 2 + call % 9 })]);
        let todo = script.todo.lock().unwrap().len();
        assert!(todo <= 2);
        script.todo.lock().unwrap().truncate(1);
        service.clone().oneshot(()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_delay_is_learned_and_nothing_is_sent_before_fifty_calls() {
    let told = reasons("learns");
    let layer = Hedge::builder("learns").budget(rich()).build().unwrap();
    let script = Script::new([]);
    let service = layer.layer(script.clone());
    assert_eq!((layer.delay(), layer.state().as_str()), (None, "learning"));
    learn(&service, &script, 49).await;
    assert_eq!(layer.counts().sent, 0);
    assert!(told().iter().all(|why| *why == GivenUp::Learning));
    for _ in 0..100 {
        layer.budget().succeeded();
        learn(&service, &script, 25).await;
    }
    // Nearly all calls take up to 10 ms, and a timer up to one more.
    let delay = layer.delay().unwrap();
    assert!((ms(9)..ms(16)).contains(&delay), "{delay:?}");
    let counts = layer.counts();
    assert!(counts.sent >= 90 && counts.won * 10 >= counts.sent * 8, "{counts:?}");
    assert_eq!(layer.state(), format!("after {delay:?}: {} sent, {} won", counts.sent, counts.won));
    layer.reset();
    assert_eq!(layer.delay(), None);
}

/// Whoever is in flight when all is forgotten knows how long it takes, and not only that it is in time.
#[tokio::test(start_paused = true)]
async fn the_first_call_that_ends_after_a_reset_is_the_delay() {
    let layer = Hedge::builder("reset").budget(rich()).build().unwrap();
    let script = Script::new([]);
    let service = layer.layer(script.clone());
    learn(&service, &script, 100).await;
    script.todo.lock().unwrap().clear();
    script.also([Do::Ok(8)]);
    let mut call = Box::pin(service.oneshot(()));
    assert!(futures_util::poll!(&mut call).is_pending());
    layer.reset();
    call.await.unwrap();
    let delay = layer.delay().unwrap();
    assert!((ms(7)..ms(10)).contains(&delay), "{delay:?}");
}

/// The delay grows while a call is waited for: it is not old any more.
#[tokio::test(start_paused = true)]
async fn a_call_is_hedged_by_the_delay_as_it_is_when_its_timer_fires() {
    let (layer, script, start) = (hedge(10), Script::new([Do::Ok(50), Do::Never]), Instant::now());
    let mut call = Box::pin(layer.layer(script.clone()).oneshot(()));
    assert!(futures_util::poll!(&mut call).is_pending());
    layer.configure(|settings| settings.fixed_delay(ms(30))).unwrap();
    assert_eq!(call.await.unwrap(), 1);
    let notes = script.notes(start);
    assert!((30..34).contains(&notes[1].0), "{notes:?}");
}

#[tokio::test(start_paused = true)]
async fn operators_read_and_change_it_by_name() {
    let layer = Hedge::builder("by name").build().unwrap();
    let control: &dyn Control = &layer;
    let settings: Vec<_> = control.settings().into_iter().map(|setting| (setting.name, setting.value)).collect();
    let expected = [
        ("extra", "2"),
        ("fixed_delay", "none"),
        ("share", "0.02"),
        ("shortest_delay", "1ms"),
        ("longest_delay", "10s"),
    ];
    assert_eq!(settings, expected.map(|(name, value)| (name, value.to_owned())));
    control.configure("fixed_delay", "20ms").unwrap();
    control.configure("extra", "1").unwrap();
    assert_eq!(layer.delay(), Some(ms(20)));
    for (setting, value) in [
        ("extra", "0"),
        ("extra", "3"),
        ("fixed_delay", "0s"),
        ("share", "0.0009"),
        ("share", "NaN"),
        ("shortest_delay", "11s"),
        ("longest_delay", "0s"),
    ] {
        assert!(control.configure(setting, value).is_err(), "{setting} {value}");
    }
    let script = Script::new([Do::Ok(100), Do::Never]);
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 1);
    assert_eq!(script.calls(), 2);
    control.force("suspended").unwrap();
    script.also([Do::Ok(100)]);
    assert!(layer.layer(script.clone()).oneshot(()).await.is_ok());
    assert_eq!((script.calls(), control.state().as_str()), (3, "suspended"));
    control.force("active").unwrap();
    assert!(control.force("open").is_err());
}
