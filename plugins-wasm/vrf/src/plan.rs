//! What a VRF's table is, and what an interface gets back that joined one. Nothing here touches the kernel.

use wasmcni_sdk::Error;
use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::net::{AddressInfo, LinkInfo, RouteInfo, RouteSpec};

/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;

/// `RT_TABLE_DEFAULT` to `RT_TABLE_LOCAL`: the kernel's own.
const RESERVED: std::ops::RangeInclusive<u32> = 253..=255;

/// The lowest table that no VRF has.
pub(crate) fn free_table(links: &[LinkInfo]) -> Option<u32> {
    let used = |table: &u32| {
        RESERVED.contains(table) || links.iter().any(|link| link.vrf_table == Some(*table))
    };
    (1..u32::MAX).find(|table| !used(table))
}

/// Whether a link is in the VRF with this index.
pub(crate) fn has_members(links: &[LinkInfo], vrf: u32) -> bool {
    links.iter().any(|link| link.master == Some(vrf))
}

/// The addresses that are gone. A link that goes down loses its IPv6 ones unless `keep_addr_on_down` says
/// otherwise. What is not of global scope the kernel makes anew.
pub(crate) fn lost(before: &[AddressInfo], after: &[AddressInfo]) -> Result<Vec<IpNet>, Error> {
    let global = |all: &[AddressInfo]| {
        let of_scope = all.iter().filter(|address| address.scope == 0);
        of_scope.map(|a| IpNet::try_from(a.address)).collect::<Result<Vec<IpNet>, Error>>()
    };
    let after = global(after)?;
    let mut lost = global(before)?;
    lost.retain(|address| !after.contains(address));
    Ok(lost)
}

/// The link's routes that the kernel does not make itself, as they are to be once the link is in the VRF:
/// those of the main table in the VRF's. The networks come before the gateways in them.
pub(crate) fn routes(before: &[RouteInfo], link: u32, table: u32) -> Vec<RouteSpec> {
    let own = before.iter().filter(|route| route.link == Some(link) && !route.by_kernel);
    let spec = |route: &RouteInfo| RouteSpec {
        destination: route.destination,
        gateway: route.gateway,
        source: route.source,
        scope: Some(route.scope),
        table: Some(if route.table == MAIN { table } else { route.table }),
        priority: Some(route.priority),
        mtu: route.mtu,
        advmss: route.advmss,
    };
    let mut routes: Vec<RouteSpec> = own.map(spec).collect();
    routes.sort_by_key(|route| route.gateway.is_some());
    routes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use wasmcni_sdk::net::Switch;

    fn link(table: Option<u32>, master: Option<u32>) -> LinkInfo {
        LinkInfo {
            index: 1,
            name: String::new(),
            kind: String::new(),
            mac: None,
            mtu: 1500,
            admin: Switch::On,
            carrier: Switch::On,
            promisc: Switch::Off,
            all_multicast: Switch::Off,
            tx_queue_length: 1000,
            master,
            parent: None,
            vlan_filtering: Switch::Off,
            port: None,
            vrf_table: table,
            mode: None,
            vlan_id: None,
            alias: None,
        }
    }

    #[test]
    fn the_lowest_table_that_no_vrf_has_is_chosen() {
        let of = |tables: &[u32]| {
            free_table(&tables.iter().map(|t| link(Some(*t), None)).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), Some(1));
        assert_eq!(of(&[2, 1, 4]), Some(3));
        assert_eq!(of(&[2]), Some(1));
        assert_eq!(of(&(1..253).collect::<Vec<_>>()), Some(256));
    }

    #[test]
    fn members_are_those_whose_master_it_is() {
        assert!(has_members(&[link(None, None), link(None, Some(7))], 7));
        assert!(!has_members(&[link(None, Some(8)), link(Some(7), None)], 7));
    }

    fn address(text: &str, scope: u8) -> AddressInfo {
        let address: IpNet = text.parse().unwrap();
        AddressInfo { address: address.into(), tentative: Switch::Off, scope }
    }

    #[test]
    fn global_addresses_that_are_gone_are_given_back() {
        let before = [
            address("10.0.0.2/24", 0),
            address("fd00::2/64", 0),
            address("fd00::3/64", 0),
            address("fe80::1/64", 253),
        ];
        let after = [address("10.0.0.2/24", 0), address("fd00::3/64", 0)];
        assert_eq!(lost(&before, &after).unwrap(), ["fd00::2/64".parse().unwrap()]);
    }

    #[test]
    fn routes_follow_into_the_table() {
        let route = |to: &str, via: Option<&str>, table, by_kernel, link| RouteInfo {
            destination: to.parse::<IpNet>().unwrap().into(),
            gateway: via.map(|via| via.parse::<IpAddr>().unwrap().into()),
            link: Some(link),
            source: None,
            scope: 0,
            table,
            priority: 5,
            mtu: Some(1400),
            advmss: None,
            by_kernel,
        };
        let before = [
            route("10.9.0.0/16", Some("10.0.0.1"), MAIN, false, 2),
            route("10.0.0.0/24", None, MAIN, true, 2),
            route("10.8.0.0/16", None, MAIN, false, 2),
            route("10.7.0.0/16", None, 77, false, 2),
            route("10.6.0.0/16", None, MAIN, false, 3),
        ];
        let routes = routes(&before, 2, 9);
        let told: Vec<_> = routes
            .iter()
            .map(|r| (IpNet::try_from(r.destination).unwrap().to_string(), r.table, r.mtu))
            .collect();
        let expected = [("10.8.0.0/16", 9), ("10.7.0.0/16", 77), ("10.9.0.0/16", 9)];
        assert_eq!(told, expected.map(|(to, t)| (to.to_owned(), Some(t), Some(1400))));
    }
}
