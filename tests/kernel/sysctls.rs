//! Sysctls: which keys there are, which values they take, and what writing does.

use wasmcni::kernel::Errno;
use wasmcni::kernel::LinkChange::{Mtu, Name};
use wasmcni::kernel::Role::{Container, Host};

use super::run::cases;
use super::words::{bridge, ifname};
use super::world::World;

cases![
    defaults_of_a_new_netns,
    keys_that_are_not_there,
    values_that_are_not_taken,
    values_are_shown_as_the_kernel_understood_them,
    namespaces_have_their_own,
    keys_of_a_link_live_with_it,
    keys_of_a_renamed_link,
    names_with_dots,
    new_links_inherit_the_default,
    chosen_values_do_not_follow_the_default,
    forwarding_reaches_every_link,
    ipv6_keys_need_ipv6,
];

const LINK_KEYS: &[&str] = &[
    "ipv4/conf/{}/arp_notify",
    "ipv4/conf/{}/forwarding",
    "ipv4/conf/{}/proxy_arp",
    "ipv4/conf/{}/route_localnet",
    "ipv4/conf/{}/rp_filter",
    "ipv6/conf/{}/accept_dad",
    "ipv6/conf/{}/accept_ra",
    "ipv6/conf/{}/disable_ipv6",
    "ipv6/conf/{}/enhanced_dad",
    "ipv6/conf/{}/forwarding",
    "ipv6/conf/{}/keep_addr_on_down",
    "ipv6/conf/{}/ndisc_notify",
    "ipv6/conf/{}/addr_gen_mode",
];

fn defaults_of_a_new_netns(w: &mut World<'_>) {
    w.veth("v0", "v1");
    for key in ["net/ipv4/ip_forward", "net/ipv4/ip_nonlocal_bind", "net/ipv6/bindv6only"] {
        assert_eq!(w.sysctl(Container, key).unwrap(), "0", "{key}");
    }
    // Compared, whatever they are.
    for name in ["all", "default", "lo", "v1"] {
        for key in LINK_KEYS {
            let _ = w.sysctl(Container, &format!("net/{}", key.replace("{}", name)));
        }
    }
    w.sysctl(Container, "net/ipv6/conf/v1/mtu").unwrap();
    w.sysctl(Container, "net/ipv4/neigh/v1/mcast_solicit").unwrap();
    assert_eq!(w.sysctl(Container, "net/ipv4/neigh/default/mcast_solicit"), Err(Errno::ENOENT));
    w.sysctl(Container, "net/ipv4/ip_local_port_range").unwrap();
}

fn keys_that_are_not_there(w: &mut World<'_>) {
    for key in [
        "net/nonsense",
        "net/ipv4/nonsense",
        "net/ipv4/conf/all/nonsense",
        "net/ipv4/conf/nobody/rp_filter",
        "net/ipv6/conf/nobody/disable_ipv6",
        "net/ipv4/conf/all/arp_notify/deeper",
    ] {
        let missing = w.sysctl(Container, key);
        let deeper = key.ends_with("deeper");
        let errno = if deeper { Errno::ENOTDIR } else { Errno::ENOENT };
        assert_eq!(missing, Err(errno), "{key}");
        assert_eq!(w.sysctl_set(Container, key, "1"), Err(errno), "{key}");
        assert_eq!(w.sysctl(Host, key), Err(errno), "{key}");
    }
    for directory in ["net/ipv4", "net/ipv4/conf", "net/ipv4/conf/all", "net/ipv4/conf/lo"] {
        assert_eq!(w.sysctl(Container, directory), Err(Errno::EISDIR), "{directory}");
        assert_eq!(w.sysctl_set(Container, directory, "1"), Err(Errno::EISDIR), "{directory}");
    }
}

fn values_that_are_not_taken(w: &mut World<'_>) {
    for value in ["abc", "", "1x", "99999999999", "-"] {
        let answer = w.sysctl_set(Container, "net/ipv4/ip_forward", value);
        assert_eq!(answer, Err(Errno::EINVAL), "{value:?}");
    }
    assert_eq!(w.sysctl(Container, "net/ipv4/ip_forward").unwrap(), "0");
    for (key, value) in [
        ("net/ipv4/ip_default_ttl", "0"),
        ("net/ipv4/ip_default_ttl", "256"),
        ("net/ipv6/conf/all/addr_gen_mode", "9"),
        ("net/ipv6/conf/default/hop_limit", "0"),
        ("net/ipv4/tcp_ecn", "-1"),
    ] {
        assert_eq!(w.sysctl_set(Container, key, value), Err(Errno::EINVAL), "{key}={value}");
    }
}

fn values_are_shown_as_the_kernel_understood_them(w: &mut World<'_>) {
    let key = "net/ipv4/conf/lo/rp_filter";
    for (value, shown) in [("2", "2"), (" 1", "1"), ("0x10", "16"), ("010", "8"), ("-3", "-3")] {
        w.sysctl_set(Container, key, value).unwrap();
        assert_eq!(w.sysctl(Container, key).unwrap(), shown);
    }
    let range = "net/ipv4/ip_local_port_range";
    w.sysctl_set(Container, range, "20000 30000").unwrap();
    assert_eq!(w.sysctl(Container, range).unwrap(), "20000\t30000");
}

fn namespaces_have_their_own(w: &mut World<'_>) {
    w.sysctl_set(Container, "net/ipv4/ip_forward", "1").unwrap();
    assert_eq!(w.sysctl(Host, "net/ipv4/ip_forward").unwrap(), "0");
    w.sysctl_set(Host, "net/ipv4/conf/all/rp_filter", "2").unwrap();
    assert_eq!(w.sysctl(Container, "net/ipv4/conf/all/rp_filter").unwrap(), "0");
}

fn keys_of_a_link_live_with_it(w: &mut World<'_>) {
    let key = "net/ipv6/conf/v0/accept_ra";
    assert_eq!(w.sysctl(Host, key), Err(Errno::ENOENT));
    w.veth("v0", "v1");
    w.sysctl_set(Host, key, "0").unwrap();
    assert_eq!(w.sysctl(Host, key).unwrap(), "0");
    w.delete(Host, "v0").unwrap();
    assert_eq!(w.sysctl(Host, key), Err(Errno::ENOENT));
    w.veth("v0", "v1");
    assert_eq!(w.sysctl(Host, key).unwrap(), "1", "a new link is new");
}

fn keys_of_a_renamed_link(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.sysctl_set(Host, "net/ipv4/conf/v0/arp_notify", "1").unwrap();
    w.set(Host, "v0", Name(ifname("new"))).unwrap();
    assert_eq!(w.sysctl(Host, "net/ipv4/conf/new/arp_notify").unwrap(), "1");
    assert_eq!(w.sysctl(Host, "net/ipv4/conf/v0/arp_notify"), Err(Errno::ENOENT));
}

fn names_with_dots(w: &mut World<'_>) {
    w.create(Host, &bridge("br.5")).unwrap();
    w.sysctl_set(Host, "net/ipv4/conf/br.5/proxy_arp", "1").unwrap();
    assert_eq!(w.sysctl(Host, "net/ipv4/conf/br.5/proxy_arp").unwrap(), "1");
}

fn new_links_inherit_the_default(w: &mut World<'_>) {
    w.sysctl_set(Host, "net/ipv4/conf/default/rp_filter", "2").unwrap();
    w.sysctl_set(Host, "net/ipv6/conf/default/accept_ra", "2").unwrap();
    w.veth("v0", "v1");
    assert_eq!(w.sysctl(Host, "net/ipv4/conf/v0/rp_filter").unwrap(), "2");
    assert_eq!(w.sysctl(Host, "net/ipv6/conf/v0/accept_ra").unwrap(), "2");
    assert_eq!(w.sysctl(Host, "net/ipv4/conf/lo/rp_filter").unwrap(), "2", "older ones of IPv4 do");
    assert_eq!(w.sysctl(Host, "net/ipv6/conf/lo/accept_ra").unwrap(), "1", "of IPv6 do not");
    assert_eq!(w.sysctl(Container, "net/ipv4/conf/v1/rp_filter").unwrap(), "0");
}

fn chosen_values_do_not_follow_the_default(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.create(Host, &bridge("br0")).unwrap();
    w.create(Host, &bridge("br1")).unwrap();
    w.sysctl_set(Host, "net/ipv4/conf/v0/rp_filter", "0").unwrap();
    w.addr(Host, "br0", "10.1.0.1/24").unwrap();
    w.sysctl_set(Host, "net/ipv4/conf/default/rp_filter", "2").unwrap();
    w.sysctl_set(Host, "net/ipv4/conf/default/arp_notify", "1").unwrap();
    w.sysctl_set(Host, "net/ipv4/conf/default/forwarding", "1").unwrap();
    for name in ["v0", "br0", "br1", "lo"] {
        for key in ["rp_filter", "arp_notify", "forwarding"] {
            w.sysctl(Host, &format!("net/ipv4/conf/{name}/{key}")).unwrap();
        }
    }
}

fn forwarding_reaches_every_link(w: &mut World<'_>) {
    w.veth("v0", "v1");
    let keys = ["ipv4/conf/v0", "ipv4/conf/lo", "ipv4/conf/default", "ipv4/conf/all"];
    w.sysctl_set(Host, "net/ipv4/ip_forward", "1").unwrap();
    for key in keys {
        assert_eq!(w.sysctl(Host, &format!("net/{key}/forwarding")).unwrap(), "1", "{key}");
    }
    w.sysctl_set(Host, "net/ipv4/conf/v0/forwarding", "0").unwrap();
    assert_eq!(w.sysctl(Host, "net/ipv4/ip_forward").unwrap(), "1");
    w.sysctl_set(Host, "net/ipv4/conf/all/forwarding", "0").unwrap();
    assert_eq!(w.sysctl(Host, "net/ipv4/ip_forward").unwrap(), "0");
    w.sysctl_set(Host, "net/ipv6/conf/all/forwarding", "1").unwrap();
    for name in ["v0", "lo", "default"] {
        let key = format!("net/ipv6/conf/{name}/forwarding");
        assert_eq!(w.sysctl(Host, &key).unwrap(), "1", "{key}");
    }
}

fn ipv6_keys_need_ipv6(w: &mut World<'_>) {
    w.veth("v0", "v1");
    let key = "net/ipv6/conf/v0/keep_addr_on_down";
    w.sysctl_set(Host, key, "1").unwrap();
    w.set(Host, "v0", Mtu(1279)).unwrap();
    assert_eq!(w.sysctl(Host, key), Err(Errno::ENOENT));
    assert_eq!(w.sysctl(Host, "net/ipv4/conf/v0/rp_filter").unwrap(), "0");
    w.set(Host, "v0", Mtu(1280)).unwrap();
    assert_eq!(w.sysctl(Host, key).unwrap(), "0");
}
