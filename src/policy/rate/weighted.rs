use super::{Line, LineFor, NoQueue, Permits, RateLimit};
use crate::kernel::{
    Admit, Ended, Fresh, Instant, Name, Policy, Rejected, Timing,
    waiting::{Place, Turned},
};

/// A rate limit whose requests take different numbers of permits: see [`RateLimit::weighted`].
///
/// ```
/// use cofferdam::{Policy, Rate, RateLimit};
///
/// // 4 MB per second, by the kilobyte.
/// let limit = RateLimit::builder("uploads", Rate::per_second(4_000)?).build()?;
/// let by_size = limit.weighted(|upload: &Vec<u8>| upload.len().div_ceil(1_000) as u32);
/// let limit = by_size.limit().clone();
/// let layer = by_size.layer();
/// # let _ = (limit, layer); Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Weighted<F, Q = NoQueue> {
    limit: RateLimit<Q>,
    weight: F,
}

impl<F, Q> Weighted<F, Q> {
    pub(super) fn new(limit: RateLimit<Q>, weight: F) -> Self {
        Self { limit, weight }
    }

    /// The rate limit that holds the permits.
    pub fn limit(&self) -> &RateLimit<Q> {
        &self.limit
    }
}

impl<F: Clone, Q> Fresh for Weighted<F, Q>
where
    RateLimit<Q>: Fresh,
{
    fn fresh(&self) -> Self {
        Self { limit: self.limit.fresh(), weight: self.weight.clone() }
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.limit.is_fresh(now)
    }
}

impl<F, Q: Line> Policy for Weighted<F, Q> {
    type Kind = Q::Kind;
    type Token = Permits;

    const TIMING: Timing = Timing::Coarse;

    fn name(&self) -> Option<Name> {
        Some(self.limit.name())
    }

    #[inline]
    fn settle(&self, _: Permits, _: &Ended) {}

    fn undo(&self, permits: Permits, now: Instant) {
        self.limit.give_back(permits, now);
    }
}

impl<Request, F: Fn(&Request) -> u32, Q: LineFor<Request>> Admit<Request> for Weighted<F, Q> {
    #[inline]
    fn admit(&self, request: &Request, now: Instant) -> Result<Permits, Rejected> {
        self.limit.take((self.weight)(request), now)
    }

    #[inline]
    fn enter(&self, request: &Request, now: Instant, place: &mut Option<Place>) -> Result<Permits, Turned> {
        self.limit.take_or_line_up(request, (self.weight)(request), now, place)
    }
}
