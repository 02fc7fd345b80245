//! Letting addresses through the node's firewall.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Gate, Refusal, Result};
use crate::journal::{Sharing, Undo};
use crate::kernel::{Admission, Apart, Link, PortChange, Role, Separation};
use crate::names::IfName;
use crate::policy::Op;

/// Characters of a chain's name that iptables takes.
const MAX_CHAIN: usize = 28;
/// Chains of other meaning, here and in iptables' table.
const NO_ADMIN_CHAINS: &[&str] = &[
    "INPUT", "FORWARD", "OUTPUT", "ACCEPT", "DROP", "RETURN", "QUEUE", "admin", "admitted",
    "after", "forward",
];

impl Gate {
    /// Whether the node can filter at all.
    pub fn can_filter(&mut self) -> Result<()> {
        self.kernel().admissions()?;
        Ok(())
    }

    /// Lets an address through; `apart`: the bridge to keep apart, by its name.
    pub fn admit(
        &mut self,
        address: IpAddr,
        admin: &str,
        apart: Option<(String, Separation)>,
    ) -> Result<()> {
        let op = Op::new(if apart.is_some() { "firewall.admit-apart" } else { "firewall.admit" });
        let op = op.net("within", IpNet::from(address)).text("admin", admin);
        self.permit(&match &apart {
            Some((bridge, _)) => op.text("bridge", bridge),
            None => op,
        })?;
        let plain =
            |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
        let good = !admin.is_empty() && admin.len() <= MAX_CHAIN && admin.bytes().all(plain);
        if !good || admin.starts_with('-') || NO_ADMIN_CHAINS.contains(&admin) {
            let text = format!(
                "admitting {address}: {admin:?} is no chain for the operator: its name has letters, \
                 digits, \"-\", \"_\" and \".\", at most {MAX_CHAIN}, and is none of {NO_ADMIN_CHAINS:?}"
            );
            return Err(Refusal::Invalid(text));
        }
        let apart = apart.map(|(bridge, from)| self.own_bridge(&bridge, from)).transpose()?;
        if apart.as_ref().is_some_and(|apart| apart.from == Separation::Everyone) {
            self.isolate_port()?;
        }
        let entry = Admission { address, apart, owner: self.owner()? };
        let undo = Undo::Admission(entry.clone());
        self.act([(undo, Sharing::Own)], |kernel| kernel.admission_add(&entry, admin))
    }

    /// The bridge that the container's interface is on. Another one is others' affair, whatever a plugin
    /// or a `prevResult` says.
    fn own_bridge(&self, bridge: &str, from: Separation) -> Result<Apart> {
        let refuse =
            |why: &str| Err(Refusal::Invalid(format!("keeping bridge {bridge:?} apart: {why}")));
        let Ok(name) = IfName::try_from(bridge) else { return refuse("no link has such a name") };
        let Some(peer) = self.peer() else {
            return refuse("the container's interface is no veth whose other end is on the node");
        };
        let mut kernel = self.kernel();
        let master = kernel.link_by_name(Role::Host, &peer)?.and_then(|peer| peer.master);
        let seen = kernel.link_by_name(Role::Host, &name)?;
        match seen.filter(|link| link.kind == "bridge" && Some(link.index) == master) {
            Some(_) => Ok(Apart { bridge: name, from }),
            None => refuse("the container's interface is not on it"),
        }
    }

    /// The node's end of the container's veth, as a port of its bridge.
    fn own_port(&self) -> Result<Option<Link>> {
        let Some(peer) = self.peer() else { return Ok(None) };
        Ok(self.kernel().link_by_name(Role::Host, &peer)?.filter(|link| link.port.is_some()))
    }

    /// Equivalent: `bridge link set dev <port> isolated on`.
    fn isolate_port(&self) -> Result<()> {
        let Some(Link { index, port: Some(port), .. }) = self.own_port()? else { return Ok(()) };
        if port.isolated {
            return Ok(());
        }
        let back = PortChange::Isolated(false);
        let undo = Undo::Port { at: self.place(Role::Host)?, link: index, back };
        self.act([(undo, Sharing::Own)], |kernel| {
            kernel.bridge_port_set(Role::Host, index, PortChange::Isolated(true))
        })
    }

    /// This attachment's addresses that are let through; kept apart from everyone only if its port is.
    pub fn admitted(&mut self) -> Result<Vec<Admission>> {
        let mut own = self.own_admissions()?;
        let isolated =
            self.own_port()?.and_then(|link| link.port).is_some_and(|port| port.isolated);
        for entry in &mut own {
            if !isolated {
                entry.apart.take_if(|apart| apart.from == Separation::Everyone);
            }
        }
        Ok(own)
    }

    fn own_admissions(&self) -> Result<Vec<Admission>> {
        let owner = self.owner()?;
        let all = self.kernel().admissions()?;
        Ok(all.into_iter().filter(|entry| entry.owner == owner).collect())
    }

    /// Removes this attachment's entries.
    pub fn clear_admissions(&mut self) -> Result<()> {
        let known = self.journaled(|undo| {
            let Undo::Admission(entry) = undo else { return None };
            Some(entry.clone())
        });
        let entries = match known {
            Some(entries) => entries,
            None => self.own_admissions()?,
        };
        for entry in entries {
            self.act([], |kernel| kernel.admission_delete(&entry))?;
            self.removed(|record| record.undo == Undo::Admission(entry.clone()));
        }
        Ok(())
    }
}
