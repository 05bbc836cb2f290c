//! Around it and inside of it: retries, timeouts, and requests that carry a context.

use super::*;

type Numbers = Arc<Mutex<Vec<u32>>>;

/// Notes which attempt each request says to be.
fn noting(
    numbers: &Numbers,
    script: Script,
) -> impl Service<Letter, Response = u32, Error = BoxError, Future: Send> + Clone {
    let numbers = numbers.clone();
    tower::service_fn(move |letter: Letter| {
        numbers.lock().unwrap().push(letter.attempt.number());
        script.clone().oneshot(())
    })
}

#[tokio::test(start_paused = true)]
async fn defect_133_each_attempt_carries_its_number() {
    let builder = Hedge::builder("numbers").fixed_delay(ms(10)).budget(rich()).context();
    let layer = builder.build().unwrap();
    let (numbers, script) = (Numbers::default(), Script::new([Do::Never, Do::Never, Do::Ok(1)]));
    assert_eq!(layer.layer(noting(&numbers, script)).oneshot(Letter::default()).await.unwrap(), 3);
    assert_eq!(*numbers.lock().unwrap(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn defect_115_of_a_retry_around_a_hedge_only_the_original_is_hedged() {
    let dependency = Dependency::builder("both").budget(rich()).build().unwrap();
    let builder = Hedge::builder("both").fixed_delay(ms(10)).extra(1).dependency(&dependency).context();
    let hedge = builder.build().unwrap();
    let retry = Retry::builder("both").attempts(2).backoff(Backoff::constant(ms(1))).dependency(&dependency).context();
    let retry = retry.build().unwrap();
    let (numbers, script) = (Numbers::default(), Script::new([Do::Err(20), Do::Err(20), Do::Ok(50)]));
    let service = retry.layer(hedge.layer(noting(&numbers, script)));
    assert_eq!(service.oneshot(Letter::default()).await.unwrap(), 3);
    assert_eq!(*numbers.lock().unwrap(), [1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_around_it_tells_the_shared_budget_once() {
    let dependency = Dependency::builder("once").budget(Budget::builder("once").ratio(0.5).build().unwrap());
    let dependency = dependency.build().unwrap();
    let hedge = Hedge::builder("once").dependency(&dependency).build().unwrap();
    let paid_by = |calls: u64, before: f64| (dependency.budget().balance() - before) / calls as f64;
    let spend = || while dependency.budget().extra().is_ok() {};
    spend();
    let before = dependency.budget().balance();
    assert!(hedge.layer(Script::new([])).oneshot(()).await.is_ok());
    assert_eq!(paid_by(1, before), 0.5);

    let retry = Retry::builder("once").dependency(&dependency).build().unwrap();
    let before = dependency.budget().balance();
    assert!(retry.layer(hedge.layer(Script::new([]))).oneshot(()).await.is_ok());
    assert_eq!(paid_by(1, before), 0.5);
    // Without the retry, the hedge tells it again.
    drop(retry);
    let before = dependency.budget().balance();
    assert!(hedge.layer(Script::new([])).oneshot(()).await.is_ok());
    assert_eq!(paid_by(1, before), 0.5);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_bounds_each_attempt_and_one_outside_the_call() {
    let timeout = |millis| Timeout::builder("bound").attempt(ms(millis)).build().unwrap();
    let script = Script::new([Do::Never, Do::Never, Do::Ok(5)]);
    assert_eq!(hedge(10).layer(timeout(12).layer(script.clone())).oneshot(()).await.unwrap(), 3);
    let script = Script::new([Do::Never, Do::Never, Do::Never]);
    let error = timeout(50).layer(hedge(10).layer(script)).oneshot(()).await.unwrap_err();
    assert_eq!(error.carried().unwrap().why(), Why::TimedOut);
}
