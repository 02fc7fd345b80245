//! Reads the words of a state, which `snapshot.rs` writes: an address, a kind, a route, …

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::super::{IpvlanMode, MacvlanMode, Port, Rule, TokenBucket};
use super::device::{AddressEntry, Dad, Ipv6, Kind, VlanFlags};
use super::route::{
    IPV6_KERNEL_METRIC, IPV6_METRIC, SCOPE_GLOBAL, SCOPE_HOST, SCOPE_LINK, TABLE_MAIN,
};
use super::state::{DeviceId, RouteEntry};

/// Why words are not understood: what is wrong, and what to write.
pub(super) type Bad = (String, &'static str);

/// Highest VLAN id.
const MAX_VLAN: u16 = 4094;

/// The words that are left, in order.
struct Words<'a> {
    text: &'a str,
    example: &'static str,
    left: std::iter::Peekable<std::str::SplitAsciiWhitespace<'a>>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str, example: &'static str) -> Self {
        Self { text, example, left: text.split_ascii_whitespace().peekable() }
    }

    fn bad<T>(&self, why: impl Display) -> Result<T, Bad> {
        Err((format!("{:?}: {why}", self.text), self.example))
    }

    fn word(&mut self) -> Result<&'a str, Bad> {
        match self.left.next() {
            Some(word) => Ok(word),
            None => self.bad("something is missing at the end"),
        }
    }

    fn read<T: FromStr<Err: Display>>(&mut self) -> Result<T, Bad> {
        let word = self.word()?;
        word.parse().or_else(|e| self.bad(format_args!("{word:?}: {e}")))
    }

    /// Whether this word comes next; then it is taken.
    fn take(&mut self, word: &str) -> bool {
        self.left.next_if_eq(&word).is_some()
    }

    fn end<T>(mut self, value: T) -> Result<T, Bad> {
        match self.left.next() {
            None => Ok(value),
            Some(word) => self.bad(format_args!("{word:?} is not known here")),
        }
    }
}

/// A text that is one value.
pub(super) fn value<T: FromStr<Err: Display>>(text: &str, example: &'static str) -> Result<T, Bad> {
    text.parse().map_err(|e| (format!("{text:?}: {e}"), example))
}

/// `10.1.0.2/24 scope 0 secondary nodad tentative`.
pub(super) fn address(text: &str) -> Result<AddressEntry, Bad> {
    let mut words = Words::of(text, r#""10.1.0.2/24", or "2001:db8::2/64 nodad""#);
    let address: IpNet = words.read()?;
    let scope = match words.take("scope") {
        true => words.read()?,
        false => usual_scope(address.addr()),
    };
    let secondary = words.take("secondary");
    let nodad = words.take("nodad");
    let dad = match (words.take("tentative"), words.take("dadfailed")) {
        (false, false) => Dad::Done,
        (true, false) => Dad::Waiting,
        (false, true) => Dad::Failed,
        (true, true) => return words.bad("it is tentative or a duplicate, not both"),
    };
    words.end(AddressEntry { address, scope, secondary, nodad, dad })
}

fn usual_scope(address: IpAddr) -> u8 {
    match address {
        _ if address.is_loopback() => SCOPE_HOST,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => SCOPE_LINK,
        IpAddr::V4(_) | IpAddr::V6(_) => SCOPE_GLOBAL,
    }
}

/// `bridge vlan_filtering 1`, `vlan id 5`, …; `lower` is the veth's other end or the lower device.
pub(super) fn kind(text: &str, lower: Option<DeviceId>, carrier: bool) -> Result<Kind, Bad> {
    const EXAMPLE: &str = r#""bridge", "bridge vlan_filtering 1", "dummy", "ifb", "ipvlan mode l2", "loopback", "macvlan mode bridge", "tun", "veth", "vlan id 5" or "vrf table 10""#;
    let mut words = Words::of(text, EXAMPLE);
    let under = |words: &Words<'_>| match lower {
        Some(lower) => Ok(lower),
        None => words.bad("its \"parent\" is not said"),
    };
    let read = match words.word()? {
        "loopback" => Kind::Loopback,
        "dummy" => Kind::Dummy,
        "ifb" => Kind::Ifb,
        "veth" => Kind::Veth { peer: under(&words)? },
        "bridge" => {
            let vlan_filtering = words.take("vlan_filtering") && words.read::<u8>()? == 1;
            Kind::Bridge { vlan_filtering, carrier }
        }
        "tun" => {
            let multi_queue = words.take("multi_queue");
            let owner = words.take("user").then(|| words.read()).transpose()?;
            let group = words.take("group").then(|| words.read()).transpose()?;
            Kind::Tap { multi_queue, owner, group }
        }
        "ipvlan" => {
            let parent = under(&words)?;
            let mode = if words.take("mode") { words.word()? } else { "l2" };
            let Some(mode) = IpvlanMode::ALL.into_iter().find(|known| known.word() == mode) else {
                return words.bad("the modes are l2, l3 and l3s");
            };
            Kind::Ipvlan { parent, mode }
        }
        "macvlan" => {
            let parent = under(&words)?;
            let mode = if words.take("mode") { words.word()? } else { "bridge" };
            let Some(mode) = MacvlanMode::ALL.into_iter().find(|known| known.word() == mode) else {
                return words.bad("the modes are private, vepa, bridge and passthru");
            };
            let broadcast_queue = words.take("bcqueuelen").then(|| words.read()).transpose()?;
            Kind::Macvlan { parent, mode, broadcast_queue }
        }
        "vlan" if words.take("id") => {
            let id: u16 = words.read()?;
            if id > MAX_VLAN {
                return words.bad("VLAN ids end at 4094");
            }
            Kind::Vlan { parent: under(&words)?, id }
        }
        "vrf" if words.take("table") => Kind::Vrf { table: words.read()? },
        word => return words.bad(format_args!("{word:?} is no kind, or lacks what it needs")),
    };
    words.end(read)
}

/// `absent`, `waiting`, `ready`.
pub(super) fn ipv6(text: &str) -> Result<Ipv6, Bad> {
    let all = [Ipv6::Absent, Ipv6::Waiting, Ipv6::Ready];
    let read = all.into_iter().find(|state| state.word() == text);
    read.ok_or_else(|| (format!("{text:?}"), r#""absent", "waiting" or "ready", or leave it out"#))
}

/// `hairpin true isolated false`.
pub(super) fn port(text: &str) -> Result<Port, Bad> {
    let mut words = Words::of(text, r#""hairpin false isolated false""#);
    let hairpin = words.take("hairpin") && words.read()?;
    let isolated = words.take("isolated") && words.read()?;
    words.end(Port { hairpin, isolated })
}

/// `5 pvid untagged`.
pub(super) fn vlan(text: &str) -> Result<(u16, VlanFlags), Bad> {
    let mut words = Words::of(text, r#""5", or "1 pvid untagged""#);
    let id: u16 = words.read()?;
    if !(1..=MAX_VLAN).contains(&id) {
        return words.bad("VLAN ids are 1 to 4094");
    }
    let flags = VlanFlags { pvid: words.take("pvid"), untagged: words.take("untagged") };
    words.end((id, flags))
}

/// `rate 1000000 octets/s buffer 1562500 ticks limit 125000 octets`.
pub(super) fn bucket(text: &str) -> Result<TokenBucket, Bad> {
    const EXAMPLE: &str =
        r#""rate 1000000 octets/s buffer 1562500 ticks limit 125000 octets", a tick being 64 ns"#;
    let mut words = Words::of(text, EXAMPLE);
    let mut part = |name: &str, unit: &str| -> Result<u64, Bad> {
        let number = if words.take(name) { words.read()? } else { 0 };
        if number == 0 || !words.take(unit) {
            words.bad(format_args!("{name} in {unit}"))
        } else {
            Ok(number)
        }
    };
    let (rate, buffer) = (part("rate", "octets/s")?, part("buffer", "ticks")?);
    let limit = part("limit", "octets")?;
    let small =
        |number: u64| u32::try_from(number).map_err(|e| (format!("{text:?}: {e}"), EXAMPLE));
    let bucket = TokenBucket { rate, buffer: small(buffer)?, limit: small(limit)? };
    words.end(bucket)
}

/// `table 254 10.0.0.0/8 via 10.1.0.1 dev eth0 proto kernel scope 0 src 10.1.0.2 metric 0 mtu 1400`.
///
/// `device`: the link of a name.
pub(super) fn route(
    text: &str,
    device: impl FnOnce(&str) -> Option<DeviceId>,
) -> Result<RouteEntry, Bad> {
    let mut words =
        Words::of(text, r#""10.0.0.0/8 via 10.1.0.1 dev eth0", or "default via fe80::1 dev eth0""#);
    let table = if words.take("table") { words.read()? } else { TABLE_MAIN };
    let destination = match words.take("default") {
        true => None,
        false => Some(words.read::<IpNet>()?),
    };
    let gateway: Option<IpAddr> = words.take("via").then(|| words.read()).transpose()?;
    if !words.take("dev") {
        return words.bad("its link is not said: dev NAME");
    }
    let Some(device) = device(words.word()?) else {
        return Err((format!("{text:?}: there is no such link"), "one of the namespace"));
    };
    let destination = destination.unwrap_or(match gateway {
        Some(IpAddr::V6(_)) => IpNet::V6(Ipv6Net::default()),
        Some(IpAddr::V4(_)) | None => IpNet::V4(Ipv4Net::default()),
    });
    let by_kernel = words.take("proto");
    if by_kernel && !words.take("kernel") {
        return words.bad("the protocol is kernel, or is not said");
    }
    let v4 = destination.addr().is_ipv4();
    let scope = match words.take("scope") {
        true => words.read()?,
        false if v4 && gateway.is_none() => SCOPE_LINK,
        false => SCOPE_GLOBAL,
    };
    let source = words.take("src").then(|| words.read()).transpose()?;
    let priority = match (words.take("metric"), v4, by_kernel) {
        (true, ..) => words.read()?,
        (false, true, _) => 0,
        (false, false, true) => IPV6_KERNEL_METRIC,
        (false, false, false) => IPV6_METRIC,
    };
    let mtu = words.take("mtu").then(|| words.read()).transpose()?;
    let advmss = words.take("advmss").then(|| words.read()).transpose()?;
    words.end(RouteEntry {
        destination: destination.trunc(),
        gateway,
        device,
        source,
        scope,
        table,
        priority,
        mtu,
        advmss,
        by_kernel,
    })
}

/// `32765: from 10.1.0.2/32 lookup 100`.
pub(super) fn rule(text: &str) -> Result<Rule, Bad> {
    let mut words = Words::of(text, r#""32765: from 10.1.0.2/32 lookup 100""#);
    let priority = words.word()?;
    let Some(priority) = priority.strip_suffix(':').and_then(|number| number.parse().ok()) else {
        return words.bad("it begins with no number and a colon");
    };
    if !words.take("from") {
        return words.bad("its source is not said");
    }
    let source: IpNet = words.read()?;
    if !words.take("lookup") {
        return words.bad("its table is not said");
    }
    let table = words.read()?;
    words.end(Rule { source: source.trunc(), table, priority, only_source: true })
}
