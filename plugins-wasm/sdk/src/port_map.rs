//! Ports of the node that lead into the container. The host clears up after an attachment by itself.

pub use crate::bindings::wasmcni::net::port_map::{
    AddressMatch, Condition, LinkMatch, Mapping, MarkMatch, Masquerade, PortMatch, Protocol, add,
    clear, missing, ready,
};
