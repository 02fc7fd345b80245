//! The imports of the WIT worlds, one file per interface: conversion, and a verb of the gate.

mod bridge_port;
mod configured_delegate;
mod convert;
mod delegate;
mod devices;
mod firewall;
mod firewalld;
mod flannel;
mod link;
mod log;
mod nat;
mod netns;
mod port_map;
mod reservations;
mod rule;
mod shaping;
mod sysctl;

use std::rc::Rc;

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable, ResourceTableError};

use crate::bindings::wasmcni::cni::types as cni;
use crate::bindings::wasmcni::net::types as net;
use crate::cni::CniError;
use crate::component::limits::{Budget, Limit};
use crate::gate::{Gate, Refusal};

pub(crate) use convert::{attachment_id, error_of, request, result_of};
pub(crate) use delegate::Delegates;

/// A namespace as a guest holds it.
#[derive(Debug, Clone, Copy)]
pub struct Netns {
    pub(crate) role: crate::kernel::Role,
}

/// What a guest's store holds: its gate, its handles, its budget.
pub struct Ctx {
    /// The only way to the kernel.
    pub gate: Gate,
    /// What it may use, and has used.
    pub budget: Budget,
    /// Its handles.
    pub table: ResourceTable,
    /// Runs other plugins for it.
    pub delegates: Rc<dyn Delegates>,
    /// Where its log goes.
    pub log: Rc<dyn Fn(&str)>,
}

impl std::fmt::Debug for Ctx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ctx").field("gate", &self.gate).finish_non_exhaustive()
    }
}

/// Why a host call failed: as a value that the guest gets, or as the end of the guest.
#[derive(Debug)]
pub enum Failure {
    /// The guest gets it.
    Value(Refusal),
    /// The guest broke the contract or a limit: it ends here.
    Trap(wasmtime::Error),
}

/// Why a delegate's call failed.
#[derive(Debug)]
pub enum DelegateFailure {
    /// The delegate's own error, passed on unchanged.
    Value(CniError),
    /// The guest broke the contract or a limit: it ends here.
    Trap(wasmtime::Error),
}

impl<E: Into<Refusal>> From<E> for Failure {
    fn from(refusal: E) -> Self {
        Self::Value(refusal.into())
    }
}

impl From<Trapping> for Failure {
    fn from(Trapping(trap): Trapping) -> Self {
        Self::Trap(trap)
    }
}

impl From<Trapping> for DelegateFailure {
    fn from(Trapping(trap): Trapping) -> Self {
        Self::Trap(trap)
    }
}

/// An error that ends the guest.
pub(crate) struct Trapping(wasmtime::Error);

impl From<Limit> for Trapping {
    fn from(limit: Limit) -> Self {
        Self(wasmtime::Error::new(limit))
    }
}

impl From<ResourceTableError> for Trapping {
    fn from(error: ResourceTableError) -> Self {
        Self(wasmtime::Error::new(error))
    }
}

/// Failure or success of a verb.
type Answer<T> = Result<T, Failure>;

impl Ctx {
    /// Counts the host call; every one begins so.
    fn counted(&mut self) -> Result<&mut Gate, Trapping> {
        self.budget.host_call()?;
        Ok(&mut self.gate)
    }

    /// A copy of what a handle stands for. A handle that the guest does not have traps before this.
    fn get<T: Clone + 'static>(&self, handle: &Resource<T>) -> Result<T, Trapping> {
        Ok(self.table.get(handle)?.clone())
    }

    /// What a handle stood for that the guest gave away.
    fn take<T: 'static>(&mut self, handle: Resource<T>) -> Result<T, Trapping> {
        Ok(self.table.delete(handle)?)
    }

    /// A new handle. How many a guest may hold is bounded by its host calls.
    fn push<T: Send + 'static>(&mut self, value: T) -> Result<Resource<T>, Trapping> {
        Ok(self.table.push(value)?)
    }
}

impl net::Host for Ctx {
    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<net::Error> {
        match failure {
            Failure::Value(refusal) => {
                self.gate.note(&refusal);
                Ok(convert::net_error(&refusal))
            }
            Failure::Trap(trap) => Err(trap),
        }
    }
}

impl cni::Host for Ctx {
    fn convert_cni_error(&mut self, failure: DelegateFailure) -> wasmtime::Result<cni::CniError> {
        match failure {
            DelegateFailure::Value(error) => Ok(convert::cni_error(error)),
            DelegateFailure::Trap(trap) => Err(trap),
        }
    }
}

/// Offers exactly those interfaces that the component imports: each costs start-up time.
pub(crate) fn link(linker: &mut Linker<Ctx>, interfaces: &[String]) -> wasmtime::Result<()> {
    use crate::bindings::wasmcni::{cni, ipam, net};
    for interface in interfaces {
        match interface.as_str() {
            "wasmcni:cni/log@0.1.0" => cni::log::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?,
            "wasmcni:cni/delegate@0.1.0" => {
                cni::delegate::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:net/link@0.1.0" => net::link::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?,
            "wasmcni:net/netns@0.1.0" => {
                net::netns::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:net/bridge-port@0.1.0" => {
                net::bridge_port::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:net/rule@0.1.0" => net::rule::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?,
            "wasmcni:net/sysctl@0.1.0" => {
                net::sysctl::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:net/link-backup@0.1.0" => {
                net::link_backup::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:net/forwarding@0.1.0" => {
                net::forwarding::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:net/nat@0.1.0" => net::nat::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?,
            "wasmcni:net/port-map@0.1.0" => {
                net::port_map::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:net/spoof-guard@0.1.0" => {
                net::spoof_guard::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:net/devices@0.1.0" => {
                net::devices::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:net/firewall@0.1.0" => {
                net::firewall::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:net/firewalld@0.1.0" => {
                net::firewalld::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:net/shaping@0.1.0" => {
                net::shaping::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:ipam/reservations@0.1.0" => {
                ipam::reservations::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:ipam/resolv-conf@0.1.0" => {
                ipam::resolv_conf::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:cni/configured-delegate@0.1.0" => {
                cni::configured_delegate::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:cni/saved-configuration@0.1.0" => {
                cni::saved_configuration::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            "wasmcni:ipam/subnet-file@0.1.0" => {
                ipam::subnet_file::add_to_linker::<_, HasSelf<Ctx>>(linker, |c| c)?;
            }
            // Of types alone, which need no link; or unknown, and then without functions: one that has some
            // was refused before, by name.
            _ => {}
        }
    }
    Ok(())
}
