//! What each key means, and which place counts.

use super::*;
use wasmcni_sdk::testing::{arguments, request};

fn read(text: &str) -> Result<Conf, Error> {
    Conf::read(&request(text))
}

const NOTHING: Conf = Conf {
    sysctls: Vec::new(),
    mac: None,
    promisc: None,
    mtu: None,
    all_multicast: None,
    tx_queue_length: None,
};

#[test]
fn nothing_said_is_nothing_changed() {
    for text in [
        "{}",
        r#"{"sysctl": {}, "mac": "", "mtu": 0, "args": {"cni": {}}, "runtimeConfig": {}}"#,
        r#"{"sysctl": null, "mac": null, "promisc": null, "mtu": null, "allmulti": null,
            "txQLen": null, "args": null, "runtimeConfig": null}"#,
    ] {
        assert_eq!(read(text).unwrap(), NOTHING, "{text}");
        assert!(!read(text).unwrap().changes_link());
    }
}

#[test]
fn each_key_is_read() {
    let conf = read(
        r#"{"sysctl": {"net.core.somaxconn": "500"}, "mac": "02:00:00:00:00:01", "promisc": true,
            "mtu": 1400, "AllMulti": false, "txqlen": 0}"#,
    )
    .unwrap();
    let sysctl = Sysctl {
        written: "net.core.somaxconn".to_owned(),
        key: "net/core/somaxconn".to_owned(),
        value: "500".to_owned(),
    };
    let expected = Conf {
        sysctls: vec![sysctl],
        mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        promisc: Some(true),
        mtu: Some(1400),
        all_multicast: Some(false),
        tx_queue_length: Some(0),
    };
    assert_eq!(conf, expected);
    assert!(conf.changes_link());
}

#[test]
fn arguments_are_over_all_else() {
    let conf = read(
        r#"{"promisc": true, "mtu": 1400, "allmulti": true, "txQLen": 5, "sysctl": {"net.a": "1"},
            "args": {"cni": {"promisc": false, "mtu": 1300, "allmulti": false, "txQLen": 6,
                             "sysctl": {"net.a": "2"}}}}"#,
    )
    .unwrap();
    assert_eq!((conf.promisc, conf.mtu), (Some(false), Some(1300)));
    assert_eq!((conf.all_multicast, conf.tx_queue_length), (Some(false), Some(6)));
    assert_eq!(conf.sysctls[0].value, "2");
    assert_eq!(read(r#"{"mtu": 1400, "args": {"cni": {"mtu": 0}}}"#).unwrap().mtu, None);
    // The reference plugin panics without a `sysctl` of the configuration's own.
    assert_eq!(read(r#"{"args": {"cni": {"sysctl": {"net.a": "2"}}}}"#).unwrap().sysctls.len(), 1);
}

#[test]
fn of_four_addresses_the_nearest_counts() {
    let [a, b, c, d] = [1, 2, 3, 4].map(|n| format!("02:00:00:00:00:0{n}"));
    let of = |conf: &str, argument: &str, runtime: &str, args: Option<&str>| {
        let args = args.map_or("null".to_owned(), |mac| format!("{mac:?}"));
        let text = format!(
            r#"{{"mac": "{conf}", "runtimeConfig": {{"mac": "{runtime}"}},
                 "args": {{"cni": {{"mac": {args}}}}}}}"#
        );
        let request = Request { arguments: arguments(argument), ..request(&text) };
        Conf::read(&request).map(|conf| conf.mac.map(|mac| mac.to_string()).unwrap_or_default())
    };
    let argument = format!("MAC={b}");
    assert_eq!(of(&a, "", "", None).unwrap(), a);
    assert_eq!(of(&a, &argument, "", None).unwrap(), b);
    assert_eq!(of(&a, &argument, &c, None).unwrap(), c);
    assert_eq!(of(&a, &argument, &c, Some(&d)).unwrap(), d);
    assert_eq!(of(&a, &argument, &c, Some("")).unwrap(), "");
    for (place, error) in [
        ("\"mac\"", of("x", "", "", None)),
        ("CNI_ARGS", of(&a, "MAC=x", "", None)),
        ("\"runtimeConfig.mac\"", of(&a, "", "x", None)),
        ("\"args.cni.mac\"", of(&a, "", &c, Some("x"))),
    ] {
        let error = error.unwrap_err();
        assert!(error.details.contains(place), "{place}: {error}");
        assert_eq!(error.code, if place == "CNI_ARGS" { 4 } else { 7 });
    }
}

#[test]
fn wrong_values_are_refused_by_name() {
    for (text, key) in [
        (r#"{"mtu": -1}"#, "mtu"),
        (r#"{"mtu": "x"}"#, "mtu"),
        (r#"{"txQLen": -1}"#, "txQLen"),
        (r#"{"txQLen": 4294967296}"#, "txQLen"),
        (r#"{"promisc": "yes"}"#, "promisc"),
        (r#"{"allmulti": 1}"#, "allmulti"),
        (r#"{"args": {"cni": {"mtu": -1}}}"#, "args.cni.mtu"),
        (r#"{"args": {"cni": {"txQLen": -1}}}"#, "args.cni.txQLen"),
        (r#"{"sysctl": ["net.a"]}"#, "sysctl"),
        (r#"{"sysctl": {"net.a": 1}}"#, "sysctl.net.a"),
        (r#"{"sysctl": {"net.a": "1", "net.a": "1"}}"#, "net.a"),
        (r#"{"sysctl": {"kernel.a": "1"}}"#, "kernel.a"),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(error.code, 7, "{text}");
        assert!(error.details.contains(key), "{text}: {}", error.details);
    }
}

#[test]
fn a_del_wants_the_directory_alone() {
    assert_eq!(data_dir(&request(r#"{"dataDir": "/x", "mtu": "bad"}"#)).as_deref(), Some("/x"));
    assert_eq!(data_dir(&request(r#"{"dataDir": ""}"#)), None);
    assert_eq!(data_dir(&request(r#"{"dataDir": 1}"#)), None);
    assert_eq!(data_dir(&request("{}")), None);
}
