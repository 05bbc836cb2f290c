use std::{error::Error, fmt};

use crate::BoxError;

/// The body of a request ends before its end.
///
/// Whoever sends it breaks the request off. There is nothing to come back for, so it names no time: what has been read of
/// the body is gone, and only a new request has all of it.
///
/// ```
/// use std::error::Error;
/// use cofferdam::replay::ReplayError;
///
/// let error = ReplayError::Source("the upload broke off".into());
/// assert_eq!(error.source().unwrap().to_string(), "the upload broke off");
/// assert!(ReplayError::Lost.source().is_none());
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayError {
    /// The body itself has failed, with this error. The one attempt that was reading just then is told.
    Source(BoxError),
    /// Another attempt has read on, and what it read is not kept: it was more than the limit, or the body has failed or
    /// panicked there. Or another attempt was sent instead of this one.
    Lost,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source(_) => "the body of the request failed",
            Self::Lost => {
                "the rest of the request's body is gone: send a new request, or raise the limit of what is kept"
            }
        })
    }
}

impl Error for ReplayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Source(error) => Some(&**error),
            Self::Lost => None,
        }
    }
}
