//! A rate per key.

use std::num::NonZeroU32;

use super::*;

/// A key that has used its permits is not forgotten when others need the room, and so does not come back with new ones.
#[test]
fn defect_152_a_key_that_is_limited_is_not_forgotten() {
    let template = limit(per_second(1), 2);
    let builder = Keyed::builder(template).by(|tenant: &u64| *tenant).capacity(16);
    let limits = builder.when_full(WhenFull::Reject).build().unwrap();
    let start = Instant::now();
    assert!((0..2).all(|_| limits.admit(&7, start).is_ok()));
    assert_eq!(why(limits.admit(&7, start).map(drop)), Why::RateLimited);
    // A flood of keys that nobody has seen: each uses a permit, so all are kept, and the rest find no room.
    for tenant in 1000..101_000 {
        let _ = limits.admit(&tenant, start);
        assert!(limits.len() <= 16);
    }
    assert_eq!(why(limits.admit(&7, start).map(drop)), Why::RateLimited, "it is still known");
    assert_eq!(why(limits.admit(&5, start).map(drop)), Why::Crowded);
    // With time their permits are back, and then they make room.
    let later = start.after(SECOND);
    assert!(limits.admit(&5, later).is_ok());
    assert!(limits.admit(&7, later).is_ok() && limits.admit(&7, later).is_err(), "one of its two is back");
    let much_later = start.after(10 * SECOND);
    assert!((2000..2016).all(|tenant| limits.admit(&tenant, much_later).is_ok()));
    assert_eq!(limits.len(), 16);
}

/// What is in a group, or runs dry, is asked as well; and a limit that is fresh is like one that was just built.
#[test]
fn what_has_been_used_is_not_fresh_whatever_is_around_it() {
    let now = Instant::now();
    let limit = limit(per_second(1), 2);
    let around = (Some(Arc::new(cofferdam::Shadow::new(limit.clone().weighted(|(): &()| NonZeroU32::MIN)))), ());
    assert!(around.is_fresh(now));
    Admit::<()>::admit(&limit, &(), now).unwrap();
    assert!(!around.is_fresh(now) && limit.fresh().is_fresh(now));
    assert!(around.is_fresh(now.after(SECOND)));
}

/// The key is what the function says, and there is none by default: what strangers put into a header changes nothing
/// unless that function reads it.
#[cfg(feature = "http")]
#[test]
fn defect_155_the_key_is_nothing_that_strangers_choose() {
    use http::Request;

    #[derive(Clone)]
    struct Peer(u32);

    let peer = |request: &Request<()>| request.extensions().get::<Peer>().map(|peer| peer.0);
    let limits = Keyed::builder(limit(per_second(1), 1)).by(peer).build().unwrap();
    let now = Instant::now();
    let admitted = (0..100).filter(|nth| {
        let mut request = Request::builder().header("x-forwarded-for", format!("10.0.0.{nth}")).body(()).unwrap();
        request.extensions_mut().insert(Peer(1));
        limits.admit(&request, now).is_ok()
    });
    assert_eq!(admitted.count(), 1);
}
