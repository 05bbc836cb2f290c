use std::{
    fmt,
    hash::RandomState,
    task::{Context, Poll},
};

use super::{
    Builder, Fresh, KeyOf, WhenFull,
    config::capacity,
    table::{Put, Table},
};
use crate::kernel::{
    Admit, Control, Ended, Instant, Invalid, Name, Policy, Rejected, Setting, Timing, Why,
    sync::{Arc, AtomicU64, Ordering},
    waiting::{Place, Turned},
};

/// A policy for each key: see the [module](super).
#[doc(alias("per tenant", "per route"))]
pub struct Keyed<P, K> {
    shared: Arc<Shared<P, K>>,
}

struct Shared<P, K> {
    name: Name,
    template: P,
    key: K,
    hasher: RandomState,
    table: Table<P>,
    /// Shared by those who find no room.
    overflow: Option<Arc<P>>,
    overflowed: AtomicU64,
}

/// A key, as it was when somebody looked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeySnapshot<P> {
    /// The first 64 bytes of the key.
    pub label: Box<str>,
    /// Its policy, to read and to steer. Keeping it keeps no key from being forgotten.
    pub policy: P,
    /// Whether it had calls in flight.
    pub busy: bool,
}

/// The admission of a call by the policy of its key.
pub struct KeyedToken<P: Policy> {
    policy: Arc<P>,
    token: P::Token,
}

impl<P: Policy<Token: fmt::Debug>> fmt::Debug for KeyedToken<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyedToken").field(&self.token).finish()
    }
}

impl<P: Policy + Fresh> Keyed<P, ()> {
    /// Starts a keyed policy. Each key gets what [`Fresh::fresh`] makes of the template.
    pub fn builder(template: P) -> Builder<P> {
        Builder::new(template)
    }
}

impl<P: Policy + Fresh, K> Keyed<P, K> {
    pub(super) fn new(template: P, key: K, capacity: usize, when_full: WhenFull) -> Result<Self, Invalid> {
        let name = template.name().map_or_else(|| Name::new("keyed"), Ok)?;
        let overflow = (when_full == WhenFull::Share).then(|| Arc::new(template.fresh()));
        let (hasher, table) = (RandomState::new(), Table::new(capacity));
        let overflowed = AtomicU64::new(0);
        Ok(Self { shared: Arc::new(Shared { name, template, key, hasher, table, overflow, overflowed }) })
    }

    /// Changes all policies: the template, and so those of keys to come, and those of the keys that are there. They keep their
    /// states.
    ///
    /// ```
    /// use cofferdam::{Bulkhead, keyed::Keyed};
    ///
    /// let slots = Keyed::builder(Bulkhead::builder("queries").build()?).by(|tenant: &u32| *tenant).build()?;
    /// slots.configure(|slots| slots.resize(8))?;
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first that `change` returns. If that is for the template, nothing else is changed; if it is for a key, all others
    /// are.
    pub fn configure<E>(&self, change: impl Fn(&P) -> Result<(), E>) -> Result<(), E> {
        change(&self.shared.template)?;
        self.shared.table.renew();
        self.all().map(|policy| change(&policy)).fold(Ok(()), Result::and)
    }

    /// Changes the capacity. Idle keys beyond a smaller one are forgotten, and busy ones when they are idle and others come.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless it is 1 to 1,048,576; nothing is changed then.
    pub fn set_capacity(&self, keys: usize) -> Result<(), Invalid> {
        self.shared.table.set_capacity(capacity(keys)?, Instant::now());
        Ok(())
    }

    /// The policies of all keys, and that of those who find no room.
    fn all(&self) -> impl Iterator<Item = Arc<P>> {
        let keys = self.shared.table.all().into_iter().map(|(_, policy, _)| policy);
        keys.chain(self.shared.overflow.clone())
    }

    /// The policy of a new key.
    #[cold]
    fn make<Request>(&self, hash: u64, request: &Request, now: Instant) -> Result<Arc<P>, Rejected>
    where
        K: KeyOf<Request>,
    {
        let Shared { name, template, key, table, overflow, overflowed, .. } = &*self.shared;
        loop {
            let version = table.version();
            match table.put((hash, key.label(request)), template.fresh(), version, now) {
                Put::There(policy) => return Ok(policy),
                Put::Stale => {}
                Put::Full => {
                    overflowed.fetch_add(1, Ordering::Relaxed);
                    return overflow.clone().ok_or_else(|| Rejected::new(*name, Why::Crowded));
                }
            }
        }
    }

    #[inline]
    fn policy_of<Request>(&self, request: &Request, now: Instant) -> Result<Arc<P>, Rejected>
    where
        K: KeyOf<Request>,
    {
        let hash = self.shared.key.hash(request, &self.shared.hasher);
        match self.shared.table.find(hash) {
            Some(policy) => Ok(policy),
            None => self.make(hash, request, now),
        }
    }
}

impl<P, K> Keyed<P, K> {
    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.table.len()
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys there may be.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.table.capacity()
    }

    /// How many calls have found no room for their key since this was built.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.shared.overflowed.load(Ordering::Relaxed)
    }

    /// What new keys are made from.
    #[must_use]
    pub fn template(&self) -> &P {
        &self.shared.template
    }

    /// All keys, in no order. It holds one of 16 locks at a time, so keys that come and go meanwhile may be in it or not.
    #[must_use]
    pub fn snapshot(&self) -> Vec<KeySnapshot<P>>
    where
        P: Clone,
    {
        let snapshot = |(label, policy, busy): (_, Arc<P>, _)| KeySnapshot { label, policy: P::clone(&policy), busy };
        self.shared.table.all().into_iter().map(snapshot).collect()
    }

    /// The policy of this request's key, if that is there.
    #[must_use]
    pub fn get<Request>(&self, request: &Request) -> Option<P>
    where
        P: Clone,
        K: KeyOf<Request>,
    {
        let policy = self.shared.table.find(self.shared.key.hash(request, &self.shared.hasher))?;
        Some(P::clone(&policy))
    }
}

impl<P, K> Clone for Keyed<P, K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<P, K> fmt::Debug for Keyed<P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("name", &self.shared.name).field("keys", &self.len()).finish_non_exhaustive()
    }
}

/// What is forced or changed is that of all keys; keys to come get the settings, and are not forced.
impl<P, K> Control for Keyed<P, K>
where
    P: Policy + Fresh + Control,
    K: Send + Sync,
{
    fn name(&self) -> Name {
        self.shared.name
    }

    fn state(&self) -> String {
        format!("{} of {} keys", self.len(), self.capacity())
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        // There may be no keys, and still no such state.
        self.shared.template.fresh().force(state)?;
        self.all().map(|policy| policy.force(state)).fold(Ok(()), Result::and)
    }

    fn settings(&self) -> Vec<Setting> {
        self.shared.template.settings()
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        Self::configure(self, |policy| Control::configure(policy, setting, value))
    }
}

impl<P: Policy, K> Policy for Keyed<P, K> {
    type Kind = P::Kind;
    type Token = KeyedToken<P>;

    const TIMING: Timing = P::TIMING;
    const TIMING_OF_ENDS: Timing = P::TIMING_OF_ENDS;

    fn name(&self) -> Option<Name> {
        Some(self.shared.name)
    }

    #[inline]
    fn head(&self, token: &KeyedToken<P>, started: Instant, now: Instant) {
        token.policy.head(&token.token, started, now);
    }

    fn lasts(&self, token: &mut KeyedToken<P>, head: &Ended) {
        token.policy.lasts(&mut token.token, head);
    }

    #[inline]
    fn poll_cut(&self, token: &mut KeyedToken<P>, cx: &mut Context<'_>) -> Poll<Rejected> {
        token.policy.poll_cut(&mut token.token, cx)
    }

    #[inline]
    fn settle(&self, token: KeyedToken<P>, ended: &Ended) {
        token.policy.settle(token.token, ended);
    }

    #[inline]
    fn undo(&self, token: KeyedToken<P>, now: Instant) {
        token.policy.undo(token.token, now);
    }

    fn wait(&self, token: KeyedToken<P>, now: Instant, place: &mut Place) {
        token.policy.wait(token.token, now, place);
    }
}

impl<Request, P: Admit<Request> + Fresh, K: KeyOf<Request>> Admit<Request> for Keyed<P, K> {
    #[inline]
    fn admit(&self, request: &Request, now: Instant) -> Result<KeyedToken<P>, Rejected> {
        let policy = self.policy_of(request, now)?;
        let token = policy.admit(request, now)?;
        Ok(KeyedToken { policy, token })
    }

    #[inline]
    fn enter(&self, request: &Request, now: Instant, place: &mut Option<Place>) -> Result<KeyedToken<P>, Turned> {
        let policy = self.policy_of(request, now)?;
        let token = policy.enter(request, now, place)?;
        Ok(KeyedToken { policy, token })
    }
}
