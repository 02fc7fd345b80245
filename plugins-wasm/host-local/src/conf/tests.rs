use wasmcni_sdk::testing::{arguments, network_request, request};

use super::*;

fn read(text: &str) -> Conf {
    Conf::of(&request(text)).unwrap()
}

fn refused(text: &str) -> String {
    let error = Conf::of(&request(text)).unwrap_err();
    assert_eq!(error.code, 7, "{error}");
    error.details
}

fn keys(conf: &Conf) -> Vec<&str> {
    conf.sets.iter().map(|set| set.key.as_str()).collect()
}

fn addresses(conf: &Conf) -> Vec<String> {
    conf.requested.iter().map(|requested| requested.address.to_string()).collect()
}

#[test]
fn every_key_is_read() {
    let conf = read(
        r#"{"cniVersion": "0.3.1", "name": "a", "type": "bridge", "ipam": {"type": "host-local",
            "subnet": "10.10.0.0/16", "rangeStart": "10.10.1.20", "rangeEnd": "10.10.3.50",
            "gateway": "10.10.0.254",
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.10.5.1"}],
            "dataDir": "/var/my-orchestrator/container-ipam-state", "resolvConf": "/etc/resolv.conf"}}"#,
    );
    assert_eq!(conf.place, Place(Some("/var/my-orchestrator/container-ipam-state".to_owned())));
    assert_eq!(conf.resolv_conf.as_deref(), Some("/etc/resolv.conf"));
    assert_eq!(conf.routes.len(), 2);
    assert_eq!(conf.routes[1].gateway, "10.10.5.1".parse().ok());
    let pool = &conf.sets[0].pools[0];
    assert_eq!(pool.start.to_string(), "10.10.1.20");
    assert_eq!(pool.end.to_string(), "10.10.3.50");
    assert_eq!(pool.gateway.to_string(), "10.10.0.254");

    let conf = read(
        r#"{"ipam": {"type": "host-local", "subnet": "3ffe:ffff:0:01ff::/64",
            "rangeStart": "3ffe:ffff:0:01ff::0010", "rangeEnd": "3ffe:ffff:0:01ff::0020",
            "routes": [{"dst": "3ffe:ffff:0:01ff::1/64"}]}}"#,
    );
    assert_eq!(conf.sets[0].pools[0].start.to_string(), "3ffe:ffff:0:1ff::10");
    assert_eq!((conf.place, conf.resolv_conf), (Place(None), None));
}

#[test]
fn the_runtimes_sets_come_first_then_the_single_range() {
    let conf = read(
        r#"{"ipam": {"subnet": "10.2.0.0/24", "ranges": [
                [{"subnet": "10.3.0.0/24"}, {"subnet": "10.4.0.0/24"}], [{"subnet": "fd00::/64"}]]},
            "runtimeConfig": {"ipRanges": [[{"subnet": "10.1.0.0/24"}]]}}"#,
    );
    assert_eq!(
        keys(&conf),
        ["runtimeConfig.ipRanges[0]", "ipam", "ipam.ranges[0]", "ipam.ranges[1]"]
    );
    assert_eq!(conf.sets[2].pools.len(), 2);
    assert!(!conf.sets[3].is_ipv4());
}

#[test]
fn a_single_range_without_a_subnet_is_none() {
    let text = r#"{"ipam": {"gateway": "10.1.0.1", "ranges": [[{"subnet": "10.3.0.0/24"}]]}}"#;
    assert_eq!(keys(&read(text)), ["ipam.ranges[0]"]);
}

#[test]
fn keys_are_read_as_go_reads_them() {
    let conf = read(
        r#"{"IPAM": {"Subnet": "10.2.0.0/24", "rangestart": "10.2.0.9", "ranges": null, "routes": null,
            "gateway": "", "dataDir": null}, "args": null, "runtimeConfig": {"IPRanges": null, "ips": null}}"#,
    );
    assert_eq!(conf.sets[0].pools[0].start.to_string(), "10.2.0.9");
    assert_eq!(conf.place, Place(None));
}

#[test]
fn requests_of_all_sources_add_up() {
    let text = r#"{"ipam": {"subnet": "10.2.0.0/24"}, "args": {"cni": {"ips": ["10.2.0.6", "10.2.0.5/16"]}},
        "runtimeConfig": {"ips": ["fd00::1/64", "10.2.0.6/24", "::ffff:10.2.0.7"]}}"#;
    let with_ip = |ip: &str| Request {
        arguments: arguments(&format!("IP={ip};IgnoreUnknown=1;K8S_POD_NAME=x")),
        ..request(text)
    };
    let conf = Conf::of(&with_ip("10.2.0.5")).unwrap();
    assert_eq!(addresses(&conf), ["10.2.0.5", "10.2.0.6", "fd00::1", "10.2.0.7"]);
    assert_eq!(addresses(&Conf::of(&with_ip("10.2.0.9/24")).unwrap())[0], "10.2.0.9");
    assert_eq!(addresses(&Conf::of(&with_ip("")).unwrap()).len(), 4);

    let error = Conf::of(&with_ip("10.2.0.5,10.2.0.6")).unwrap_err();
    assert_eq!(error.code, 4);
    assert_eq!(
        error.details,
        "reading CNI_ARGS: got IP=\"10.2.0.5,10.2.0.6\": write an IP address"
    );
    assert!(
        refused(r#"{"ipam": {"subnet": "10.2.0.0/24"}, "runtimeConfig": {"ips": [""]}}"#)
            .starts_with("reading \"runtimeConfig.ips\": got \"\"")
    );
    let unknown = Request { arguments: arguments("MAC=x"), ..request(text) };
    assert_eq!(Conf::of(&unknown).unwrap_err().code, 4);
}

#[test]
fn what_cannot_be_is_refused() {
    // As it stands in the field: configs that the reference refuses, too.
    let text = r#"{"cniVersion": "0.3.1", "type": "IGNORED", "name": "a",
        "ipam": {"type": "host-local", "subnet": "10.1.2.3/24"}}"#;
    assert_eq!(
        refused(text),
        "reading \"ipam.subnet\": got \"10.1.2.3/24\": host bits are set: write \"10.1.2.0/24\""
    );
    assert!(refused("{}").starts_with("reading \"ipam\": missing"));
    assert!(refused(r#"{"ipam": {}}"#).starts_with("reading \"ipam.ranges\": missing"));
    assert!(refused(r#"{"ipam": {"ranges": [[]]}}"#).contains("\"ipam.ranges[0]\": missing"));
    assert!(
        refused(r#"{"ipam": {"ranges": [[{}]]}}"#)
            .contains("\"ipam.ranges[0][0].subnet\": missing")
    );
    assert!(refused(r#"{"ipam": {"subnet": "x"}}"#).contains("subnet"));
    assert!(refused(r#"{"ipam": {"subnet": "10.1.2.0/24", "gateway": "x"}}"#).contains("gateway"));
    assert!(refused(r#"{"ipam": {"subnet": "10.1.2.0/24", "routes": [{}]}}"#).contains("dst"));
    let overlap = r#"{"ipam": {"subnet": "10.1.0.0/16", "ranges": [[{"subnet": "fd00::/64"}],
        [{"subnet": "10.1.9.0/24"}]]}}"#;
    assert_eq!(
        refused(overlap),
        "reading \"ipam.ranges[1]\": got \"10.1.9.0/24\": overlaps with \"ipam\""
    );
}

#[test]
fn a_second_set_of_a_family_needs_a_version_that_can_tell_it() {
    let read = |text: &str, addresses| Conf::of(&Request { addresses, ..request(text) });
    let two = r#"{"ipam": {"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}]]}}"#;
    assert!(read(two, Addresses::Any).is_ok());
    let error = read(two, Addresses::OnePerFamily).unwrap_err();
    assert!(error.code == 7 && error.details.contains("0.3.0"), "{error}");
    let dual = r#"{"ipam": {"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]]}}"#;
    assert!(read(dual, Addresses::OnePerFamily).is_ok());
}

#[test]
fn a_network_may_wait_for_the_runtimes_ranges() {
    assert_eq!(keys(&Conf::of_network(&network_request(r#"{"ipam": {}}"#)).unwrap()).len(), 0);
    assert!(Conf::of_network(&network_request(r#"{"ipam": {"subnet": "10.1.2.3/24"}}"#)).is_err());
}

#[test]
fn the_place_is_found_in_broken_configurations() {
    let place = |text: &str| Place::of(&request(text).configuration().unwrap());
    let broken = r#"{"ipam": {"dataDir": "/d", "subnet": "x", "ranges": 5, "routes": "y"}}"#;
    assert_eq!(place(broken), Place(Some("/d".to_owned())));
    for text in ["{}", r#"{"ipam": null}"#, r#"{"ipam": {"dataDir": ""}}"#] {
        assert_eq!(place(text), Place(None), "{text}");
    }
}
