use std::fmt;

use super::{Replay, body::Size, shared::Shared};
use crate::kernel::sync::Arc;

/// What a body is sent again from: see [`Replay::new`].
///
/// It keeps all that was read of the body, up to the limit. **Dropped**, there will be no further attempts, and what all
/// others have read is let go of.
///
/// ```
/// use bytes::Bytes;
/// use cofferdam::replay::Replay;
/// use http_body_util::{BodyExt, StreamBody};
/// use http_body::Frame;
/// use futures_util::stream;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::BoxError> {
/// // A body that does not say how long it is, and is longer than what may be kept.
/// let chunks = stream::iter([100, 1000].map(|len| Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b'a'; len])))));
/// let (first, tape) = Replay::new(StreamBody::new(chunks), 512);
/// let tape = tape.unwrap();
/// assert!(tape.again().is_some());
///
/// // It is sent as it is, and afterwards cannot be sent again.
/// assert_eq!(first.collect().await?.to_bytes().len(), 1100);
/// assert!(tape.again().is_none());
/// # Ok(()) }
/// ```
pub struct Tape<B>(Option<(Arc<Shared<B>>, Size)>);

impl<B> Tape<B> {
    pub(super) fn new(shared: Arc<Shared<B>>, size: Size) -> Self {
        Self(Some((shared, size)))
    }

    /// Of a body without anything in it.
    pub(super) fn empty() -> Self {
        Self(None)
    }

    /// The body once more, from its beginning. None if that is gone: if the body was longer than the limit, or has failed.
    #[must_use]
    pub fn again(&self) -> Option<Replay<B>> {
        let Some((shared, size)) = &self.0 else { return Some(Replay::empty()) };
        Some(Replay::playing(shared.join()?, *size))
    }

    /// Ends all but the latest, for whoever sends it instead of them: the others have been answered, and need not be sent to
    /// their end. They end in [`ReplayError::Lost`](super::ReplayError::Lost).
    pub fn supersede(&self) {
        if let Some((shared, _)) = &self.0 {
            shared.supersede();
        }
    }
}

impl<B> Drop for Tape<B> {
    fn drop(&mut self) {
        if let Some((shared, _)) = &self.0 {
            shared.untape();
        }
    }
}

impl<B> fmt::Debug for Tape<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").finish_non_exhaustive()
    }
}
