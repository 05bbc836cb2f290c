//! Rejections as a status, and a status that carries one.

use std::sync::Arc;

use ::tonic::Status;

use crate::{
    grpc::rejection_trailers,
    kernel::{Carries, Refused, Rejected},
};

/// Worded as a rejection over gRPC is by default, with the rejection as its source.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Name, Rejected, Why};
/// use tonic::{Code, Status};
///
/// let rejected = Rejected::new(Name::new("payments")?, Why::Open).with_retry_after(Duration::from_secs(2));
/// let status = Status::from(rejected);
/// assert_eq!((status.code(), status.message()), (Code::Unavailable, "the circuit is open"));
/// assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "2000");
/// assert_eq!(Rejected::find(&status), Some(&rejected));
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
impl From<Rejected> for Status {
    fn from(rejected: Rejected) -> Self {
        let trailers = rejection_trailers(&rejected);
        let mut status = Self::from_header_map(&trailers).unwrap_or_else(|| Self::unavailable(rejected.why().as_str()));
        status.set_source(Arc::new(rejected));
        status
    }
}

/// Of a call that was not made the rejection, and of one that was made its own error.
impl<E: Into<Self>> From<Refused<E>> for Status {
    fn from(refused: Refused<E>) -> Self {
        match refused {
            Refused::Rejected(rejected) => rejected.into(),
            Refused::Inner(error) => error.into(),
        }
    }
}

// What the compiler says of errors without room is the same with this feature and without it.
#[diagnostic::do_not_recommend]
impl Carries for Status {
    fn carry(rejected: Rejected) -> Self {
        rejected.into()
    }

    fn carried(&self) -> Option<&Rejected> {
        Rejected::find(self)
    }
}
