use super::{Cloned, How, Selective};
use crate::kernel::{
    Budget, ClassifyWith, Dependency, Invalid, Name, Plain,
    context::{CarriedDeadline, NoDeadline},
};

/// Builds what makes several attempts of a call: a [`Retry`](crate::Retry) or a [`Hedge`](crate::Hedge). `K` are the
/// settings that only one of them has; the rest is said alike of both.
///
/// | setting | default |
/// |---|---|
/// | [`budget`](Self::budget) | the dependency's, or one of its own |
/// | [`dependency`](Self::dependency) | none |
/// | [`idempotent`](Self::idempotent) | every request |
/// | [`repeat`](Self::repeat) | by a clone |
/// | [`context`](Self::context) | not looked at |
/// | [`classify`](Self::classify) | `Err` has failed |
///
/// ```
/// use cofferdam::{Dependency, Hedge, Retry};
///
/// let search = Dependency::builder("search").build()?;
/// let is_read = |query: &&str| query.starts_with("select");
/// let retry = Retry::builder("search").dependency(&search).idempotent(is_read).build()?;
/// let hedge = Hedge::builder("search").dependency(&search).idempotent(is_read).build()?;
/// # let _ = (retry, hedge); Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<K, R = Cloned, D = NoDeadline, M = Plain> {
    name: String,
    pub(crate) own: K,
    budget: Option<Budget>,
    dependency: Option<Dependency>,
    /// What a setting of an adapter was refused for.
    invalid: Option<Invalid>,
    how: How<R, D, M>,
}

/// What every pattern that makes several attempts is built of.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) name: Name,
    pub(crate) budget: Budget,
    pub(crate) dependency: Option<Dependency>,
}

/// What was said, checked as far as it is the same for all.
pub(crate) struct Said<K, R, D, M> {
    pub(crate) common: Common,
    pub(crate) own: K,
    pub(crate) how: How<R, D, M>,
}

impl<K> Builder<K> {
    pub(crate) fn new(name: String, own: K) -> Self {
        let how = How { repeat: Cloned::default(), deadline: NoDeadline, protocol: Plain::default() };
        Self { name, own, budget: None, dependency: None, invalid: None, how }
    }
}

impl<K> Builder<K, (), (), ()> {
    /// The settings of something that was built, for those who change them.
    pub(crate) fn of(name: Name, own: K) -> Self {
        let how = How { repeat: (), deadline: (), protocol: () };
        Self { name: name.to_string(), own, budget: None, dependency: None, invalid: None, how }
    }
}

impl<K, R, D, M> Builder<K, R, D, M> {
    fn with<R2, D2, M2>(self, change: impl FnOnce(How<R, D, M>) -> How<R2, D2, M2>) -> Builder<K, R2, D2, M2> {
        let Self { name, own, budget, dependency, invalid, how } = self;
        Builder { name, own, budget, dependency, invalid, how: change(how) }
    }

    /// Pays for further attempts from this budget: one per dependency, shared by all who make extra attempts to it.
    /// Default: that of the [`dependency`](Self::dependency); without one, one of its own, in which each success pays for a
    /// tenth of a retry or for a twentieth of a hedge.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Looks there for what is known of the dependency: no retry is made while its breaker is not closed, and no hedge while
    /// anything is wrong with it; a hedge says so there, for a second, when an answer was "not now". Its budget pays, unless another
    /// one was said. Default: none.
    pub fn dependency(mut self, dependency: &Dependency) -> Self {
        self.dependency = Some(dependency.clone());
        self
    }

    /// Pays from this budget, unless another one was said.
    #[cfg(feature = "http")]
    pub(crate) fn or_budget(mut self, budget: &Budget) -> Self {
        self.budget.get_or_insert_with(|| budget.clone());
        self
    }

    /// Looks there, unless another place was said.
    #[cfg(feature = "http")]
    pub(crate) fn or_dependency(mut self, dependency: &Dependency) -> Self {
        self.dependency.get_or_insert_with(|| dependency.clone());
        self
    }

    /// Which requests may be sent more than once. Default: all of them.
    pub fn idempotent<F>(self, idempotent: F) -> Builder<K, R::Of, D, M>
    where
        R: Selective<F>,
    {
        self.with(|how| How { repeat: how.repeat.only(idempotent), deadline: how.deadline, protocol: how.protocol })
    }

    /// How requests are kept for another attempt. Default: [`Cloned`].
    pub fn repeat<N>(self, repeat: N) -> Builder<K, N, D, M> {
        self.with(|how| How { repeat, deadline: how.deadline, protocol: how.protocol })
    }

    /// Changes how requests are kept; what cannot be is refused when the layer is built.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) fn change_repeat<N>(self, change: impl FnOnce(R) -> (N, Option<Invalid>)) -> Builder<K, N, D, M> {
        let mut refused = None;
        let changed = self.with(|how| {
            let (repeat, invalid) = change(how.repeat);
            refused = invalid;
            How { repeat, deadline: how.deadline, protocol: how.protocol }
        });
        changed.unless(refused)
    }

    /// Is refused when it is built, if there is a reason for that.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) fn unless(mut self, invalid: Option<Invalid>) -> Self {
        self.invalid = self.invalid.or(invalid);
        self
    }

    /// Keeps to the deadline that a request carries, sends each attempt on with its number, and makes no further attempt
    /// of what is one already: where `n` attempts are made here and `m` further down, a call is `n + m - 1` calls in the end, and
    /// not `n * m`. Requests must have a [`Context`](crate::Context). Default: neither deadline nor number is looked at.
    pub fn context(self) -> Builder<K, R, CarriedDeadline, M> {
        self.with(|how| How { repeat: how.repeat, deadline: CarriedDeadline, protocol: how.protocol })
    }

    /// Tells what became of an attempt by a function, where `Err` is not all that fails.
    pub fn classify<F>(self, classify: F) -> Builder<K, R, D, Plain<ClassifyWith<F>>> {
        self.protocol(Plain { classify: ClassifyWith(classify) })
    }

    /// For services of another protocol.
    pub fn protocol<N>(self, protocol: N) -> Builder<K, R, D, N> {
        self.map_protocol(|_| protocol)
    }

    pub(crate) fn map_protocol<N>(self, map: impl FnOnce(M) -> N) -> Builder<K, R, D, N> {
        self.with(|how| How { repeat: how.repeat, deadline: how.deadline, protocol: map(how.protocol) })
    }

    /// What was said, checked as far as it is the same for all; `share` of the successes pay if there is no budget yet.
    pub(crate) fn finish(self, share: f64) -> Result<Said<K, R, D, M>, Invalid> {
        let Self { name, own, budget, dependency, invalid, how } = self;
        if let Some(invalid) = invalid {
            return Err(invalid);
        }
        let shared = || dependency.as_ref().map(|dependency| dependency.budget().clone());
        let own_budget = || Budget::builder(name.clone()).ratio(share).build();
        let budget = budget.or_else(shared).map_or_else(own_budget, Ok)?;
        let common = Common { name: Name::new(&name)?, budget, dependency };
        Ok(Said { common, own, how })
    }
}
