//! Generated from `wit/`, and nothing else.

#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    clippy::all,
    clippy::restriction,
    reason = "generated code"
)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "wasmcni:cni/every-plugin",
    imports: { default: trappable },
    with: {
        "wasmcni:net/link.link": crate::gate::LinkHandle,
        "wasmcni:net/netns.netns": crate::hostcalls::Netns,
        "wasmcni:ipam/reservations.store": crate::gate::OpenStore,
    },
    trappable_error_type: {
        "wasmcni:net/types.error" => crate::hostcalls::Failure,
        "wasmcni:cni/types.cni-error" => crate::hostcalls::DelegateFailure,
    },
});
