//! Kernel settings.

use super::{Gate, Refusal, Result};
use crate::journal::{Sharing, Undo};
use crate::kernel::{Role, SysctlKey};
use crate::policy::Op;

/// Longest value that is written, in octets; the kernel's own buffers are a page.
const MAX_VALUE: usize = 1024;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Family {
    Ipv4,
    Ipv6,
}

impl Gate {
    /// Reads a setting.
    pub fn read_sysctl(&mut self, role: Role, key: &str) -> Result<String> {
        self.permit(&Op::new("sysctl.read").in_netns(role).text("key", key))?;
        let key = parse(key)?;
        Ok(self.kernel().sysctl_get(role, &key)?)
    }

    /// Writes a setting.
    pub fn write_sysctl(&mut self, role: Role, key: &str, value: &str) -> Result<()> {
        let key = self.may_write(role, key, value)?;
        if self.of_own_link(role, &key) {
            return self.act_on_own(|kernel| kernel.sysctl_set(role, &key, value));
        }
        self.set_shared(role, &key, value)
    }

    /// The key, if the value may be written to it.
    pub(super) fn may_write(&self, role: Role, key: &str, value: &str) -> Result<SysctlKey> {
        let op = Op::new("sysctl.write").in_netns(role).text("key", key);
        self.permit(&op.text("value", value))?;
        let key = parse(key)?;
        if value.len() > MAX_VALUE {
            let text = format!("a value of {} octets for {key}: at most {MAX_VALUE}", value.len());
            return Err(Refusal::Invalid(text));
        }
        Ok(key)
    }

    /// Has the node forward packets: `sysctl -w net.ipv4.ip_forward=1`.
    pub fn enable_forwarding(&mut self, family: Family) -> Result<()> {
        let (name, key) = match family {
            Family::Ipv4 => ("ipv4", "net/ipv4/ip_forward"),
            Family::Ipv6 => ("ipv6", "net/ipv6/conf/all/forwarding"),
        };
        self.permit(&Op::new("forwarding.enable").text("family", name))?;
        self.set_shared(Role::Host, &parse(key)?, "1")
    }

    /// Writes a setting that others see too, unless it has the value already.
    fn set_shared(&mut self, role: Role, key: &SysctlKey, value: &str) -> Result<()> {
        let back = self.kernel().sysctl_get(role, key)?;
        if back == value {
            return Ok(());
        }
        let undo = Undo::Sysctl { at: self.place(role)?, key: key.clone(), back };
        self.act([(undo, Sharing::Shared)], |kernel| kernel.sysctl_set(role, key, value))
    }

    /// Whether the key is one of a link that this attachment made: `net/*/conf/<link>/*`.
    pub(super) fn of_own_link(&self, role: Role, key: &SysctlKey) -> bool {
        let Some(name) = link_of(key) else { return false };
        let journal = self.call.journal.borrow();
        journal.as_ref().is_some_and(|j| j.made_link_named(role, name))
    }
}

/// The link whose setting the key is: `net/*/conf/<link>/*`.
pub(super) fn link_of(key: &SysctlKey) -> Option<&str> {
    let mut parts = key.as_str().split('/').skip(2);
    match parts.next() {
        Some("conf" | "neigh") => parts.next(),
        _ => None,
    }
}

fn parse(key: &str) -> Result<SysctlKey> {
    SysctlKey::try_from(key.to_owned()).map_err(|e| Refusal::Invalid(e.to_string()))
}
