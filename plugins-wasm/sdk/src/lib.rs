//! Write CNI plugins as WebAssembly components for wasmcni.
//!
//! A plugin is a type with a function for each verb, and one line that exports it:
//!
//! ```
//! use serde::Deserialize;
//! use wasmcni_sdk::net::{self, Role};
//! use wasmcni_sdk::{CniResult, Error, Plugin, Request};
//!
//! #[derive(Deserialize)]
//! struct Conf {
//!     #[serde(default)]
//!     mtu: u32,
//! }
//!
//! /// Sets the MTU of the link that the plugins before it made.
//! struct SetMtu;
//!
//! impl Plugin for SetMtu {
//!     fn add(request: Request) -> Result<CniResult, Error> {
//!         let conf: Conf = request.configuration()?;
//!         let netns = net::enter(Role::Container)?;
//!         net::link(&netns, &request.ifname)?.set_mtu(conf.mtu)?;
//!         Ok(request.prev_result()?.clone())
//!     }
//! }
//!
//! wasmcni_sdk::export_plugin!(SetMtu);
//! ```
//!
//! What the host does, and a plugin need not: the checks of the environment, the seven versions of
//! CNI and the conversions between them, refusing an ADD over an existing interface, and undoing
//! everything when a call fails. A plugin that cannot go on returns its [`Error`] at once.
//!
//! A plugin reaches the kernel only by [`net`] and what else [`bindings`] holds, and each function
//! there needs a grant, which the WIT files name. Shapes: addresses are [`ipnet::IpNet`], host bits
//! kept; sizes are octets; times are milliseconds.

#[cfg(target_arch = "wasm32")]
mod allocator;
#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated code"
)]
pub mod bindings;
pub mod child;
pub mod conf;
mod error;
pub mod firewall;
pub mod firewalld;
pub mod iface;
pub mod ipam;
pub mod log;
mod mac;
pub mod meta;
pub mod nat;
pub mod net;
mod plugin;
pub mod port_map;
mod request;
pub mod reservations;
pub mod resolv_conf;
mod result;
pub mod shaping;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use error::{Context, Error, Steps, code};
pub use go_json;
pub use ipnet;
pub use mac::Mac;
pub use plugin::Plugin;
pub use request::{Addresses, Arguments, AttachmentId, NetworkRequest, Request};
pub use result::{CniResult, Dns, Interface, IpConfig, Route, Sandbox};

#[doc(hidden)]
pub use plugin::Adapter;
