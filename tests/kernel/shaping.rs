//! Token buckets and redirections.

use wasmcni::kernel::Role::{Container, Host};
use wasmcni::kernel::{Errno, IfIndex, Shaping, TokenBucket};

use super::run::cases;
use super::words::ifb;
use super::world::World;

cases![
    an_ifb_is_made: Ifb,
    buckets_come_and_go,
    large_rates_are_kept,
    a_redirection_comes_and_goes: Ifb,
    what_is_redirected_to_may_go: Ifb,
    links_that_are_not_there,
    a_link_that_moves_has_no_limits,
];

fn index(w: &mut World<'_>, name: &str) -> IfIndex {
    w.kernel.link_by_name(Host, &name.try_into().unwrap()).unwrap().unwrap().index
}

fn shaping(w: &mut World<'_>, name: &str) -> Shaping {
    let index = index(w, name);
    w.kernel.shaping(Host, index).unwrap()
}

fn errno<T: std::fmt::Debug>(done: wasmcni::kernel::Result<T>) -> Errno {
    done.unwrap_err().errno
}

fn an_ifb_is_made(w: &mut World<'_>) {
    w.create(Host, &ifb("ifb7")).unwrap();
    w.look();
    w.up(Host, "ifb7");
    w.look();
    w.delete(Host, "ifb7").unwrap();
}

fn buckets_come_and_go(w: &mut World<'_>) {
    w.veth("v0", "v1");
    let v0 = index(w, "v0");
    assert_eq!(shaping(w, "v0"), Shaping::default());
    assert_eq!(errno(w.kernel.bucket_delete(Host, v0)), Errno::ENOENT);
    let bucket = TokenBucket::of_bits(8_000_000, 800_000).unwrap();
    w.kernel.bucket_add(Host, v0, &bucket).unwrap();
    assert_eq!(shaping(w, "v0"), Shaping { bucket: Some(bucket), redirect: None });
    w.look();
    assert_eq!(errno(w.kernel.bucket_add(Host, v0, &bucket)), Errno::EEXIST);
    w.kernel.bucket_delete(Host, v0).unwrap();
    assert_eq!(shaping(w, "v0"), Shaping::default());
    w.kernel.bucket_add(Host, v0, &bucket).unwrap();
}

fn large_rates_are_kept(w: &mut World<'_>) {
    w.veth("v0", "v1");
    let v0 = index(w, "v0");
    for (rate, burst) in [(8, 8), (100_000_000_000, 10_000_000_000), (8000, 34_359_738_359)] {
        let bucket = TokenBucket::of_bits(rate, burst).unwrap();
        w.kernel.bucket_add(Host, v0, &bucket).unwrap();
        assert_eq!(shaping(w, "v0").bucket, Some(bucket));
        w.look();
        w.kernel.bucket_delete(Host, v0).unwrap();
    }
}

fn a_redirection_comes_and_goes(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.create(Host, &ifb("ifb7")).unwrap();
    w.up(Host, "ifb7");
    let (v0, ifb7) = (index(w, "v0"), index(w, "ifb7"));
    assert_eq!(errno(w.kernel.redirect_delete(Host, v0)), Errno::ENOENT);
    w.kernel.redirect_add(Host, v0, ifb7).unwrap();
    assert_eq!(shaping(w, "v0"), Shaping { bucket: None, redirect: Some(ifb7) });
    w.look();
    assert_eq!(errno(w.kernel.redirect_add(Host, v0, ifb7)), Errno::EEXIST);
    w.kernel.redirect_delete(Host, v0).unwrap();
    assert_eq!(shaping(w, "v0"), Shaping::default());
    w.kernel.redirect_add(Host, v0, ifb7).unwrap();
}

fn what_is_redirected_to_may_go(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.create(Host, &ifb("ifb7")).unwrap();
    let (v0, ifb7) = (index(w, "v0"), index(w, "ifb7"));
    w.kernel.redirect_add(Host, v0, ifb7).unwrap();
    w.delete(Host, "ifb7").unwrap();
    assert_eq!(shaping(w, "v0").redirect, Some(IfIndex(0)));
    w.kernel.redirect_delete(Host, v0).unwrap();
}

fn links_that_are_not_there(w: &mut World<'_>) {
    w.veth("v0", "v1");
    let (v0, none) = (index(w, "v0"), IfIndex(99));
    let bucket = TokenBucket::of_bits(8000, 8000).unwrap();
    assert_eq!(errno(w.kernel.bucket_add(Host, none, &bucket)), Errno::ENODEV);
    assert_eq!(errno(w.kernel.bucket_delete(Host, none)), Errno::ENODEV);
    assert_eq!(errno(w.kernel.redirect_add(Host, none, v0)), Errno::ENODEV);
    assert_eq!(errno(w.kernel.redirect_add(Host, v0, none)), Errno::ENODEV);
    assert_eq!(errno(w.kernel.redirect_delete(Host, none)), Errno::ENODEV);
    assert_eq!(errno(w.kernel.shaping(Host, none)), Errno::ENODEV);
    assert_eq!(shaping(w, "v0"), Shaping::default());
}

fn a_link_that_moves_has_no_limits(w: &mut World<'_>) {
    w.veth("v0", "v1");
    let v0 = index(w, "v0");
    let bucket = TokenBucket::of_bits(8000, 8000).unwrap();
    w.kernel.bucket_add(Host, v0, &bucket).unwrap();
    w.set(Host, "v0", wasmcni::kernel::LinkChange::Netns(Container)).unwrap();
    let moved = w.kernel.link_by_name(Container, &"v0".try_into().unwrap()).unwrap().unwrap();
    assert_eq!(w.kernel.shaping(Container, moved.index).unwrap(), Shaping::default());
}
