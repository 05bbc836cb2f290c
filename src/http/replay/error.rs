use std::{error::Error, fmt};

/// The body of a request ends before its end. `E` is the error of the body that is recorded.
///
/// Whoever sends it breaks the request off. There is nothing to come back for, so it names no time.
///
/// As an error of a body need not be an `Error`, neither is this. Where one is wanted, as by Hyper and Axum, it becomes one:
/// the body's own, as it was, or [`Lost`].
///
/// ```
/// use std::io;
/// use cofferdam::{BoxError, replay::{Lost, ReplayError}};
///
/// let error: BoxError = ReplayError::Source(io::Error::other("the upload broke off")).into();
/// assert!(error.is::<io::Error>());
/// let error: BoxError = ReplayError::<io::Error>::Lost.into();
/// assert!(error.is::<Lost>());
/// ```
#[derive(Debug)]
pub enum ReplayError<E> {
    /// The body itself has failed, with this error. The one attempt that was reading just then is told.
    Source(E),
    /// Another attempt has read on, and what it read is not kept: it was more than the limit, or the body has failed or
    /// panicked there. Or another attempt was sent instead of this one.
    Lost,
}

/// What [`ReplayError::Lost`] is as an `Error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rest of the request's body is gone: send a new request, or raise the limit of what is kept")
    }
}

impl Error for Lost {}

impl<E: fmt::Display> fmt::Display for ReplayError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::Lost => Lost.fmt(f),
        }
    }
}

// For any lifetime, or calls over boxed errors could not be spawned.
impl<'a, E: Into<Box<dyn Error + Send + Sync + 'a>>> From<ReplayError<E>> for Box<dyn Error + Send + Sync + 'a> {
    fn from(error: ReplayError<E>) -> Self {
        match error {
            ReplayError::Source(error) => error.into(),
            ReplayError::Lost => Lost.into(),
        }
    }
}
