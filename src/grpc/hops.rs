//! The context of calls over gRPC.

use http::HeaderName;

use crate::http::hops::{ContextHeaders, Names};

impl ContextHeaders {
    /// Those of gRPC, where the time that is left is in `grpc-timeout`: one to eight digits and a unit. Criticality and task
    /// are in the metadata, under the same names as over HTTP, and an attempt is numbered by `grpc-previous-rpc-attempts`. For other names, call the builder's
    /// [`timeout`](crate::http::hops::Builder::timeout) with `grpc-timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cofferdam::{Context, ContextHeaders, Deadline};
    /// use http::Request;
    ///
    /// let mut request = Request::new(());
    /// request.set_deadline(Deadline::after(Duration::ZERO));
    ///
    /// let context = request.extensions().clone();
    /// ContextHeaders::grpc().write(&context, request.headers_mut());
    /// assert_eq!(request.headers()["grpc-timeout"], "0n");
    /// ```
    ///
    /// Around a Tonic server, `Server::builder().layer(headers.inbound(trust))`; around a client's `Channel`,
    /// `ServiceBuilder::new().layer(headers.outbound()).service(channel)`, which then keeps to the timeout itself. A Tonic
    /// request has extensions too: `outgoing.extensions_mut().on_behalf_of(incoming.extensions())`.
    #[must_use]
    pub fn grpc() -> Self {
        let timeout = Some(HeaderName::from_static("grpc-timeout"));
        let previous_attempts = Some(HeaderName::from_static("grpc-previous-rpc-attempts"));
        Names { timeout, timeout_ms: None, attempt: None, previous_attempts, ..Names::default() }.into()
    }
}
