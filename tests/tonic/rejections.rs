//! A rejection as a `Status`: of handlers, over the wire, and of a channel that is guarded.

use cofferdam::{Carries, Guard, Name, Refused, Rejected, Why};
use tower::ServiceExt;

use super::*;

/// A service whose handlers ask a dependency under that guard.
fn guarding(guard: Guard<Bulkhead>) -> Answering {
    answering(move |request| {
        let guard = guard.clone();
        let answer = service_fn(move |request: Request<Bytes>| {
            let guard = guard.clone();
            async move {
                let all = guard.call(&request, || unary(Request::new(request.get_ref().clone()))).await?;
                Ok::<_, Status>(all)
            }
        });
        async move { tonic::server::Grpc::new(Raw).unary(answer, request).await }
    })
}

#[tokio::test]
async fn a_handler_passes_a_rejection_on_as_a_status() {
    let slots = Bulkhead::builder("dependency").limit(1).build().unwrap();
    let address = serve!(tower::layer::util::Identity::new(), guarding(slots.clone().layer()));
    let channel = connect(address).await;
    assert_eq!(ask(channel.clone(), "hello").await.unwrap(), "hello");
    // What the dependency says itself is passed on as it is.
    assert_eq!(ask(channel.clone(), "5").await.unwrap_err().code(), Code::NotFound);

    let guard = slots.layer();
    let mut other = std::pin::pin!(guard.call(&(), std::future::pending::<Result<(), Status>>));
    assert!(support::poll(other.as_mut()).is_pending());
    let status = ask(channel, "hello").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "no slot is free"));
    // It is the server's own affair by whom it was rejected.
    assert_eq!(Rejected::find(&status), None);
}

#[test]
fn each_rejection_is_worded_as_a_layer_would() {
    let name = Name::new("dependency").unwrap();
    // (why, the status, what is asked for where no time is known)
    for (why, code, soon) in [
        (Why::Open, Code::Unavailable, None),
        (Why::Full, Code::Unavailable, Some("100")),
        (Why::RateLimited, Code::ResourceExhausted, None),
        (Why::TimedOut, Code::DeadlineExceeded, None),
    ] {
        let plain = Rejected::new(name, why);
        let timed = plain.with_retry_after(Duration::from_millis(250));
        for (rejected, asked) in [(plain, soon), (timed, Some("250"))] {
            let status = Status::from(Refused::<Status>::Rejected(rejected));
            assert_eq!((status.code(), status.message()), (code, why.as_str()));
            let pushback = status.metadata().get("grpc-retry-pushback-ms").map(|text| text.to_str().unwrap());
            assert_eq!(pushback, asked);
            assert_eq!((Rejected::find(&status), status.carried()), (Some(&rejected), Some(&rejected)));
        }
    }
    let own = Status::from(Refused::Inner(Status::not_found("nobody")));
    assert_eq!((own.code(), own.carried()), (Code::NotFound, None));
}

#[tokio::test]
async fn callers_of_a_channel_can_tell_a_rejection_from_what_the_dependency_says() {
    // Given a breaker around a channel, whose rejections are errors
    let address = serve!(tower::layer::util::Identity::new(), an_echo().0);
    let breaker = breaker();
    let channel = connect(address).await.map_err(|error| Status::from_error(error.into()));
    let service = guard(breaker.clone()).protocol(cofferdam::Grpc::new().errors()).layer(channel);

    // Then what the dependency says is no rejection, and what the breaker says is
    let status = ask(service.clone(), "14").await.unwrap_err();
    assert_eq!((status.code(), Rejected::find(&status)), (Code::Unavailable, None));
    breaker.force_open();
    let status = ask(service, "hello").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the circuit is open"));
    assert_eq!(Rejected::find(&status).unwrap().why(), Why::Open);
}
