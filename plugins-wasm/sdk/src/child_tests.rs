use super::*;
use crate::IpConfig;
use crate::net::Switch;

fn link(kind: &str, index: u32, parent: Option<u32>) -> LinkInfo {
    LinkInfo {
        index,
        name: "eth0".to_owned(),
        kind: kind.to_owned(),
        mac: None,
        mtu: 1500,
        admin: Switch::On,
        carrier: Switch::On,
        promisc: Switch::Off,
        all_multicast: Switch::Off,
        tx_queue_length: 1000,
        vrf_table: None,
        master: None,
        parent,
        vlan_filtering: Switch::Off,
        port: None,
        alias: None,
        mode: Some("l2".to_owned()),
        vlan_id: None,
    }
}

fn route(to: &str, link: Option<u32>, priority: u32, table: u32) -> RouteInfo {
    let destination: IpNet = to.parse().unwrap();
    RouteInfo {
        destination: destination.into(),
        gateway: None,
        link,
        source: None,
        scope: 0,
        table,
        priority,
        mtu: None,
        advmss: None,
        by_kernel: false,
    }
}

#[test]
fn a_name_is_one_that_a_link_can_have() {
    let parent = |name: &str| Parent::new(name.to_owned(), false);
    assert_eq!(parent("").unwrap().name, None);
    assert_eq!(parent("ens3.5").unwrap().name.as_deref(), Some("ens3.5"));
    for name in ["a/b", "a b", "a:b", "..", "sixteen-octets-x"] {
        let error = parent(name).unwrap_err();
        assert_eq!((error.code, error.details.contains("\"master\"")), (7, true), "{name}");
    }
}

#[test]
fn the_best_default_route_is_the_way_out() {
    let (v4, v6) = ("0.0.0.0/0", "::/0");
    assert_eq!(way_out(&[]), None);
    assert_eq!(way_out(&[route("10.0.0.0/8", Some(2), 0, 254)]), None);
    assert_eq!(way_out(&[route(v4, None, 0, 254), route(v4, Some(2), 0, 100)]), None);
    assert_eq!(way_out(&[route(v6, Some(9), 0, 254)]), Some(9));
    let all =
        [route(v6, Some(9), 0, 254), route(v4, Some(2), 200, 254), route(v4, Some(3), 100, 254)];
    assert_eq!(way_out(&all), Some(3));
    let equal = [route(v4, Some(2), 0, 254), route(v4, Some(3), 0, 254)];
    assert_eq!(way_out(&equal), Some(2), "the first of equals, as the kernel has it");
}

#[test]
fn an_mtu_is_at_most_the_parents() {
    assert_eq!((mtu(0).unwrap(), mtu(1400).unwrap()), (None, Some(1400)));
    assert_eq!(mtu(-1).unwrap_err().code, 7);
    let parent = link("", 2, None);
    assert!(fits(None, &parent).is_ok() && fits(Some(1500), &parent).is_ok());
    let error = fits(Some(1501), &parent).unwrap_err();
    assert_eq!((error.code, error.details.contains("1500")), (7, true), "{}", error.details);
}

#[test]
fn ipvlans_and_macvlans_are_made_beside_their_like() {
    assert_eq!(sits_on("macvlan", &link("", 2, None)), 2);
    assert_eq!(sits_on("macvlan", &link("macvlan", 5, Some(2))), 2);
    assert_eq!(sits_on("ipvlan", &link("ipvlan", 5, Some(2))), 2);
    assert_eq!(sits_on("macvlan", &link("vlan", 5, Some(2))), 5);
    assert_eq!(sits_on("vlan", &link("vlan", 5, Some(2))), 5);
}

#[test]
fn the_result_has_one_interface_and_all_addresses_are_its() {
    let ip = |address: &str| IpConfig {
        interface: None,
        address: address.parse().unwrap(),
        gateway: None,
    };
    let ipam = CniResult { ips: vec![ip("10.0.0.2/24"), ip("fd00::2/64")], ..CniResult::default() };
    let result = result("eth0", "02:00:00:00:00:01".parse().ok(), ipam);
    assert_eq!(result.container_interface("eth0").unwrap().0, CONTAINER);
    assert!(result.ips.iter().all(|ip| ip.interface == Some(CONTAINER)));
    assert_eq!((result.interfaces.len(), result.ips.len()), (1, 2));
}

#[test]
fn a_mode_is_checked_by_its_word() {
    assert!(check_mode(&link("ipvlan", 2, None), "l2").is_ok());
    let error = check_mode(&link("ipvlan", 2, None), "l3").unwrap_err();
    assert_eq!(error.code, 110);
}
