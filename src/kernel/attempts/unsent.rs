use super::{AttemptProtocol, Builder, Exhausted};
use crate::kernel::Reading;

/// A protocol that is told of errors before which nothing was sent: see [`Builder::unsent`].
#[derive(Clone, Copy, Debug)]
pub struct Unsent<M, F> {
    protocol: M,
    unsent: F,
}

impl<K, R, D, M> Builder<K, R, D, M> {
    /// Which errors say that nothing of the attempt was sent, as when there was nobody to connect to. An attempt after such
    /// a one is no load on whoever could not be reached, and costs a tenth of a token. So does one after a rejection of our
    /// own, unless that ended a call that had begun. Said after `http`, `grpc` or [`classify`](Self::classify).
    /// A hedge pays the whole in any case.
    ///
    /// Default: none. What is said to be unsent and was sent multiplies by as much as it is cheaper.
    ///
    /// ```
    /// use cofferdam::Retry;
    /// use hyper_util::client::legacy;
    ///
    /// # #[cfg(feature = "http")] {
    /// let retry = Retry::builder("payments").http().unsent(|error: &legacy::Error| error.is_connect()).build()?;
    /// # let _ = retry; }
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn unsent<E, F>(self, unsent: F) -> Builder<K, R, D, Unsent<M, F>>
    where
        F: Fn(&E) -> bool,
    {
        self.map_protocol(|protocol| Unsent { protocol, unsent })
    }
}

impl<T, E, M, F> AttemptProtocol<T, E> for Unsent<M, F>
where
    M: AttemptProtocol<T, E>,
    F: Fn(&E) -> bool + Clone,
{
    #[inline]
    fn read(&self, answer: Result<&T, &E>) -> Reading {
        self.protocol.read(answer)
    }

    #[inline]
    fn is_final(&self, answer: Result<&T, &E>) -> bool {
        self.protocol.is_final(answer)
    }

    fn mark(&self, answer: &mut Result<T, E>, exhausted: Exhausted) {
        self.protocol.mark(answer, exhausted);
    }

    fn was_sent(&self, answer: Result<&T, &E>) -> bool {
        self.protocol.was_sent(answer) && !answer.is_err_and(&self.unsent)
    }
}
