//! What a plugin asks for, in the words that policy matches, and the table of all such words.

use std::fmt;

use ipnet::IpNet;

use crate::kernel::Role;

/// One act that is asked for: `link.create kind=bridge name="docker0" in host-netns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// A name of [`OPS`].
    pub name: &'static str,
    /// Where, for an act in one namespace.
    pub netns: Option<Role>,
    /// What it is about: each key at most once.
    pub values: Vec<(&'static str, Value)>,
}

/// One value of an [`Op`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A name, key, path or word, as the guest gave it.
    Text(String),
    /// A network, or an address with its prefix length.
    Net(IpNet),
    /// A plain number.
    Number(u32),
    /// Numbers from the first to the last, both included, which are asked for together.
    Range(u32, u32),
}

impl Op {
    /// The act `name` with nothing said yet.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, netns: None, values: Vec::new() }
    }

    /// In this namespace.
    #[must_use]
    pub fn in_netns(mut self, netns: Role) -> Self {
        self.netns = Some(netns);
        self
    }

    /// With a text.
    #[must_use]
    pub fn text(self, key: &'static str, value: impl Into<String>) -> Self {
        self.with(key, Value::Text(value.into()))
    }

    /// With a network.
    #[must_use]
    pub fn net(self, key: &'static str, value: IpNet) -> Self {
        self.with(key, Value::Net(value))
    }

    /// With a number.
    #[must_use]
    pub fn number(self, key: &'static str, value: u32) -> Self {
        self.with(key, Value::Number(value))
    }

    /// With a range of numbers, both ends included: allowed only if all of it is.
    #[must_use]
    pub fn range(self, key: &'static str, first: u32, last: u32) -> Self {
        self.with(key, Value::Range(first, last))
    }

    /// The value of a key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    fn with(mut self, key: &'static str, value: Value) -> Self {
        self.values.push((key, value));
        self
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        let kind = OpKind::find(self.name);
        for (key, value) in &self.values {
            match value {
                Value::Text(text) if kind.is_some_and(|k| k.has_word(key, text)) => {
                    write!(f, " {key}={text}")?;
                }
                Value::Text(text) => write!(f, " {key}={text:?}")?,
                Value::Net(net) => write!(f, " {key}={net}")?,
                Value::Number(number) => write!(f, " {key}={number}")?,
                Value::Range(first, last) => write!(f, " {key}={first}-{last}")?,
            }
        }
        self.netns.map_or(Ok(()), |netns| write!(f, " in {netns}"))
    }
}

/// A kind of act: what a grant for it has to say.
#[derive(Debug, PartialEq, Eq)]
pub struct OpKind {
    /// As grants and refusals name it.
    pub name: &'static str,
    /// It happens in one of the two namespaces, which a grant must name.
    pub in_netns: bool,
    /// What else a grant narrows it by.
    pub keys: &'static [Key],
}

/// One key of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// As grants and [`Op::values`] name it.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Whether a grant may leave it out.
    pub need: Need,
}

/// What the value of a key is, and so how its patterns are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The name of a link.
    Link,
    /// The `type` of a plugin.
    Plugin,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A path below `net/`, as below `/proc/sys`.
    SysctlKey,
    /// A link's address, six octets as `02:00:5e:10:00:01`.
    Mac,
    /// Any other text.
    Text,
    /// An absolute path.
    Path,
    /// A network, or an address with its prefix length.
    Net,
    /// The destination of a route.
    Destination,
    /// A number of these bounds, both included.
    Number(u32, u32),
}

/// Whether a grant may leave a key out. Whatever it is, what a grant leaves out it does not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It has to say it.
    Always,
    /// It has to say it if its `kind` is one of these, and cannot say it for others.
    OfKinds(&'static [&'static str]),
    /// Left out, it gives this number alone.
    Else(u32),
    /// Left out, it gives acts that say nothing of it; said, these too. Of these kinds, if there are any;
    /// it cannot say it for others.
    IfAsked(&'static [&'static str]),
}

impl OpKind {
    /// The kind of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        OPS.iter().find(|op| op.name == name)
    }

    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    fn has_word(&self, key: &str, text: &str) -> bool {
        self.key(key)
            .is_some_and(|k| matches!(k.holds, Holds::Word(words) if words.contains(&text)))
    }
}

/// An [`OpKind`] as its place in [`OPS`]: for what is decoded by the build that encoded it.
pub(super) mod by_place {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

    use super::{OPS, OpKind};

    pub(in super::super) fn serialize<S: Serializer>(
        kind: &&'static OpKind,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let place = OPS.iter().position(|op| op == *kind);
        place.ok_or_else(|| ser::Error::custom("an act of no table"))?.serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<&'static OpKind, D::Error> {
        let place = usize::deserialize(from)?;
        OPS.get(place).ok_or_else(|| de::Error::custom("an act of another build"))
    }
}

impl Holds {
    /// How a grant says that any value is meant.
    #[must_use]
    pub fn any(self) -> &'static str {
        match self {
            Self::Link | Self::Plugin | Self::Word(_) | Self::Mac | Self::Text => "*",
            Self::SysctlKey => "net/**",
            Self::Path => "/**",
            Self::Net | Self::Destination | Self::Number(..) => "any",
        }
    }
}

/// The kinds of links that plugins can make. `tap` is the name of the grant: the kernel says `tun`.
pub(super) const LINK_KINDS: &[&str] =
    &["bridge", "dummy", "ipvlan", "macvlan", "tap", "veth", "vlan", "vrf"];

/// Those that sit on another link.
const CHILDREN: &[&str] = &["ipvlan", "macvlan", "vlan"];

/// How links share their parent, ip-link(8): ipvlan's, and macvlan's. `passthru` takes all that the parent
/// receives.
const MODES: &[&str] = &["l2", "l3", "l3s", "bridge", "passthru", "private", "vepa"];

/// `RT_TABLE_MAIN`, rtnetlink(7).
const MAIN_TABLE: u32 = 254;

const fn must(name: &'static str, holds: Holds) -> Key {
    Key { name, holds, need: Need::Always }
}

const fn of_kinds(name: &'static str, holds: Holds, kinds: &'static [&'static str]) -> Key {
    Key { name, holds, need: Need::OfKinds(kinds) }
}

const fn if_asked(name: &'static str, holds: Holds, kinds: &'static [&'static str]) -> Key {
    Key { name, holds, need: Need::IfAsked(kinds) }
}

const fn here(name: &'static str, keys: &'static [Key]) -> OpKind {
    OpKind { name, in_netns: true, keys }
}

const fn anywhere(name: &'static str, keys: &'static [Key]) -> OpKind {
    OpKind { name, in_netns: false, keys }
}

const NAME: Key = must("name", Holds::Link);
const WITHIN: Key = must("within", Holds::Net);
const KIND: Key = must("kind", Holds::Word(LINK_KINDS));
const SYSCTL: Key = must("key", Holds::SysctlKey);
const DESTINATION: Key = must("to", Holds::Destination);
const TABLE: Key =
    Key { name: "table", holds: Holds::Number(1, u32::MAX), need: Need::Else(MAIN_TABLE) };
const DEVICE_KEY: Key = must("by", Holds::Word(&["auxiliary", "mac", "name", "path", "pci"]));
const ADMIN: Key = must("admin", Holds::Text);
const ZONE: Key = must("zone", Holds::Text);
const FROM: Key = must("from", Holds::Net);
const ANY_TABLE: Key = must("table", Holds::Number(1, u32::MAX));
const VLANS: Key = must("vlan", Holds::Number(1, 4094));

/// Every kind of act. A function of the WIT is bound to them by [`IMPORTS`].
pub static OPS: &[OpKind] = &[
    here("netns.enter", &[]),
    here("netns.lock", &[]),
    here("link.read", &[NAME]),
    here(
        "link.create",
        &[
            KIND,
            NAME,
            of_kinds("parent", Holds::Link, CHILDREN),
            of_kinds("parent-netns", Holds::Word(&["container", "host"]), CHILDREN),
            of_kinds("vlan", Holds::Number(0, 4094), &["vlan"]),
            of_kinds("table", Holds::Number(1, u32::MAX), &["vrf"]),
            of_kinds("mode", Holds::Word(MODES), &["ipvlan", "macvlan"]),
            if_asked("owner", Holds::Number(0, u32::MAX), &["tap"]),
            if_asked("group", Holds::Number(0, u32::MAX), &["tap"]),
        ],
    ),
    here("link.set-up", &[NAME]),
    here("link.set-down", &[NAME]),
    here("link.set-mtu", &[NAME, must("mtu", Holds::Number(0, u32::MAX))]),
    here("link.set-mac", &[NAME, must("mac", Holds::Mac)]),
    here("link.set-promisc", &[NAME]),
    here("link.set-all-multicast", &[NAME]),
    here("link.set-tx-queue-length", &[NAME]),
    here("link.set-master", &[NAME, must("master", Holds::Link)]),
    here("link.unset-master", &[NAME]),
    here("link.delete", &[NAME]),
    here("link.move", &[NAME, must("from", Holds::Link)]),
    here("link.hand-back", &[NAME, must("as", Holds::Link)]),
    anywhere("device.find", &[DEVICE_KEY, must("device", Holds::Text)]),
    here("addr.add", &[NAME, WITHIN]),
    here("addr.delete", &[NAME, WITHIN]),
    here("route.add", &[NAME, DESTINATION, TABLE, if_asked("via", Holds::Net, &[])]),
    here("route.delete", &[NAME, DESTINATION, TABLE]),
    here("route.read", &[]),
    here("rule.add", &[FROM, ANY_TABLE]),
    here("rule.delete", &[FROM, ANY_TABLE]),
    here("rule.read", &[]),
    here("bridge-port.set-hairpin", &[NAME]),
    here("bridge-port.set-isolated", &[NAME]),
    here("bridge-port.add-vlan", &[NAME, VLANS]),
    here("bridge-port.delete-vlan", &[NAME, VLANS]),
    here("sysctl.read", &[SYSCTL]),
    here("sysctl.write", &[SYSCTL, must("value", Holds::Text)]),
    anywhere("link-backup.read", &[must("data-dir", Holds::Path)]),
    anywhere("link-backup.remove", &[must("data-dir", Holds::Path)]),
    anywhere("forwarding.enable", &[must("family", Holds::Word(&["ipv4", "ipv6"]))]),
    anywhere("nat.masquerade", &[WITHIN]),
    anywhere("spoof-guard.pin", &[NAME]),
    here("shaping.limit", &[NAME]),
    anywhere(
        "port-map.add",
        &[
            must("protocol", Holds::Word(&["tcp", "udp", "sctp"])),
            must("host-port", Holds::Number(1, 65_535)),
            must("host-address", Holds::Net),
            WITHIN,
        ],
    ),
    anywhere("firewall.admit", &[WITHIN, ADMIN]),
    anywhere("firewall.admit-apart", &[WITHIN, ADMIN, must("bridge", Holds::Link)]),
    anywhere("firewalld.read", &[]),
    anywhere("firewalld.add-source", &[WITHIN, ZONE]),
    anywhere("firewalld.remove-source", &[WITHIN, ZONE]),
    anywhere("delegate.run", &[must("plugin", Holds::Plugin)]),
    anywhere("reservations.open", &[must("data-dir", Holds::Path)]),
    anywhere("reservations.reserve", &[WITHIN]),
    anywhere("reservations.sweep", &[]),
    anywhere("resolv-conf.read", &[must("path", Holds::Path)]),
    anywhere("delegate.configure", &[must("plugin", Holds::Plugin)]),
    anywhere("saved-configuration.read", &[must("data-dir", Holds::Path)]),
    anywhere("saved-configuration.write", &[must("data-dir", Holds::Path)]),
    anywhere("saved-configuration.sweep", &[must("data-dir", Holds::Path)]),
    anywhere("subnet-file.read", &[must("path", Holds::Path)]),
];

const NETNS: &str = "wasmcni:net/netns@0.1.0";
const LINK: &str = "wasmcni:net/link@0.1.0";
const RULE: &str = "wasmcni:net/rule@0.1.0";
const BRIDGE_PORT: &str = "wasmcni:net/bridge-port@0.1.0";
const SYSCTLS: &str = "wasmcni:net/sysctl@0.1.0";
const LINK_BACKUP: &str = "wasmcni:net/link-backup@0.1.0";
const FORWARDING: &str = "wasmcni:net/forwarding@0.1.0";
const NAT: &str = "wasmcni:net/nat@0.1.0";
const SPOOF_GUARD: &str = "wasmcni:net/spoof-guard@0.1.0";
const DEVICES: &str = "wasmcni:net/devices@0.1.0";
const FIREWALL: &str = "wasmcni:net/firewall@0.1.0";
const FIREWALLD: &str = "wasmcni:net/firewalld@0.1.0";
const SHAPING: &str = "wasmcni:net/shaping@0.1.0";
const PORT_MAP: &str = "wasmcni:net/port-map@0.1.0";
const RESERVATIONS: &str = "wasmcni:ipam/reservations@0.1.0";
const RESOLV_CONF: &str = "wasmcni:ipam/resolv-conf@0.1.0";
const DELEGATE: &str = "wasmcni:cni/delegate@0.1.0";
const LOG: &str = "wasmcni:cni/log@0.1.0";
const CONFIGURED_DELEGATE: &str = "wasmcni:cni/configured-delegate@0.1.0";
const SAVED_CONFIGURATION: &str = "wasmcni:cni/saved-configuration@0.1.0";
const SUBNET_FILE: &str = "wasmcni:ipam/subnet-file@0.1.0";

/// Each function that a component may import (interface, function), and the acts of which at least
/// one must be granted for the component to be started; none: it needs no grant to be imported.
///
/// What is free on a link that the attachment made lists, besides its own act, the one that makes
/// links: without it there is no own link either. Reading a link needs a link, and the gate asks for
/// `link.read` where that is another's.
pub static IMPORTS: &[(&str, &str, &[&str])] = &[
    (NETNS, "enter-netns", &["netns.enter"]),
    (NETNS, "[resource-drop]netns", &[]),
    (NETNS, "[method]netns.find-link", &[]),
    (NETNS, "[method]netns.find-link-by-index", &[]),
    (NETNS, "[method]netns.create-veth", &["link.create"]),
    (NETNS, "[method]netns.create-bridge", &["link.create"]),
    (NETNS, "[method]netns.create-tap", &["link.create"]),
    (NETNS, "[method]netns.create-dummy", &["link.create"]),
    (NETNS, "[method]netns.create-ipvlan", &["link.create"]),
    (NETNS, "[method]netns.create-macvlan", &["link.create"]),
    (NETNS, "[method]netns.create-vlan", &["link.create"]),
    (NETNS, "[method]netns.create-vrf", &["link.create"]),
    (NETNS, "[method]netns.links", &[]),
    (NETNS, "[method]netns.lock", &["netns.lock"]),
    (NETNS, "[method]netns.add-route", &["route.add"]),
    (NETNS, "[method]netns.delete-route", &["route.delete", "link.create"]),
    (NETNS, "[method]netns.routes", &["route.read"]),
    (NETNS, "[method]netns.route-to", &["route.read"]),
    (NETNS, "[method]netns.adopt", &["link.move"]),
    (LINK, "[resource-drop]link", &[]),
    (LINK, "[method]link.info", &[]),
    (LINK, "[method]link.set-up", &["link.set-up", "link.create"]),
    (LINK, "[method]link.set-down", &["link.set-down", "link.create"]),
    (LINK, "[method]link.set-mtu", &["link.set-mtu", "link.create"]),
    (LINK, "[method]link.set-mac", &["link.set-mac", "link.create"]),
    (LINK, "[method]link.set-promisc", &["link.set-promisc", "link.create"]),
    (LINK, "[method]link.set-all-multicast", &["link.set-all-multicast", "link.create"]),
    (LINK, "[method]link.set-tx-queue-length", &["link.set-tx-queue-length", "link.create"]),
    (LINK, "[method]link.set-master", &["link.set-master"]),
    (LINK, "[method]link.unset-master", &["link.unset-master", "link.create"]),
    (LINK, "[method]link.add-addr", &["addr.add"]),
    (LINK, "[method]link.delete-addr", &["addr.delete", "addr.add"]),
    (LINK, "[method]link.addrs", &[]),
    (LINK, "[method]link.wait-up", &[]),
    (LINK, "[method]link.wait-addrs", &[]),
    (LINK, "[method]link.delete", &["link.delete", "link.create"]),
    (LINK, "[method]link.hand-back", &["link.hand-back", "link.move"]),
    (DEVICES, "find-by-name", &["device.find"]),
    (DEVICES, "find-by-mac", &["device.find"]),
    (DEVICES, "find-by-path", &["device.find"]),
    (DEVICES, "find-by-pci", &["device.find"]),
    (DEVICES, "find-by-auxiliary", &["device.find"]),
    (DEVICES, "pci-driver", &["device.find"]),
    (DEVICES, "pci-address", &[]),
    (RULE, "add", &["rule.add"]),
    (RULE, "delete", &["rule.delete", "rule.add"]),
    (RULE, "rules", &["rule.read"]),
    (BRIDGE_PORT, "set-hairpin", &["bridge-port.set-hairpin", "link.create"]),
    (BRIDGE_PORT, "set-isolated", &["bridge-port.set-isolated", "link.create"]),
    (BRIDGE_PORT, "add-vlan", &["bridge-port.add-vlan"]),
    (BRIDGE_PORT, "delete-vlan", &["bridge-port.delete-vlan", "link.create"]),
    (BRIDGE_PORT, "vlans", &[]),
    (SYSCTLS, "read", &["sysctl.read"]),
    (SYSCTLS, "write", &["sysctl.write"]),
    (SYSCTLS, "write-until-del", &["sysctl.write"]),
    (SYSCTLS, "allow-list", &["sysctl.write"]),
    (LINK_BACKUP, "read", &["link-backup.read"]),
    (LINK_BACKUP, "remove", &["link-backup.remove"]),
    (FORWARDING, "enable", &["forwarding.enable"]),
    (NAT, "masquerade", &["nat.masquerade"]),
    (NAT, "clear-masquerade", &[]),
    (NAT, "masqueraded", &["nat.masquerade"]),
    (SPOOF_GUARD, "pin", &["spoof-guard.pin"]),
    (SPOOF_GUARD, "clear", &[]),
    (SPOOF_GUARD, "pinned", &["spoof-guard.pin"]),
    (SHAPING, "limit-egress", &["shaping.limit"]),
    (SHAPING, "limit-ingress", &["shaping.limit"]),
    (SHAPING, "difference", &["shaping.limit"]),
    (SHAPING, "clear", &[]),
    (PORT_MAP, "add", &["port-map.add"]),
    (PORT_MAP, "clear", &[]),
    (PORT_MAP, "missing", &["port-map.add"]),
    (PORT_MAP, "ready", &["port-map.add"]),
    (FIREWALL, "available", &["firewall.admit"]),
    (FIREWALL, "admit", &["firewall.admit"]),
    (FIREWALL, "admit-apart", &["firewall.admit-apart"]),
    (FIREWALL, "admitted", &["firewall.admit"]),
    (FIREWALL, "clear", &[]),
    (FIREWALLD, "state", &["firewalld.read"]),
    (FIREWALLD, "add-source", &["firewalld.add-source"]),
    (FIREWALLD, "remove-source", &["firewalld.remove-source"]),
    (FIREWALLD, "zone-of-source", &["firewalld.read"]),
    (RESERVATIONS, "open", &["reservations.open"]),
    (RESERVATIONS, "[resource-drop]store", &[]),
    (RESERVATIONS, "[method]store.held", &[]),
    (RESERVATIONS, "[method]store.next-free", &[]),
    (RESERVATIONS, "[method]store.reserve", &["reservations.reserve"]),
    (RESERVATIONS, "[method]store.last-reserved", &[]),
    (RESERVATIONS, "[method]store.release", &[]),
    (RESERVATIONS, "[method]store.sweep", &["reservations.sweep"]),
    (RESOLV_CONF, "read", &["resolv-conf.read"]),
    (DELEGATE, "add", &["delegate.run"]),
    (DELEGATE, "del", &["delegate.run"]),
    (DELEGATE, "check", &["delegate.run"]),
    (DELEGATE, "gc", &["delegate.run"]),
    (DELEGATE, "status", &["delegate.run"]),
    (LOG, "log", &[]),
    (CONFIGURED_DELEGATE, "add", &["delegate.configure"]),
    (CONFIGURED_DELEGATE, "del", &["delegate.configure"]),
    (CONFIGURED_DELEGATE, "check", &["delegate.configure"]),
    (CONFIGURED_DELEGATE, "gc", &["delegate.configure"]),
    (CONFIGURED_DELEGATE, "status", &["delegate.configure"]),
    (SAVED_CONFIGURATION, "save", &["saved-configuration.write"]),
    (SAVED_CONFIGURATION, "load", &["saved-configuration.read"]),
    (SAVED_CONFIGURATION, "remove", &["saved-configuration.write"]),
    (SAVED_CONFIGURATION, "sweep", &["saved-configuration.sweep"]),
    (SUBNET_FILE, "read", &["subnet-file.read"]),
];

/// The acts that an imported function needs a grant for, one of them; `None`: this host does not offer it.
pub fn ops_of(interface: &str, function: &str) -> Option<&'static [&'static str]> {
    let known = IMPORTS.iter().find(|known| (known.0, known.1) == (interface, function));
    known.map(|(_, _, ops)| *ops)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_op_reads_as_policy_is_written() {
        let op = Op::new("link.create").text("kind", "bridge").text("name", "docker0");
        assert_eq!(
            op.in_netns(Role::Host).to_string(),
            r#"link.create kind=bridge name="docker0" in host-netns"#
        );
        let op = Op::new("addr.add").net("within", "10.1.2.3/24".parse().unwrap());
        assert_eq!(op.to_string(), "addr.add within=10.1.2.3/24");
        let op = Op::new("bridge-port.add-vlan").range("vlan", 2, 9).number("x", 1);
        assert_eq!(op.to_string(), "bridge-port.add-vlan vlan=2-9 x=1");
    }

    #[test]
    fn a_guests_text_cannot_pass_for_another_part_of_the_sentence() {
        let op =
            Op::new("link.create").text("kind", "veth in x").text("name", "a\" in \n\u{1b}[0m");
        assert_eq!(op.to_string(), r#"link.create kind="veth in x" name="a\" in \n\u{1b}[0m""#);
    }

    #[test]
    fn names_and_keys_are_listed_once() {
        for (i, op) in OPS.iter().enumerate() {
            assert!(OPS.iter().skip(i + 1).all(|other| other.name != op.name), "{}", op.name);
            for (i, key) in op.keys.iter().enumerate() {
                assert!(!["op", "netns", "networks", "args"].contains(&key.name), "{}", op.name);
                assert!(op.keys.iter().skip(i + 1).all(|k| k.name != key.name), "{}", op.name);
            }
        }
        for (i, (interface, function, ops)) in IMPORTS.iter().enumerate() {
            let same =
                |other: &&(&str, &str, &[&str])| (other.0, other.1) == (*interface, *function);
            assert_eq!(IMPORTS.iter().skip(i + 1).find(same), None);
            assert!(ops.iter().all(|op| OpKind::find(op).is_some()), "{interface} {function}");
        }
    }

    #[test]
    fn kinds_that_need_a_key_exist() {
        for key in OPS.iter().flat_map(|op| op.keys) {
            if let Need::OfKinds(kinds) | Need::IfAsked(kinds) = key.need {
                assert!(kinds.iter().all(|kind| LINK_KINDS.contains(kind)), "{}", key.name);
            }
        }
    }
}
