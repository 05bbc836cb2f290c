//! The flows over gRPC.

use http::Response;
use http_body::Body;

use super::{ClassifyStatus, Grpc, wording::trailers};
use crate::{
    flow::{
        fallback::FallbackLayer,
        timeout::{Builder, Pace, TimeoutProtocol},
    },
    http::{ClassifyError, HttpFallback, Paced, ReadHead, Wording, word},
    kernel::{Deadline, Plain, Rejected},
};

impl<D> Builder<D, Plain> {
    /// For services that speak gRPC. A call whose time is up is then answered by `DEADLINE_EXCEEDED`: in the head, or in
    /// the trailers if the answer had begun. As over HTTP, an attempt lasts to the head.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cofferdam::Timeout;
    ///
    /// let layer = Timeout::builder("search")
    ///     .attempt(Duration::from_millis(250))
    ///     .grpc()
    ///     .between_frames(Duration::from_secs(10))
    ///     .build()?;
    /// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn grpc(self) -> Builder<D, Grpc> {
        self.protocol(Grpc::new())
    }
}

impl<B: Body, E, W, C, X> TimeoutProtocol<Response<B>, E> for Grpc<W, C, X>
where
    W: Wording<E> + Clone,
    C: ClassifyStatus + Clone,
    X: ClassifyError<E> + Clone,
{
    type Response = Response<Paced<B>>;

    #[inline]
    fn bounds_the_rest(&self, deadline: Deadline, response: &Response<B>) -> bool {
        !deadline.is_assumed() || !self.lasts(response)
    }

    fn answer(&self, response: Response<B>, pace: Pace) -> Self::Response {
        Paced::keep(response, pace, Some(trailers))
    }

    /// By `grpc-timeout`, to which a Tonic `Channel` keeps by itself, and says that the call was cancelled.
    fn tells_the_time(&self) -> bool {
        true
    }

    fn time_out(&self, rejected: Rejected) -> Result<Self::Response, E> {
        Ok(word(&self.wording, rejected)?.map(Paced::from))
    }
}

impl<A, Request> FallbackLayer<A, Plain, Request> {
    /// For services that speak gRPC. What is not to be read by the defaults is said with
    /// [`http_with`](Self::http_with).
    ///
    /// A fallback looks at the head, where the status of a unary call that failed usually is: an answer that has begun
    /// cannot be replaced.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use bytes::Bytes;
    /// use cofferdam::{Fallback, grpc::{Code, trailers_only}};
    /// use http::{Request, Response};
    /// use http_body_util::Full;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Infallible> {
    /// let replica = service_fn(|_: ()| async { Ok(trailers_only(Code::Ok, "", None).map(Full::new)) });
    /// let service = ServiceBuilder::new()
    ///     .layer(Fallback::service(|_: &Request<()>| (), replica).grpc())
    ///     .service(service_fn(|_: Request<()>| async {
    ///         Ok::<_, Infallible>(trailers_only(Code::Internal, "out of order", None).map(Full::new))
    ///     }));
    ///
    /// let response: Response<Full<Bytes>> = service.oneshot(Request::default()).await?;
    /// assert_eq!(response.headers()["grpc-status"], "0");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn grpc(self) -> FallbackLayer<A, HttpFallback<Grpc>, Request> {
        self.http_with(Grpc::new())
    }
}
