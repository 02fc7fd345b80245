//! What every kernel must do: the same cases on `sim` and on Linux, with the same outcome.
//!
//! A case is a function of a [`World`](world::World). It asserts what the documentation of the trait
//! promises; what it does not assert is compared nevertheless: each answer, and at each
//! [`look`](world::World::look) and at the end everything that can be seen in both namespaces, on Linux
//! also with the eyes of `ip` and `bridge`. A difference is a bug of the model.

mod addresses;
mod bridges;
mod firewalld;
mod intents;
mod ipv6;
mod links;
mod missing;
mod moves;
mod observe;
mod ports;
mod routes;
mod rules;
mod run;
mod shaping;
mod stacked;
mod sysctls;
mod taps;
mod vlans;
mod vrfs;
mod witness;
mod words;
mod world;

use run::Group;

/// Every group of cases.
const GROUPS: &[Group] = &[
    links::CASES,
    moves::CASES,
    taps::CASES,
    bridges::CASES,
    vlans::CASES,
    stacked::CASES,
    vrfs::CASES,
    addresses::CASES,
    ipv6::CASES,
    routes::CASES,
    rules::CASES,
    sysctls::CASES,
    intents::CASES,
    shaping::CASES,
    ports::CASES,
    missing::CASES,
];

/// The model alone keeps the promises: no sandbox, no time.
#[test]
fn sim_passes_every_case() {
    let cases = GROUPS.iter().copied().flatten();
    let failed: Vec<&str> =
        cases.filter(|case| run::try_sim(case).is_none()).map(|c| c.name).collect();
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

macro_rules! on_both {
    ($($group:ident),*) => {$(
        #[test]
        fn $group() {
            crate::harness::sandbox::run(|| run::on_both(super::$group::CASES));
        }
    )*};
}

/// The model and Linux agree.
mod on_both {
    use super::run;

    on_both!(
        links, moves, taps, bridges, vlans, stacked, vrfs, addresses, ipv6, routes, rules, sysctls,
        intents, shaping, ports, missing
    );
}
