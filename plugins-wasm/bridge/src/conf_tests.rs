//! Each key, each refusal.

use wasmcni_sdk::testing::{arguments, network_request, request};

use super::*;
use wasmcni_sdk::Addresses;

const IPAM: &str = r#""ipam": {"type": "host-local"}"#;

fn read(text: &str) -> Result<Conf, Error> {
    Conf::of(&request(text))
}

fn good(text: &str) -> Conf {
    read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The refusal, which is of code 7 and names the key.
fn refused(text: &str, key: &str) -> String {
    let error = read(text).expect_err(text);
    assert_eq!(error.code, 7, "{text}");
    assert!(error.details.contains(&format!("\"{key}\"")), "{text}: {}", error.details);
    error.details
}

fn ranges(conf: &Conf) -> Vec<(u16, u16)> {
    conf.trunk.iter().map(|r| (r.first, r.last)).collect()
}

#[test]
fn nothing_said_is_the_default() {
    let conf = good("{}");
    assert_eq!(conf.bridge, "cni0");
    assert_eq!((conf.mtu, conf.vlan, conf.mac), (None, None, None));
    let off = [
        conf.is_gateway,
        conf.is_default_gateway,
        conf.force_address,
        conf.ip_masq,
        conf.hairpin,
        conf.promisc,
        conf.vlan_filtering,
        conf.preserve_default_vlan,
        conf.mac_spoof_check,
        conf.enable_dad,
        conf.disable_container_interface,
        conf.port_isolation,
        conf.ipam.is_some(),
        conf.dns.is_set(),
    ];
    assert_eq!(off, [false; 14]);
    assert!(conf.port_vlans().is_empty());
}

#[test]
fn each_switch_is_read() {
    assert!(good(r#"{"isGateway": true}"#).is_gateway);
    assert!(good(r#"{"forceAddress": true}"#).force_address);
    assert!(good(r#"{"hairpinMode": true}"#).hairpin);
    assert!(good(r#"{"promiscMode": true}"#).promisc);
    assert!(good(r#"{"preserveDefaultVlan": true}"#).preserve_default_vlan);
    assert!(good(r#"{"macspoofchk": true}"#).mac_spoof_check);
    assert!(good(r#"{"enabledad": true}"#).enable_dad);
    assert!(good(r#"{"disableContainerInterface": true}"#).disable_container_interface);
    assert!(good(r#"{"portIsolation": true}"#).port_isolation);
    assert!(good(r#"{"ISGATEWAY": true, "isgateway": null}"#).is_gateway, "as Go reads it");
}

#[test]
fn a_default_gateway_is_a_gateway() {
    let conf = good(r#"{"isDefaultGateway": true, "isGateway": false}"#);
    assert!(conf.is_gateway && conf.is_default_gateway);
}

#[test]
fn the_bridge_has_a_name_that_a_link_can_have() {
    assert_eq!(good(r#"{"bridge": "mynet0"}"#).bridge, "mynet0");
    assert_eq!(good(r#"{"bridge": ""}"#).bridge, "cni0");
    assert_eq!(good(r#"{"bridge": "a23456789012345"}"#).bridge.len(), 15);
    for name in ["a234567890123456", "a/b", "a b", "a:b", ".", ".."] {
        refused(&format!(r#"{{"bridge": "{name}"}}"#), "bridge");
    }
}

#[test]
fn mtu_is_octets() {
    assert_eq!(good(r#"{"mtu": 1400}"#).mtu, Some(1400));
    assert_eq!(good(r#"{"mtu": 0}"#).mtu, None);
    refused(r#"{"mtu": -1}"#, "mtu");
    refused(r#"{"mtu": "1400"}"#, "mtu");
}

#[test]
fn masquerade_is_for_addresses() {
    assert!(good(&format!(r#"{{"ipMasq": true, {IPAM}}}"#)).ip_masq);
    assert!(!good(r#"{"ipMasq": true}"#).ip_masq, "no ipam");
    for backend in ["iptables", "nftables"] {
        good(&format!(r#"{{"ipMasq": true, "ipMasqBackend": "{backend}", {IPAM}}}"#));
    }
    good(&format!(r#"{{"ipMasq": true, "ipMasqBackend": null, {IPAM}}}"#));
    refused(&format!(r#"{{"ipMasq": true, "ipMasqBackend": "ipfw", {IPAM}}}"#), "ipMasqBackend");
}

#[test]
fn hairpin_and_promiscuous_mode_exclude_each_other() {
    let details = refused(r#"{"hairpinMode": true, "promiscMode": true}"#, "promiscMode");
    assert!(details.contains("hairpinMode"));
}

#[test]
fn vlan_ids_are_bounded() {
    assert_eq!(good(r#"{"vlan": 4094}"#).vlan, Some(4094));
    assert_eq!(good(r#"{"vlan": 0}"#).vlan, None);
    assert!(good(r#"{"vlan": 1}"#).vlan_filtering);
    refused(r#"{"vlan": 4095}"#, "vlan");
    refused(r#"{"vlan": -1}"#, "vlan");
}

#[test]
fn a_trunk_is_ids_and_ranges() {
    let conf = good(
        r#"{"vlanTrunk": [{"id": 101}, {"minID": 200, "maxID": 299}, {"minID": 5, "maxID": 5, "id": 7}]}"#,
    );
    assert_eq!(ranges(&conf), [(5, 5), (7, 7), (101, 101), (200, 299)]);
    assert!(conf.vlan_filtering);
    let conf = good(r#"{"vlanTrunk": [{"id": 3}, {"minID": 1, "maxID": 2}, {"id": 2}, null, {}]}"#);
    assert_eq!(ranges(&conf), [(1, 3)], "touching and repeated ones are one");
    assert!(good(r#"{"vlanTrunk": []}"#).vlan_filtering, "the bridge is to filter, with no trunk");
    assert!(!good(r#"{"vlanTrunk": null}"#).vlan_filtering);
}

#[test]
fn a_bad_trunk_is_refused() {
    for (entry, key) in [
        (r#"{"id": 0}"#, "vlanTrunk.id"),
        (r#"{"id": 4095}"#, "vlanTrunk.id"),
        (r#"{"id": -3}"#, "vlanTrunk.id"),
        (r#"{"minID": 0, "maxID": 5}"#, "vlanTrunk.minID"),
        (r#"{"minID": 1, "maxID": 4095}"#, "vlanTrunk.maxID"),
        (r#"{"minID": 6, "maxID": 5}"#, "vlanTrunk.maxID"),
        (r#"{"minID": 6}"#, "vlanTrunk.minID"),
        (r#"{"maxID": 6, "id": 3}"#, "vlanTrunk.maxID"),
    ] {
        refused(&format!(r#"{{"vlanTrunk": [{entry}]}}"#), key);
    }
}

#[test]
fn a_port_has_one_untagged_vlan() {
    let tags = |text| {
        let all = good(text).port_vlans();
        all.iter().map(|r| (r.first, r.last, !r.tagging.is_empty())).collect::<Vec<_>>()
    };
    assert_eq!(tags(r#"{"vlan": 100}"#), [(100, 100, true)]);
    assert_eq!(tags(r#"{"vlanTrunk": [{"id": 7}]}"#), [(1, 1, true), (7, 7, false)]);
    assert_eq!(tags(r#"{"vlanTrunk": [{"minID": 1, "maxID": 7}]}"#), [(1, 7, false)]);
    assert_eq!(
        tags(r#"{"vlan": 5, "vlanTrunk": [{"minID": 4, "maxID": 6}]}"#),
        [(5, 5, true), (4, 4, false), (6, 6, false)]
    );
    assert_eq!(tags(r#"{"vlan": 4, "vlanTrunk": [{"id": 4}]}"#), [(4, 4, true)]);
    assert_eq!(tags(r#"{"vlanTrunk": []}"#), []);
}

#[test]
fn a_gateway_in_a_vlan_has_a_link_of_its_own() {
    assert_eq!(good(r#"{"vlan": 100, "isGateway": true}"#).gateway_link().unwrap(), "cni0.100");
    assert_eq!(good(r#"{"vlan": 100}"#).gateway_link(), None);
    assert_eq!(good(r#"{"isGateway": true}"#).gateway_link(), None);
    let long = r#""bridge": "bridge678901", "vlan": 100"#;
    good(&format!(r#"{{{long}, {IPAM}}}"#));
    good(&format!(r#"{{{long}, "isGateway": true}}"#));
    refused(&format!(r#"{{{long}, "isGateway": true, {IPAM}}}"#), "vlan");
}

#[test]
fn an_interface_that_is_down_has_no_ipam() {
    let text = format!(r#"{{"disableContainerInterface": true, {IPAM}}}"#);
    refused(&text, "disableContainerInterface");
}

#[test]
fn no_addresses_need_a_version_that_can_tell_so() {
    let old = |text| Request { addresses: Addresses::OnePerFamily, ..request(text) };
    for text in ["{}", r#"{"ipam": {}}"#, r#"{"ipam": {"type": ""}}"#] {
        let error = Conf::of(&old(text)).unwrap_err();
        assert_eq!(error.code, 7);
        assert!(error.details.contains("ipam.type"), "{}", error.details);
        good(text);
    }
    Conf::of(&old(&format!("{{{IPAM}}}"))).unwrap();
}

#[test]
fn the_mac_has_three_sources() {
    let mac = |text: &str, args| {
        let request = Request { arguments: arguments(args), ..request(text) };
        Conf::of(&request).map(|conf| conf.mac.map(|m| m.to_string()).unwrap_or_default())
    };
    let [a, b, c] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"];
    let args = format!(r#""args": {{"cni": {{"mac": "{b}"}}}}"#);
    let runtime = format!(r#""runtimeConfig": {{"mac": "{c}"}}"#);
    let given = format!("MAC={a}");
    assert_eq!(mac("{}", "").unwrap(), "");
    assert_eq!(mac("{}", &given).unwrap(), a);
    assert_eq!(mac(&format!("{{{args}}}"), &given).unwrap(), b);
    assert_eq!(mac(&format!("{{{args}, {runtime}}}"), &given).unwrap(), c);
    assert_eq!(mac("{}", "MAC=x").unwrap_err().code, 4);
    assert_eq!(mac(r#"{"runtimeConfig": {"mac": "x"}}"#, "").unwrap_err().code, 7);
}

#[test]
fn unknown_arguments_are_refused() {
    let conf = |args| Conf::of(&Request { arguments: arguments(args), ..request("{}") });
    assert_eq!(conf("A=b").unwrap_err().code, 4);
    conf("A=b;IgnoreUnknown=1").unwrap();
    assert_eq!(conf("A").unwrap_err().code, 4);
}

#[test]
fn unknown_keys_are_ignored() {
    good(r#"{"capabilities": {"mac": true}, "uplink": 3, "name": "n", "type": "bridge"}"#);
}

#[test]
fn gc_and_status_need_no_attachment() {
    let conf = Conf::of_network(&network_request(&format!(r#"{{"bridge": "b", {IPAM}}}"#)));
    assert_eq!(conf.unwrap().ipam.kind, "host-local");
}

#[test]
fn a_del_takes_down_what_the_configuration_says() {
    fn down(text: &str) -> Teardown {
        Teardown::of(&Request { arguments: Err("bad".to_owned()), ..request(text) })
    }
    let some = Ipam { kind: "host-local".to_owned() };
    let all = |ipam| Teardown { ipam, ip_masq: true, mac_spoof_check: true };
    let text = format!(r#"{{"ipMasq": true, "macspoofchk": true, "vlan": "bad", {IPAM}}}"#);
    assert_eq!(down(&text), all(some.clone()));
    let nothing = Teardown { ipam: Ipam::default(), ip_masq: false, mac_spoof_check: false };
    assert_eq!(down("{}"), nothing);
    assert_eq!(down(&format!(r#"{{"ipMasq": "bad", {IPAM}}}"#)), all(some), "what it may be");
    assert_eq!(down(r#"{"ipam": "bad"}"#), nothing);
}
