//! E19, E34, E35: results in every version.

use super::super::result::{CniResult, Dns, Interface, IpConfig, Route};
use super::super::{Code, Family, can_convert};
use super::*;
use go_json::Node;

/// A result with everything in it.
fn full() -> CniResult {
    let link = |name: &str, sandbox: Option<&str>| Interface {
        name: name.to_owned(),
        mac: Some("00:00:5e:00:53:01".to_owned()),
        mtu: Some(1450),
        sandbox: sandbox.map(str::to_owned),
        socket_path: Some("/run/vhost.sock".to_owned()),
        pci_id: Some("0000:00:01.0".to_owned()),
    };
    let ip = |address: &str, gateway: &str| IpConfig {
        interface: Some(1),
        address: address.parse().unwrap(),
        gateway: Some(gateway.parse().unwrap()),
    };
    CniResult {
        interfaces: vec![link("cni0", None), link("eth0", Some("/run/netns/c1"))],
        ips: vec![
            ip("fd00::5/64", "fd00::1"),
            ip("10.1.0.5/16", "10.1.0.1"),
            ip("10.2.0.5/16", "10.2.0.1"),
        ],
        routes: vec![
            Route { gw: Some("10.1.0.1".parse().unwrap()), ..route("0.0.0.0/0") },
            Route {
                mtu: Some(1400),
                advmss: Some(1360),
                priority: Some(100),
                table: Some(0),
                scope: Some(0),
                ..route("fd01::7/64")
            },
        ],
        dns: Dns { nameservers: vec!["10.1.0.1".to_owned()], ..Dns::default() },
    }
}

fn route(dst: &str) -> Route {
    Route {
        dst: dst.parse().unwrap(),
        gw: None,
        mtu: None,
        advmss: None,
        priority: None,
        table: None,
        scope: None,
    }
}

fn with_one_ip() -> CniResult {
    let ip = IpConfig { interface: None, address: "10.1.0.5/16".parse().unwrap(), gateway: None };
    CniResult { ips: vec![ip], ..CniResult::default() }
}

fn compact(result: &CniResult, version: SpecVersion) -> String {
    result.to_node(version).unwrap().to_json_string()
}

/// The same JSON without white space.
fn squeeze(text: &str) -> String {
    Node::parse(text).unwrap().to_json_string()
}

const FULL_V020: &str = r#"
    "ip4": {"ip": "10.1.0.5/16", "gateway": "10.1.0.1",
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}]},
    "ip6": {"ip": "fd00::5/64", "gateway": "fd00::1", "routes": [{"dst": "fd01::7/64"}]},
    "dns": {"nameservers": ["10.1.0.1"]}"#;

const FULL_V040: &str = r#"
    "interfaces": [
        {"name": "cni0", "mac": "00:00:5e:00:53:01"},
        {"name": "eth0", "mac": "00:00:5e:00:53:01", "sandbox": "/run/netns/c1"}],
    "ips": [
        {"version": "6", "interface": 1, "address": "fd00::5/64", "gateway": "fd00::1"},
        {"version": "4", "interface": 1, "address": "10.1.0.5/16", "gateway": "10.1.0.1"},
        {"version": "4", "interface": 1, "address": "10.2.0.5/16", "gateway": "10.2.0.1"}],
    "routes": [
        {"dst": "0.0.0.0/0", "gw": "10.1.0.1"},
        {"dst": "fd01::7/64", "mtu": 1400, "advmss": 1360, "priority": 100, "table": 0,
         "scope": 0}],
    "dns": {"nameservers": ["10.1.0.1"]}"#;

const FULL_V100: &str = r#"
    "interfaces": [
        {"name": "cni0", "mac": "00:00:5e:00:53:01", "mtu": 1450,
         "socketPath": "/run/vhost.sock", "pciID": "0000:00:01.0"},
        {"name": "eth0", "mac": "00:00:5e:00:53:01", "mtu": 1450, "sandbox": "/run/netns/c1",
         "socketPath": "/run/vhost.sock", "pciID": "0000:00:01.0"}],
    "ips": [
        {"interface": 1, "address": "fd00::5/64", "gateway": "fd00::1"},
        {"interface": 1, "address": "10.1.0.5/16", "gateway": "10.1.0.1"},
        {"interface": 1, "address": "10.2.0.5/16", "gateway": "10.2.0.1"}],
    "routes": [
        {"dst": "0.0.0.0/0", "gw": "10.1.0.1"},
        {"dst": "fd01::7/64", "mtu": 1400, "advmss": 1360, "priority": 100, "table": 0,
         "scope": 0}],
    "dns": {"nameservers": ["10.1.0.1"]}"#;

#[test]
fn e19_every_version_has_its_own_number_and_the_shape_of_its_family() {
    for version in SpecVersion::ALL {
        let body = match version.family() {
            Family::V020 => FULL_V020,
            Family::V040 => FULL_V040,
            Family::V100 => FULL_V100,
        };
        let expected = squeeze(&format!(r#"{{"cniVersion": "{version}", {body}}}"#));
        assert_eq!(compact(&full(), version), expected);
    }
}

#[test]
fn empty_lists_are_omitted_and_empty_dns_is_written_before_1_0_0() {
    for version in SpecVersion::ALL {
        let body = match version.family() {
            Family::V020 => r#""ip4":{"ip":"10.1.0.5/16"},"dns":{}"#,
            Family::V040 => r#""ips":[{"version":"4","address":"10.1.0.5/16"}],"dns":{}"#,
            Family::V100 => r#""ips":[{"address":"10.1.0.5/16"}]"#,
        };
        let text = format!(r#"{{"cniVersion":"{version}",{body}}}"#);
        assert_eq!(compact(&with_one_ip(), version), text);
    }
    assert_eq!(compact(&CniResult::default(), SpecVersion::V1_1_0), r#"{"cniVersion":"1.1.0"}"#);
}

#[test]
fn a_result_as_it_is_written() {
    assert_eq!(
        with_one_ip().to_json(SpecVersion::V1_0_0).unwrap(),
        "{\n    \"cniVersion\": \"1.0.0\",\n    \"ips\": [\n        {\n            \"address\": \
         \"10.1.0.5/16\"\n        }\n    ]\n}"
    );
}

/// What is left of a result after it was written in `version` and read again.
fn through(version: SpecVersion, result: &CniResult) -> CniResult {
    let node = result.to_node(version).unwrap();
    let read = CniResult::from_prev_result(&node, version).unwrap();
    assert_eq!(read, CniResult::from_delegate(&node.to_string(), SpecVersion::V0_1_0).unwrap());
    read
}

#[test]
fn a_result_survives_writing_and_reading_as_far_as_the_version_goes() {
    for version in SpecVersion::ALL {
        let mut expected = full();
        if version.family() != Family::V100 {
            for link in &mut expected.interfaces {
                (link.mtu, link.socket_path, link.pci_id) = (None, None, None);
            }
        }
        if version.family() == Family::V020 {
            expected.interfaces.clear();
            // The IPv4 address comes first, the second one is lost, and so are the routes' extras.
            expected.ips.truncate(2);
            expected.ips.reverse();
            for ip in &mut expected.ips {
                ip.interface = None;
            }
            let gw = expected.routes[0].gw;
            expected.routes = vec![Route { gw, ..route("0.0.0.0/0") }, route("fd01::7/64")];
        }
        assert_eq!(through(version, &full()), expected, "{version}");
    }
}

#[test]
fn routes_without_an_address_of_their_family_are_lost_in_0_2_0() {
    let result = CniResult { routes: full().routes, ..with_one_ip() };
    let routes = through(SpecVersion::V0_2_0, &result).routes;
    assert_eq!(routes.len(), 1);
    assert_eq!(routes[0].dst, "0.0.0.0/0".parse().unwrap());
}

#[test]
fn e34_a_result_without_address_has_no_old_form() {
    let l2 = CniResult { ips: vec![], ..full() };
    for version in SpecVersion::ALL {
        let old = version.family() == Family::V020;
        assert_eq!(can_convert(version, false).is_err(), old, "{version}");
        assert!(can_convert(version, true).is_ok());
        let answer = l2.to_json(version);
        assert_eq!(answer.is_err(), old, "{version}");
        if let Err(error) = answer {
            assert!(error.is(Code::IncompatibleVersion));
            let details = format!("converting result to \"{version}\": it has no address");
            assert_eq!(error.details, details);
        }
    }
}

#[test]
fn e35_a_delegates_result_may_be_null_or_without_version() {
    for config in SpecVersion::ALL {
        assert_eq!(CniResult::from_delegate("null", config), Ok(CniResult::default()));
        assert_eq!(CniResult::from_delegate("{}", config), Ok(CniResult::default()));
        for version in ["", r#""cniVersion":"","#, r#""cniVersion":null,"#] {
            let own = compact(&with_one_ip(), config);
            let label = format!(r#""cniVersion":"{config}","#);
            let text = own.replace(&label, version);
            assert_ne!(own, text);
            assert_eq!(CniResult::from_delegate(&text, config), Ok(with_one_ip()), "{text}");
        }
        for version in SpecVersion::ALL {
            let text = compact(&with_one_ip(), version);
            assert_eq!(CniResult::from_delegate(&text, config), Ok(with_one_ip()), "{text}");
        }
        for (text, code) in [
            (r#"{"cniVersion": "9.0.0"}"#, 1),
            (r#"{"cniVersion": 1}"#, 6),
            ("", 6),
            ("[]", 6),
            ("{} {}", 6),
        ] {
            assert_eq!(CniResult::from_delegate(text, config).unwrap_err().code, code, "{text}");
        }
    }
}

fn read(text: &str) -> CniResult {
    CniResult::from_delegate(text, SpecVersion::LATEST).unwrap()
}

#[test]
fn empty_texts_and_zeros_are_none_but_table_and_scope_0_are_kept() {
    let result = read(
        r#"{"interfaces": [{"name": "eth0", "mac": "", "mtu": 0, "sandbox": "", "pciID": null}],
            "ips": [{"address": "10.0.0.5/24", "gateway": "", "interface": null}],
            "routes": [{"dst": "10.0.0.0/8", "gw": "", "mtu": 0, "advmss": 0, "priority": 0,
                        "table": 0, "scope": 0}], "dns": null}"#,
    );
    let expected = r#"{"cniVersion": "1.1.0", "interfaces": [{"name": "eth0"}],
        "ips": [{"address": "10.0.0.5/24"}],
        "routes": [{"dst": "10.0.0.0/8", "table": 0, "scope": 0}]}"#;
    assert_eq!(compact(&result, SpecVersion::LATEST), squeeze(expected));
}

#[test]
fn addresses_are_read_as_go_reads_them() {
    for (text, kept) in [
        ("10.1.0.5/16", "10.1.0.5/16"),
        ("10.1.0.5/32", "10.1.0.5/32"),
        ("FD00::0:5/64", "fd00::5/64"),
        ("::ffff:10.0.0.1/120", "10.0.0.1/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ] {
        let result = read(&format!(
            r#"{{"ips": [{{"address": "{text}", "gateway": "::ffff:10.0.0.1"}}],
                 "routes": [{{"dst": "{text}"}}]}}"#
        ));
        assert_eq!(result.ips[0].address.to_string(), kept);
        assert_eq!(result.ips[0].gateway.unwrap().to_string(), "10.0.0.1");
        assert_eq!(result.routes[0].dst.to_string(), kept, "host bits of a route are kept");
    }
    for wrong in [
        "",
        "10.0.0.1",
        "10.0.0.1/33",
        "10.0.0/8",
        "10.0.0.01/8",
        "10.0.0.1/+8",
        "10.0.0.1/",
        "::ffff:10.0.0.1/8",
    ] {
        let text = format!(r#"{{"ips": [{{"address": "{wrong}"}}]}}"#);
        let error = CniResult::from_delegate(&text, SpecVersion::LATEST).unwrap_err();
        assert_eq!(error.code, 6);
        assert!(error.details.contains(&format!("{wrong:?}")), "{error}");
    }
    for wrong in ["10.0.0.1/8", "fe80::1%eth0", "x"] {
        let text = format!(r#"{{"ips": [{{"address": "10.0.0.5/8", "gateway": "{wrong}"}}]}}"#);
        let error = CniResult::from_delegate(&text, SpecVersion::LATEST).unwrap_err();
        assert_eq!(
            error.details,
            format!("reading \"ips[0].gateway\": {wrong:?} is not an address")
        );
    }
}

#[test]
fn wrong_kinds_are_errors() {
    for text in [
        r#"{"interfaces": {}}"#,
        r#"{"interfaces": [{"mtu": -1}]}"#,
        r#"{"ips": [{}]}"#,
        r#"{"ips": [{"address": "10.0.0.5/24", "interface": -1}]}"#,
        r#"{"routes": [{"gw": "10.0.0.1"}]}"#,
        r#"{"routes": [{"dst": "10.0.0.0/8", "scope": 256}]}"#,
        r#"{"dns": []}"#,
        r#"{"dns": {"nameservers": "10.0.0.1"}}"#,
    ] {
        let answer = CniResult::from_delegate(text, SpecVersion::LATEST);
        assert_eq!(answer.unwrap_err().code, 6, "{text}");
    }
}

#[test]
fn a_1_0_0_shape_labelled_0_4_0_is_read() {
    // Upstream's loopback writes this.
    let node =
        Node::parse(r#"{"cniVersion": "0.4.0", "ips": [{"address": "127.0.0.1/8"}]}"#).unwrap();
    let result = CniResult::from_prev_result(&node, SpecVersion::V0_4_0).unwrap();
    assert_eq!(result.ips[0].address, "127.0.0.1/8".parse().unwrap());
}
