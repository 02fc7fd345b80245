//! CNI plugins as sandboxed WebAssembly components.
//!
//! The module tree is the trust boundary. An arrow means "may import":
//!
//! ```text
//! main ─▶ call ─▶ cni          the exec protocol, pure
//!              ─▶ audit        a line about each call
//!              ─▶ component    what runs: the engine, compiled code, limits
//!              ─▶ hostcalls ─▶ gate ─▶ policy    who may do what
//!                                   ─▶ journal   what was done, and how to take it back
//!                                   ─▶ kernel    links, addresses, routes: linux | sim
//!                                   ─▶ ipam      addresses that attachments hold
//!                                   ─▶ flannel   files of flannel networks
//! ```
//!
//! Host calls hold a [`gate::Gate`], never a kernel. `names`, `directories` and `trust` are for all.

pub mod audit;
mod bindings;
pub mod call;
pub mod cli;
pub mod cni;
pub mod component;
pub mod config;
pub mod directories;
pub mod flannel;
pub mod gate;
pub mod hostcalls;
pub mod ipam;
pub mod journal;
pub mod kernel;
pub mod names;
pub mod node;
pub mod policy;
mod trust;
