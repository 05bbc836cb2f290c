//! A bounded table of policies, from which only those go that nobody uses.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use super::Fresh;
use crate::kernel::{
    Instant,
    lane::Lane,
    sync::{Arc, AtomicU64, AtomicUsize, IN_A_MODEL, Mutex, Ordering, lock},
};

/// So that two threads seldom want the same lock. (In a model they are to meet.)
const SHARDS: usize = if IN_A_MODEL { 1 } else { 16 };

/// How many keys are looked at in a shard for one to evict: a crowd of busy ones does not make newcomers slow.
const LOOKED_AT: usize = 128;

#[derive(Debug)]
pub(super) struct Table<P> {
    shards: Box<[Lane<Mutex<Shard<P>>>]>,
    capacity: AtomicUsize,
    count: AtomicUsize,
    /// Changes with the template, so that none is put in that was made before.
    version: AtomicU64,
}

#[derive(Debug)]
struct Shard<P> {
    index: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
    entries: Vec<Entry<P>>,
    /// Where the search for one to evict goes on.
    hand: usize,
}

#[derive(Debug)]
struct Entry<P> {
    hash: u64,
    label: Box<str>,
    policy: Arc<P>,
    /// Since the hand came by.
    used: bool,
}

/// What an attempt to put a policy in came to.
pub(super) enum Put<P> {
    /// The policy of that key: the one that was put in, or one that was there before.
    There(Arc<P>),
    /// The template has changed since it was made.
    Stale,
    /// All keys are busy.
    Full,
}

impl<P> Table<P> {
    pub(super) fn new(capacity: usize) -> Self {
        let shard = || Shard { index: HashMap::default(), entries: Vec::new(), hand: 0 };
        Self {
            shards: (0..SHARDS).map(|_| Lane(Mutex::new(shard()))).collect(),
            capacity: AtomicUsize::new(capacity),
            count: AtomicUsize::new(0),
            version: AtomicU64::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity.load(Ordering::Acquire)
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What was made from the template before this is not put in after it.
    pub(super) fn renew(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Holding a policy makes its key busy, and that changes under the lock only: so an idle one stays idle while it is looked
    /// at.
    #[inline]
    pub(super) fn find(&self, hash: u64) -> Option<Arc<P>> {
        let shard = &mut *lock(self.shard(hash));
        let entry = &mut shard.entries[*shard.index.get(&hash)?];
        entry.used = true;
        Some(Arc::clone(&entry.policy))
    }

    /// All policies with their labels, and whether somebody held them at that moment.
    pub(super) fn all(&self) -> Vec<(Box<str>, Arc<P>, bool)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = lock(&shard.0);
            all.extend(shard.entries.iter().map(|entry| {
                // Before another one holds it.
                let busy = Arc::strong_count(&entry.policy) > 1;
                (entry.label.clone(), Arc::clone(&entry.policy), busy)
            }));
        }
        all
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard<P>> {
        &self.shards[Self::number(hash)].0
    }

    /// By bits that the index inside a shard makes little use of.
    fn number(hash: u64) -> usize {
        (hash >> 32) as usize % SHARDS
    }

    /// Counts one more key, if there is room for it.
    fn reserve(&self) -> bool {
        let more = |count| (count < self.capacity()).then_some(count + 1);
        self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }
}

impl<P: Fresh> Table<P> {
    /// Changes the capacity. Idle keys beyond a smaller one go, and busy ones when they are idle and others come.
    pub(super) fn set_capacity(&self, capacity: usize, now: Instant) {
        self.capacity.store(capacity, Ordering::Release);
        let longest = self.shards.iter().map(|shard| lock(&shard.0).entries.len()).max().unwrap_or(0);
        // Nobody waits here for a place, so all are looked at: there may be idle ones behind a crowd of busy ones.
        let all = longest.div_ceil(LOOKED_AT);
        let mut in_vain = 0;
        while in_vain < all && self.len() > capacity {
            in_vain = if self.shrink(0, now) { 0 } else { in_vain + 1 };
        }
    }

    /// Evicts one key, if there are too many. Returns whether it did.
    fn shrink(&self, hash: u64, now: Instant) -> bool {
        let evicted = if self.len() > self.capacity() { self.evict_anywhere(hash, now) } else { None };
        if evicted.is_some() {
            self.count.fetch_sub(1, Ordering::AcqRel);
        }
        evicted.is_some()
    }

    /// Puts in a policy that was made from the template in that version.
    pub(super) fn put(&self, (hash, label): (u64, Box<str>), policy: P, version: u64, now: Instant) -> Put<P> {
        let policy = Arc::new(policy);
        while self.shrink(hash, now) {}
        // Its place is ours. It is dropped at the end: what it does then is its own, and by then all is counted.
        let mut evicted = None;
        if !self.reserve() {
            evicted = if self.len() <= self.capacity() { self.evict_anywhere(hash, now) } else { None };
            if evicted.is_none() {
                return self.find(hash).map_or(Put::Full, Put::There);
            }
        }
        let put = {
            let shard = &mut *lock(self.shard(hash));
            if let Some(at) = shard.index.get(&hash) {
                Some(Put::There(Arc::clone(&shard.entries[*at].policy)))
            } else if self.version() != version {
                Some(Put::Stale)
            } else {
                shard.index.insert(hash, shard.entries.len());
                shard.entries.push(Entry { hash, label, policy: Arc::clone(&policy), used: false });
                None
            }
        };
        if put.is_some() {
            self.count.fetch_sub(1, Ordering::AcqRel);
        }
        drop(evicted);
        put.unwrap_or(Put::There(policy))
    }

    /// Makes room for one by evicting another, in this key's shard if it can be. Its place is still counted.
    fn evict_anywhere(&self, hash: u64, now: Instant) -> Option<Entry<P>> {
        let first = Self::number(hash);
        (0..SHARDS).find_map(|next| lock(&self.shards[(first + next) % SHARDS].0).evict(now))
    }
}

impl<P: Fresh> Shard<P> {
    /// Takes out a key that is idle and has nothing to be remembered: rather one that was not used since the hand came by.
    fn evict(&mut self, now: Instant) -> Option<Entry<P>> {
        let mut used = None;
        for _ in 0..LOOKED_AT.min(self.entries.len()) {
            self.hand = (self.hand + 1) % self.entries.len();
            let entry = &mut self.entries[self.hand];
            if Arc::strong_count(&entry.policy) == 1 && entry.policy.is_fresh(now) {
                if !std::mem::take(&mut entry.used) {
                    return Some(self.take(self.hand));
                }
                used = used.or(Some(self.hand));
            }
        }
        used.map(|at| self.take(at))
    }

    fn take(&mut self, at: usize) -> Entry<P> {
        let entry = self.entries.swap_remove(at);
        self.index.remove(&entry.hash);
        if let Some(moved) = self.entries.get(at) {
            self.index.insert(moved.hash, at);
        }
        entry
    }
}

/// The keys of the index are hashes already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
