//! An answer that was given up, over several services.

use super::{support::rich, *};

/// A service that asks the next one, and passes its status on.
fn passing_on<S>(next: S) -> Answering
where
    S: GrpcService<Body, ResponseBody: http_body::Body<Error: Into<cofferdam::BoxError>> + Send, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    S::ResponseBody: 'static,
{
    answering(move |request| {
        let next = next.clone();
        let answer = service_fn(move |request: Request<Bytes>| send(next.clone(), Request::new(request.into_inner())));
        async move { tonic::server::Grpc::new(Raw).unary(answer, request).await }
    })
}

/// How often a broken service is asked through another one that makes two attempts, by a client that makes three, and what that is told.
async fn asked_of_the_last(status: Status, header: Option<&str>) -> (u32, Status) {
    // Others succeed all the while, or attempts would be passed over.
    let (calls, budget) = (Arc::new(AtomicU32::new(0)), rich());
    let (counted, others) = (calls.clone(), budget.clone());
    let broken = answering(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        others.succeeded();
        let status = status.clone();
        async move { status.into_http() }
    });
    let retry = |attempts| {
        let retry = Retry::builder("hops").attempts(attempts).backoff(Backoff::constant(Duration::from_millis(1)));
        let retry = retry.budget(budget.clone()).tonic().idempotent(|_: &http::Request<Body>| true);
        retry.exhausted_header(header).build().unwrap()
    };
    let none = tower::layer::util::Identity::new();
    let last = serve!(none.clone(), broken);
    let between = serve!(none, passing_on(retry(2).layer(connect(last).await)));
    let status = ask(retry(3).layer(connect(between).await), "hello").await.unwrap_err();
    (calls.load(Ordering::SeqCst), status)
}

fn header<'s>(status: &'s Status, name: &str) -> Option<&'s str> {
    status.metadata().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn defect_115_a_status_that_is_passed_on_says_that_it_was_given_up() {
    let mark = Some("x-request-exhausted");
    let (asked, status) = asked_of_the_last(Status::internal("broken"), mark).await;
    assert_eq!((asked, status.code(), status.message()), (2, Code::Internal, "broken"));
    assert_eq!(header(&status, "grpc-retry-pushback-ms"), Some("-1"));

    // A time that the dependency has named is still told, and is no invitation.
    let mut busy = Status::unavailable("busy");
    busy.metadata_mut().insert("grpc-retry-pushback-ms", "1".parse().unwrap());
    let (asked, status) = asked_of_the_last(busy, mark).await;
    assert_eq!((asked, status.code()), (2, Code::Unavailable));
    assert_eq!(header(&status, "grpc-retry-pushback-ms"), Some("1"));
    assert_eq!(header(&status, "x-request-exhausted"), Some("2"));

    // Without it, the attempts of both are multiplied.
    let (asked, status) = asked_of_the_last(Status::internal("broken"), None).await;
    assert_eq!((asked, header(&status, "grpc-retry-pushback-ms")), (6, None));
}
