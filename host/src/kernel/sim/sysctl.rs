//! `/proc/sys/net`: which keys there are, what they accept, and what a write brings about.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

use super::super::{Errno, SysctlKey};
use super::device::Ipv6;
use super::state::{Answer, DeviceId, NetnsKey, Node};

/// Keys of a new namespace; the file says how to read it.
const TABLE: &str = include_str!("sysctls.txt");

const FORWARDING: &str = "net/ipv4/conf/all/forwarding";

/// What the kernel takes for a key.
#[derive(Debug, Clone)]
enum Values {
    Integer(RangeInclusive<i64>),
    Text,
}

/// One line of the table.
#[derive(Debug, Clone)]
struct Row {
    values: Values,
    default: String,
}

/// Where the value of a key is kept.
enum Place {
    Netns { key: String, row: &'static Row },
    Link { device: DeviceId, key: String, row: &'static Row },
}

fn rows() -> &'static BTreeMap<&'static str, Row> {
    static ROWS: OnceLock<BTreeMap<&'static str, Row>> = OnceLock::new();
    ROWS.get_or_init(|| TABLE.lines().filter_map(parse_row).collect())
}

/// Every key that the model has, `*` standing for `default` and each link's name, with what a new namespace
/// has there.
pub fn known_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    rows().iter().map(|(key, row)| (*key, row.default.as_str()))
}

fn parse_row(line: &'static str) -> Option<(&'static str, Row)> {
    let mut words = line.split(' ').filter(|_| !line.starts_with('#'));
    let (key, values) = (words.next()?, words.next()?);
    let default = words.next().unwrap_or_default().replace("\\t", "\t");
    let values = match values.split_once("..") {
        Some((least, most)) => Values::Integer(least.parse().ok()?..=most.parse().ok()?),
        None if values == "int" => Values::Integer(i32::MIN.into()..=i32::MAX.into()),
        None => Values::Text,
    };
    Some((key, Row { values, default }))
}

impl Row {
    /// A value that stands there: what the kernel begins with need not be what it accepts.
    fn was(&self, value: &str) -> Answer<String> {
        if value == self.default { Ok(value.to_owned()) } else { self.accept(value) }
    }

    /// The value as the kernel will show it.
    fn accept(&self, value: &str) -> Answer<String> {
        match &self.values {
            Values::Text => Ok(value.split_whitespace().collect::<Vec<_>>().join("\t")),
            Values::Integer(range) => {
                let number = integer(value).ok_or(Errno::EINVAL)?;
                if range.contains(&number) { Ok(number.to_string()) } else { Err(Errno::EINVAL) }
            }
        }
    }
}

/// `proc_get_long`: the first word, decimal, octal or hexadecimal.
fn integer(text: &str) -> Option<i64> {
    let word = text.split_whitespace().next()?;
    let (minus, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8),
        None if digits.starts_with('+') => return None,
        None => digits.parse(),
    };
    number.ok().map(|number| if minus { -number } else { number })
}

impl Node {
    /// Where the value of a key is. The path of a file is no directory.
    fn place_of(&self, netns: NetnsKey, key: &str) -> Answer<Place> {
        self.find_place(netns, key).map_err(|errno| {
            let above = key.rsplit_once('/').map(|(directory, _)| self.place_of(netns, directory));
            match (errno, above) {
                (Errno::ENOENT, Some(Ok(_) | Err(Errno::ENOTDIR))) => Errno::ENOTDIR,
                (errno, _) => errno,
            }
        })
    }

    fn find_place(&self, netns: NetnsKey, key: &str) -> Answer<Place> {
        let key = if key == "net/ipv4/ip_forward" { FORWARDING } else { key };
        let parts: Vec<&str> = key.split('/').collect();
        if let ["net", _, "conf" | "neigh", name] = parts.as_slice() {
            let there = matches!(*name, "all" | "default") || self.find_name(netns, name).is_some();
            return Err(if there { Errno::EISDIR } else { Errno::ENOENT });
        }
        let ["net", family, group @ ("conf" | "neigh"), name, item] = parts.as_slice() else {
            return match rows().get(key) {
                Some(row) => Ok(Place::Netns { key: key.to_owned(), row }),
                None if rows().keys().any(|other| is_below(other, key)) => Err(Errno::EISDIR),
                None => Err(Errno::ENOENT),
            };
        };
        let any = format!("net/{family}/{group}/*/{item}");
        let row = rows().get(any.as_str()).ok_or(Errno::ENOENT)?;
        match *name {
            "all" if *group == "conf" => {
                let row = rows().get(key).unwrap_or(row);
                Ok(Place::Netns { key: key.to_owned(), row })
            }
            // Of neighbours the first namespace of a machine alone has them.
            "default" if *group == "neigh" && netns != NetnsKey::FIRST => Err(Errno::ENOENT),
            "default" => Ok(Place::Netns { key: key.to_owned(), row }),
            link => {
                let device = self.find_name(netns, link).ok_or(Errno::ENOENT)?;
                if *family == "ipv6" && self.dev(device)?.ipv6 == Ipv6::Absent {
                    return Err(Errno::ENOENT);
                }
                Ok(Place::Link { device, key: format!("{family}/{group}/{item}"), row })
            }
        }
    }

    pub(super) fn sysctl_get(&self, netns: NetnsKey, key: &SysctlKey) -> Answer<String> {
        let (stored, default) = match self.place_of(netns, key.as_str())? {
            Place::Netns { key, row } => (self.ns(netns)?.sysctls.get(&key), &row.default),
            Place::Link { device, key, .. } if key == "ipv6/conf/mtu" => {
                return Ok(self.dev(device)?.mtu.to_string());
            }
            Place::Link { device, key, row } => (self.dev(device)?.sysctls.get(&key), &row.default),
        };
        Ok(stored.unwrap_or(default).clone())
    }

    pub(super) fn sysctl_set(
        &mut self,
        netns: NetnsKey,
        key: &SysctlKey,
        value: &str,
    ) -> Answer<()> {
        match self.place_of(netns, key.as_str())? {
            Place::Netns { key, row } => {
                let value = row.accept(value)?;
                store(&mut self.ns_mut(netns)?.sysctls, &key, &value, row);
                self.spread(netns, &key, &value)
            }
            Place::Link { device, key, row } => {
                let value = row.accept(value)?;
                self.dev_mut(device)?.chosen.add(&key);
                self.set_conf(device, &key, &value, row)
            }
        }
    }

    /// Puts a value where it is kept, which brings nothing about: it was there before.
    pub(super) fn sysctl_restore(&mut self, netns: NetnsKey, key: &str, value: &str) -> Answer<()> {
        match self.place_of(netns, key)? {
            Place::Netns { key, row } => {
                let value = row.was(value)?;
                store(&mut self.ns_mut(netns)?.sysctls, &key, &value, row);
            }
            Place::Link { device, key, row } => {
                let value = row.was(value)?;
                let device = self.dev_mut(device)?;
                device.chosen.add(&key);
                store(&mut device.sysctls, &key, &value, row);
            }
        }
        Ok(())
    }

    /// What is written for all links reaches each of them, for the few keys where the kernel says so.
    fn spread(&mut self, netns: NetnsKey, key: &str, value: &str) -> Answer<()> {
        let (family, item) = match key {
            FORWARDING => ("ipv4", "forwarding"),
            "net/ipv6/conf/all/forwarding" => ("ipv6", "forwarding"),
            "net/ipv6/conf/all/disable_ipv6" => ("ipv6", "disable_ipv6"),
            "net/ipv6/conf/all/addr_gen_mode" => ("ipv6", "addr_gen_mode"),
            _ => return self.spread_default(netns, key, value),
        };
        let any = format!("net/{family}/conf/*/{item}");
        let row = rows().get(any.as_str()).ok_or(Errno::ENOENT)?;
        let default = format!("net/{family}/conf/default/{item}");
        store(&mut self.ns_mut(netns)?.sysctls, &default, value, row);
        for device in self.members(netns) {
            if family == "ipv4" || self.dev(device)?.ipv6 != Ipv6::Absent {
                self.set_conf(device, &format!("{family}/conf/{item}"), value, row)?;
            }
        }
        Ok(())
    }

    /// `devinet_copy_dflt_conf`: IPv4's defaults reach the links where nobody chose.
    fn spread_default(&mut self, netns: NetnsKey, key: &str, value: &str) -> Answer<()> {
        let item = key.strip_prefix("net/ipv4/conf/default/").filter(|item| *item != "forwarding");
        let Some(item) = item else { return Ok(()) };
        let own = format!("ipv4/conf/{item}");
        let row = rows().get(format!("net/ipv4/conf/*/{item}").as_str()).ok_or(Errno::ENOENT)?;
        for id in self.members(netns) {
            let device = self.dev_mut(id)?;
            if !device.chosen.has(&own) {
                store(&mut device.sysctls, &own, value, row);
            }
        }
        Ok(())
    }

    fn set_conf(&mut self, id: DeviceId, key: &str, value: &str, row: &Row) -> Answer<()> {
        let before = self.conf_int(id, key)?;
        store(&mut self.dev_mut(id)?.sysctls, key, value, row);
        let after = self.conf_int(id, key)?;
        if key == "ipv6/conf/disable_ipv6" && (before == 0) != (after == 0) {
            if after == 0 {
                self.ipv6_enabled(id)?;
            } else {
                self.ipv6_down(id, false)?;
            }
        }
        Ok(())
    }

    /// A link's own value of `FAMILY/conf/ITEM`.
    pub(super) fn conf_int(&self, id: DeviceId, key: &str) -> Answer<i64> {
        let stored = self.dev(id)?.sysctls.get(key);
        let (family, item) = key.split_once("/conf/").ok_or(Errno::ENOENT)?;
        let any = format!("net/{family}/conf/*/{item}");
        let default = rows().get(any.as_str()).map(|row| &row.default);
        Ok(stored.or(default).and_then(|value| integer(value)).unwrap_or_default())
    }

    /// A namespace's value of a whole key.
    pub(super) fn all_int(&self, netns: NetnsKey, key: &str) -> Answer<i64> {
        let stored = self.ns(netns)?.sysctls.get(key);
        let default = rows().get(key).map(|row| &row.default);
        Ok(stored.or(default).and_then(|value| integer(value)).unwrap_or_default())
    }

    /// A new device's values are the namespace's defaults, and what its kind decides.
    pub(super) fn inherit_sysctls(&mut self, id: DeviceId) {
        let silent = self.is_silent(id);
        let Some(device) = self.devices.get_mut(&id) else { return };
        let Some(netns) = self.netns.get(&device.netns) else { return };
        for (key, value) in &netns.sysctls {
            let parts: Vec<&str> = key.split('/').collect();
            if let ["net", family, group @ ("conf" | "neigh"), "default", item] = parts.as_slice()
                && (*family == "ipv4" || device.ipv6 != Ipv6::Absent)
            {
                let own = format!("{family}/{group}/{item}");
                device.sysctls.entry(own).or_insert_with(|| value.clone());
            }
        }
        let mut fixed = Vec::new();
        if device.kind.is_loopback() {
            fixed.extend([("ipv4/conf/disable_policy", "1"), ("ipv4/conf/disable_xfrm", "1")]);
        }
        if silent && device.ipv6 != Ipv6::Absent {
            fixed.push(("ipv6/conf/accept_dad", "-1"));
        }
        for (key, value) in fixed {
            device.sysctls.insert(key.to_owned(), value.to_owned());
        }
    }
}

fn is_below(key: &str, directory: &str) -> bool {
    key.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// Keeps a value where it is not the default.
fn store(map: &mut BTreeMap<String, String>, key: &str, value: &str, row: &Row) {
    if value == row.default {
        map.remove(key);
    } else {
        map.insert(key.to_owned(), value.to_owned());
    }
}
