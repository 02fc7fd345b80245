//! Runs cases: on the model, then on Linux against what the model did.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sched::{CloneFlags, unshare};
use wasmcni::kernel::linux::{ContainerNetns, LinuxKernel};
use wasmcni::kernel::sim::{Sim, SimNode, State};
use wasmcni::kernel::{Errno, Kernel, KindSpec, LinkSpec, MacvlanMode, Parent, Role};

use super::words::{self, ifname};
use super::world::{Entry, World};
use super::{observe, witness};
use crate::harness::netns::Netns;
use crate::harness::sandbox::notice;

/// Something that not every kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    Dummy,
    Tap,
    Ipvlan,
    Macvlan,
    Vlan,
    Vrf,
    VlanFiltering,
    Ifb,
}

const FEATURES: &[Feature] = &[
    Feature::Dummy,
    Feature::Tap,
    Feature::Ipvlan,
    Feature::Macvlan,
    Feature::Vlan,
    Feature::Vrf,
    Feature::VlanFiltering,
    Feature::Ifb,
];

/// A case.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Feature],
    /// Has the call a container netns?
    pub(crate) container: bool,
    pub(crate) run: fn(&mut World<'_>),
}

/// Cases that belong together.
pub(crate) type Group = &'static [Case];

/// `cases![a, b: Vlan]`: functions of this module, each with the features that it needs.
macro_rules! cases {
    ($($run:ident $(: $($feature:ident)+)?),* $(,)?) => {
        pub(crate) const CASES: $crate::kernel::run::Group = &[$(
            $crate::kernel::run::Case {
                name: concat!(module_path!(), "::", stringify!($run)),
                needs: &[$($($crate::kernel::run::Feature::$feature),+)?],
                container: true,
                run: $run,
            }
        ),*];
    };
}
pub(crate) use cases;

fn play(case: &Case, world: &mut World<'_>) {
    world.without_dad();
    (case.run)(world);
    world.look();
}

/// What the model does; `None`: the case failed.
pub(crate) fn try_sim(case: &Case) -> Option<Vec<Entry>> {
    let mut kernel = if case.container { Sim::new() } else { Sim::without_container() };
    let mut world = World::of_sim(&mut kernel);
    let run = catch_unwind(AssertUnwindSafe(|| play(case, &mut world)));
    if run.is_err() {
        eprintln!("{} failed on sim", case.name);
    }
    let entries = run.ok().map(|()| world.entries());
    is_had_again(case, &kernel);
    entries
}

/// A machine's state is all of it: read from a document, it is the same again.
fn is_had_again(case: &Case, kernel: &Sim) {
    let state = kernel.snapshot();
    let document = serde_json::to_value(&state).unwrap();
    let again = State::from_json(&document).and_then(|read| SimNode::from_state(&read));
    let again = again.unwrap_or_else(|e| panic!("{}: {e}", case.name)).snapshot();
    assert_eq!(state.difference(&again), [""; 0], "{}", case.name);
}

/// How many cases run at once: most of what some of them do is wait.
const WORKERS: usize = 8;

/// Every case on both kernels. Only in a sandbox.
pub(crate) fn on_both(group: Group) {
    let missing = missing_features();
    let seen_by_others = witness::is_here();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = group.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(feature) = case.needs.iter().find(|feature| missing.contains(feature)) {
                notice(&format!("{}: this kernel has no {feature:?}", case.name));
                continue;
            }
            let done = catch_unwind(|| one_on_both(case, &missing, seen_by_others));
            if done.is_err() {
                failed.lock().unwrap().push(case.name);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(group.len()) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

fn one_on_both(case: &Case, missing: &[Feature], seen_by_others: bool) {
    let mut expected = try_sim(case).expect("the case passes on sim");
    if missing.contains(&Feature::VlanFiltering) {
        forget_vlans(&mut expected);
    }
    on_linux(case, expected, seen_by_others);
}

/// Without VLAN filtering a kernel knows no VLANs of ports.
fn forget_vlans(expected: &mut [Entry]) {
    for entry in expected {
        if let Entry::Look(seen) = entry {
            for aspects in seen.0.values_mut() {
                aspects
                    .retain(|aspect, _| !aspect.starts_with("vlan ") || aspect == "vlan filtering");
            }
        }
    }
}

/// In a thread with a host netns of its own, and a container netns of its own.
fn on_linux(case: &Case, expected: Vec<Entry>, seen_by_others: bool) {
    in_new_netns(case.container, |kernel, container| {
        let observe = || -> observe::Seen { witness::observe(container) };
        let eyes = seen_by_others.then_some(&observe as &dyn Fn() -> observe::Seen);
        let mut world = World::of_linux(kernel, expected, eyes);
        play(case, &mut world);
    })
    .unwrap_or_else(|_| panic!("{} failed on Linux", case.name));
}

/// Namespaces so far: each has its own name.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn in_new_netns<T: Send>(
    with_container: bool,
    inside: impl FnOnce(&mut LinuxKernel, Option<&Netns>) -> T + Send,
) -> thread::Result<T> {
    thread::scope(|scope| {
        let act = || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a sandbox may make namespaces");
            let name = format!("container-{}", COUNT.fetch_add(1, Ordering::Relaxed));
            let container = with_container.then(|| Netns::new(&name));
            let opened = container.as_ref().map(|netns| ContainerNetns::open(netns.path()));
            let opened = opened.transpose().expect("it is there");
            let mut kernel = LinuxKernel::new(opened).expect("netlink sockets open");
            inside(&mut kernel, container.as_ref())
        };
        scope.spawn(act).join()
    })
}

/// What the running kernel lacks.
fn missing_features() -> Vec<Feature> {
    let probed = in_new_netns(true, |kernel, _| {
        let veth = kernel.link_create(Role::Host, &words::veth("v0", "v1", Role::Container));
        let parent = Parent { netns: Role::Host, index: veth.expect("veth is there").index };
        let lacks = |feature: &Feature| {
            let answer = kernel.link_create(Role::Host, &example(*feature, parent));
            if let Ok(link) = &answer {
                kernel.link_delete(Role::Host, link.index).expect("what was made can be deleted");
            }
            // `/dev/net/tun` may be another user's.
            let errnos = [Errno::EOPNOTSUPP, Errno::EACCES, Errno::EPERM];
            answer.is_err_and(|error| errnos.contains(&error.errno))
        };
        FEATURES
            .iter()
            .copied()
            .filter({
                let mut lacks = lacks;
                move |feature| lacks(feature)
            })
            .collect()
    });
    probed.expect("probing does not fail")
}

fn example(feature: Feature, parent: Parent) -> LinkSpec {
    let kind = match feature {
        Feature::Dummy => KindSpec::Dummy,
        Feature::Ifb => KindSpec::Ifb,
        Feature::Tap => KindSpec::Tap { multi_queue: false, owner: None, group: None },
        Feature::Ipvlan => KindSpec::Ipvlan { parent, mode: wasmcni::kernel::IpvlanMode::L2 },
        Feature::Macvlan => {
            KindSpec::Macvlan { parent, mode: MacvlanMode::Bridge, broadcast_queue: None }
        }
        Feature::Vlan => KindSpec::Vlan { parent, id: 5 },
        Feature::Vrf => KindSpec::Vrf { table: 10 },
        Feature::VlanFiltering => KindSpec::Bridge { vlan_filtering: true },
    };
    LinkSpec { name: ifname("probe"), mtu: None, mac: None, kind }
}
