//! What is asked of the kernel, in iproute2's words, for error messages and records.

use std::fmt;

use super::model::{LinkChange, PortChange, RouteSpec, RuleSpec};

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// `mtu 1400`, `master 3`, …
impl fmt::Display for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::Down => f.write_str("down"),
            Self::Mtu(mtu) => write!(f, "mtu {mtu}"),
            Self::Mac(mac) => write!(f, "address {mac}"),
            Self::Name(name) => write!(f, "name {name}"),
            Self::Alias(alias) => write!(f, "alias {alias}"),
            Self::Promisc(on) => write!(f, "promisc {}", on_off(*on)),
            Self::AllMulticast(on) => write!(f, "allmulticast {}", on_off(*on)),
            Self::TxQueueLength(packets) => write!(f, "txqueuelen {packets}"),
            Self::Master(None) => f.write_str("nomaster"),
            Self::Master(Some(master)) => write!(f, "master {}", master.0),
            Self::Netns(netns) => write!(f, "netns {netns}"),
        }
    }
}

/// `hairpin on`, …
impl fmt::Display for PortChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hairpin(on) => write!(f, "hairpin {}", on_off(*on)),
            Self::Isolated(on) => write!(f, "isolated {}", on_off(*on)),
        }
    }
}

/// `"10.0.0.0/8" via 10.1.0.1 dev 7 table 100`: what tells routes apart.
impl fmt::Display for RouteSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.destination.trunc())?;
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(link) = self.link {
            write!(f, " dev {}", link.0)?;
        }
        if let Some(table) = self.table {
            write!(f, " table {table}")?;
        }
        Ok(())
    }
}

/// `from "10.1.0.2/32" lookup 100`.
impl fmt::Display for RuleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from \"{}\" lookup {}", self.source.trunc(), self.table)
    }
}
