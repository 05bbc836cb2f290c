//! What a call is sent again with over a real `Channel`, where nobody is told of its bodies.

use cofferdam::{Dependency, Hedge, replay::Taped};
use futures_util::StreamExt;

use super::{support::rich, *};

/// What a server has read of each attempt, in the order in which they came.
type Heard = Arc<std::sync::Mutex<Vec<Bytes>>>;

/// A service that reads all messages of a call, and says no to the first of all calls: that it is unavailable, or nothing at all.
fn says_no_at_first(heard: &Heard, no: impl Fn() -> Option<Status> + Clone + Send + Sync + 'static) -> Answering {
    let (heard, calls) = (heard.clone(), Arc::new(AtomicU32::new(0)));
    answering(move |request| {
        let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        let (heard, no) = (heard.clone(), no.clone());
        let answer = service_fn(move |request: Request<Streaming<Bytes>>| {
            let (heard, no) = (heard.clone(), no.clone());
            async move {
                let all = gather(request).await?.into_inner();
                heard.lock().unwrap().push(all.clone());
                match no() {
                    Some(status) if is_first => Err(status),
                    None if is_first => std::future::pending().await,
                    _ => Ok(Response::new(all)),
                }
            }
        });
        async move { tonic::server::Grpc::new(Raw).client_streaming(answer, request).await }
    })
}

fn unavailable() -> Option<Status> {
    Some(Status::unavailable("once"))
}

fn retry() -> cofferdam::retry::Builder {
    Retry::builder("echo").backoff(Backoff::constant(Duration::ZERO))
}

fn any(_: &http::Request<Body>) -> bool {
    true
}

/// Sends "one", and "two" when `later` is here.
async fn stream_of_two(service: impl Callable, later: impl Future<Output = ()> + Send + 'static) -> Message {
    let mut client = ready(service).await?;
    let two = stream::once(later).map(|()| Bytes::from_static(b"two"));
    let messages = stream::iter([Bytes::from_static(b"one ")]).chain(two);
    let path = PathAndQuery::from_static("/test.Echo/gather");
    let answer = client.client_streaming(Request::new(messages), path, Raw);
    within("an answer", answer).await.map(Response::into_inner)
}

#[tokio::test]
async fn a_retry_gives_a_channel_its_own_bodies() {
    let heard = Heard::default();
    let address = serve!(tower::layer::util::Identity::new(), says_no_at_first(&heard, unavailable));
    let layer = retry().tonic().idempotent(any).build().unwrap();
    assert_eq!(ask(layer.layer(connect(address).await), "hello").await.unwrap(), "hello");
    assert_eq!(*heard.lock().unwrap(), ["hello", "hello"]);
}

#[tokio::test]
async fn nothing_is_sent_again_that_nobody_said_may_be() {
    let heard = Heard::default();
    let address = serve!(tower::layer::util::Identity::new(), says_no_at_first(&heard, unavailable));
    let service = retry().tonic().build().unwrap().layer(connect(address).await);
    assert_eq!(ask(service, "hello").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(*heard.lock().unwrap(), ["hello"]);
}

#[tokio::test]
async fn a_stream_of_messages_is_sent_again_as_a_whole() {
    let heard = Heard::default();
    let address = serve!(tower::layer::util::Identity::new(), says_no_at_first(&heard, unavailable));
    let stack = cofferdam::tonic::client("echo").idempotent(any).build().unwrap();
    let service = stack.layer(connect(address).await);
    assert_eq!(stream_of_two(service, std::future::ready(())).await.unwrap(), "one two");
    assert_eq!(*heard.lock().unwrap(), ["one two", "one two"]);
}

#[tokio::test]
async fn a_stream_goes_on_with_the_attempt_that_is_sent_while_it_comes_in() {
    // Given a server that is unavailable once, and says so before it has read anything
    let calls = Arc::new(AtomicU32::new(0));
    let (second, was_begun) = tokio::sync::oneshot::channel();
    let second = Arc::new(std::sync::Mutex::new(Some(second)));
    let service = answering(move |request| {
        let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        let second = second.clone();
        async move {
            if is_first {
                return Status::unavailable("once").into_http();
            }
            second.lock().unwrap().take().unwrap().send(()).unwrap();
            tonic::server::Grpc::new(Raw).client_streaming(service_fn(gather), request).await
        }
    });
    let address = serve!(tower::layer::util::Identity::new(), service);

    // When the second message comes only after the second attempt has begun, then that has both
    let layer = retry().tonic().idempotent(any).build().unwrap();
    let later = async { was_begun.await.unwrap() };
    assert_eq!(stream_of_two(layer.layer(connect(address).await), later).await.unwrap(), "one two");
}

#[tokio::test]
async fn a_hedge_gives_a_channel_its_own_bodies_by_itself_and_inside_of_a_retry() {
    let never = || None;
    let hedge = || Hedge::builder("echo").fixed_delay(Duration::from_millis(20)).budget(rich());

    let heard = Heard::default();
    let address = serve!(tower::layer::util::Identity::new(), says_no_at_first(&heard, never));
    let layer = hedge().tonic().idempotent(any).build().unwrap();
    assert_eq!(ask(layer.layer(connect(address).await), "hello").await.unwrap(), "hello");
    assert_eq!(heard.lock().unwrap()[..2], ["hello", "hello"]);

    let heard = Heard::default();
    let address = serve!(tower::layer::util::Identity::new(), says_no_at_first(&heard, never));
    let dependency = Dependency::builder("echo").build().unwrap();
    let retry = retry().dependency(&dependency).grpc().idempotent(any).build().unwrap();
    let hedge = hedge().dependency(&dependency).grpc().repeat(Taped::default()).tonic().build().unwrap();
    let service = ServiceBuilder::new().layer(retry).layer(hedge).service(connect(address).await);
    assert_eq!(ask(service, "hello").await.unwrap(), "hello");
    assert_eq!(heard.lock().unwrap()[..2], ["hello", "hello"]);
}
