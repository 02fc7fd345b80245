//! E7, E8, E18, E20, E24, E30, E36: the configuration on stdin.

use super::super::conf::MAX_STDIN;
use super::super::stated_version;
use super::super::version::Family;
use super::*;

fn code(verb: Verb, stdin: &str) -> u32 {
    ask(verb, stdin).unwrap_err().code
}

#[test]
fn e7_what_is_no_configuration() {
    for verb in CONFIGURED {
        for stdin in ["", " ", "{", "[]", "5", "\"x\"", "{}{}", "{\"name\": \"net\",}"] {
            assert_eq!(code(verb, stdin), 6, "{verb} {stdin:?}");
        }
        assert_eq!(code(verb, "null"), 7, "{verb}");
        let error = call(&variables(verb.as_str()), b"{\"name\": \"\xFF\"}").unwrap_err();
        assert_eq!(error.code, 6);
        assert!(error.details.starts_with("reading stdin: invalid utf-8"), "{error}");
    }
}

#[test]
fn stdin_is_bounded() {
    let mut stdin = conf("1.1.0", "").into_bytes();
    stdin.resize(MAX_STDIN, b' ');
    assert!(call(&variables("ADD"), &stdin).is_ok());
    stdin.push(b' ');
    let error = call(&variables("ADD"), &stdin).unwrap_err();
    assert_eq!((error.code, error.details.as_str()), (6, "reading stdin: more than 8388608 bytes"));
    let deep = conf("1.1.0", &format!(r#", "x": {}"#, "[".repeat(100_000)));
    assert_eq!(code(Verb::Add, &deep), 6);
}

#[test]
fn e8_names() {
    let long = "a".repeat(129);
    for verb in CONFIGURED {
        assert_eq!(code(verb, r#"{"cniVersion": "1.1.0"}"#), 7);
        assert_eq!(code(verb, r#"{"cniVersion": "1.1.0", "name": null}"#), 7);
        assert_eq!(code(verb, r#"{"cniVersion": "1.1.0", "name": 5}"#), 6);
        for name in ["", "-x", ".x", "a/b", "a b", "..", "ä", long.as_str()] {
            let stdin = format!(r#"{{"cniVersion": "1.1.0", "name": {name:?}}}"#);
            assert_eq!(code(verb, &stdin), 7, "{verb} {name:?}");
        }
    }
    let error = ask(Verb::Add, r#"{"name": "-x"}"#).unwrap_err();
    assert_eq!(
        error.details,
        r#"reading "name" "-x": starts with '-', not with an ASCII letter or digit"#
    );
}

#[test]
fn the_name_is_checked_before_the_version_and_that_before_the_rest() {
    assert_eq!(code(Verb::Add, r#"{"cniVersion": "9.0.0", "name": "-", "dns": 5}"#), 7);
    assert_eq!(code(Verb::Add, r#"{"cniVersion": "9.0.0", "name": "a", "dns": 5}"#), 1);
    assert_eq!(code(Verb::Add, r#"{"cniVersion": "1.1.0", "name": "a", "dns": 5}"#), 6);
}

#[test]
fn e18_other_keys_are_the_plugins() {
    let text = conf(
        "1.1.0",
        r#", "capabilities": {"portMappings": true}, "isGateway": 5, "x": [{"y": null}],
           "args": {"cni": {}}, "disableCheck": "what", "ipMasq": 1e3"#,
    );
    for verb in CONFIGURED {
        assert!(ask(verb, &text).is_ok(), "{verb}");
    }
    let Ok(Request::Add(add)) = ask(Verb::Add, &text) else { panic!() };
    assert_eq!(add.conf.text(), text, "the plugin gets every byte as it came");
}

#[test]
fn defined_keys_are_read_as_go_does() {
    let text = r#"{"CNIversion": "1.0.0", "NAME": "net", "name": "other", "Type": "bridge",
        "ipam": {"type": "static", "subnet": "x"}, "IPAM": {"TYPE": "host-local"},
        "RuntimeConfig": {"mac": "00:00:5e:00:53:01"},
        "dns": {"nameservers": ["10.0.0.1"], "domain": null, "Search": ["a", "b"]}}"#;
    let Ok(Request::Add(add)) = ask(Verb::Add, text) else { panic!() };
    assert_eq!(add.conf.name.as_str(), "other");
    assert_eq!(add.conf.version, SpecVersion::V1_0_0);
    assert_eq!(add.conf.plugin.unwrap().as_str(), "bridge");
    assert_eq!(add.conf.ipam.unwrap().as_str(), "host-local");
    assert_eq!(add.conf.dns.nameservers, ["10.0.0.1"]);
    assert_eq!(add.conf.dns.search, ["a", "b"]);
    let args = add.conf.runtime_config.unwrap();
    assert_eq!(args.get("mac").unwrap().as_str(), Some("00:00:5e:00:53:01"));
}

#[test]
fn absent_empty_and_null_keys_are_no_keys() {
    for more in ["", r#", "ipam": {}"#, r#", "ipam": null"#, r#", "ipam": {"type": ""}"#] {
        let Ok(Request::Add(add)) = ask(Verb::Add, &conf("1.1.0", more)) else { panic!("{more}") };
        assert_eq!((add.conf.ipam, add.conf.runtime_config, add.prev_result), (None, None, None));
    }
    let Ok(Request::Add(add)) = ask(Verb::Add, r#"{"name": "net"}"#) else { panic!() };
    assert_eq!(add.conf.plugin, None);
}

#[test]
fn e36_a_type_that_is_a_path_is_refused() {
    for verb in CONFIGURED {
        for name in ["../bridge", "/bin/sh", "..", ".", "a/b"] {
            let stdin = format!(r#"{{"cniVersion": "1.1.0", "name": "net", "type": "{name}"}}"#);
            assert_eq!(code(verb, &stdin), 7, "{verb} {name}");
            assert_eq!(
                code(verb, &conf("1.1.0", &format!(r#", "ipam": {{"type": "{name}"}}"#))),
                7
            );
        }
    }
    let error = ask(Verb::Add, &conf("1.1.0", r#", "ipam": {"type": "../x"}"#)).unwrap_err();
    assert_eq!(
        error.details,
        r#"reading "ipam.type" "../x": contains '/', but must be a file name"#
    );
}

fn prev_result(of: SpecVersion) -> &'static str {
    match of.family() {
        Family::V020 => r#""ip4": {"ip": "10.0.0.5/24"}"#,
        Family::V040 => r#""ips": [{"version": "4", "address": "10.0.0.5/24"}]"#,
        Family::V100 => r#""ips": [{"address": "10.0.0.5/24"}]"#,
    }
}

#[test]
fn e20_a_prev_result_must_be_of_the_configurations_family() {
    for config in SpecVersion::ALL {
        for version in SpecVersion::ALL {
            let more = format!(
                r#", "prevResult": {{"cniVersion": "{version}", {}}}"#,
                prev_result(version)
            );
            let answer = ask(Verb::Add, &conf(config.as_str(), &more));
            if config.family() == version.family() {
                let Ok(Request::Add(add)) = answer else { panic!("{config} {version} {answer:?}") };
                let result = add.prev_result.unwrap();
                assert_eq!(result.ips[0].address, "10.0.0.5/24".parse().unwrap());
            } else {
                let error = answer.unwrap_err();
                assert_eq!(error.code, 7, "{config} {version}");
                assert!(error.details.contains(&format!("{:?}", config.as_str())), "{error}");
                assert!(error.details.contains(&format!("{:?}", version.as_str())), "{error}");
            }
        }
        let more = format!(r#", "prevResult": {{{}}}"#, prev_result(config));
        let answer = ask(Verb::Add, &conf(config.as_str(), &more));
        assert!(matches!(answer, Ok(Request::Add(add)) if add.prev_result.is_some()), "{config}");
        let more = format!(r#", "prevResult": {{"cniVersion": "9.0.0", {}}}"#, prev_result(config));
        assert_eq!(code(Verb::Add, &conf(config.as_str(), &more)), 7);
    }
}

/// Each is wrong at every version.
const DAMAGED: [&str; 8] = [
    "5",
    "[]",
    r#""x""#,
    r#"{"cniVersion": 5}"#,
    r#"{"cniVersion": "7.7.7"}"#,
    r#"{"dns": 5}"#,
    r#"{"ips": 5, "ip4": 5}"#,
    r#"{"ips": [{"address": "10.0.0.5"}], "ip4": {"ip": "10.0.0.5"}}"#,
];

#[test]
fn e24_a_damaged_prev_result_fails_all_but_del() {
    for version in SpecVersion::ALL {
        for damaged in DAMAGED {
            let stdin = conf(version.as_str(), &format!(r#", "prevResult": {damaged}"#));
            let Ok(Request::Del(del)) = ask(Verb::Del, &stdin) else { panic!("{stdin}") };
            assert_eq!(del.prev_result, None);
            assert!(del.damage.is_some(), "{stdin}");
            for verb in [Verb::Add, Verb::Check] {
                if version.has(verb) {
                    assert!(matches!(code(verb, &stdin), 6 | 7), "{stdin}");
                }
            }
        }
        for none in ["", r#", "prevResult": null"#] {
            let Ok(Request::Del(del)) = ask(Verb::Del, &conf(version.as_str(), none)) else {
                panic!("{none}")
            };
            assert_eq!((del.prev_result, del.damage), (None, None));
        }
    }
}

#[test]
fn errors_in_a_prev_result_name_the_key() {
    let more = r#", "prevResult": {"ips": [{"address": "10.0.0.5/24"}, {"address": "10.0.0.6"}]}"#;
    assert_eq!(
        ask(Verb::Add, &conf("1.1.0", more)).unwrap_err().details,
        r#"reading "prevResult.ips[1].address": "10.0.0.6" is not an address with a prefix length"#
    );
}

#[test]
fn e30_the_list_of_valid_attachments() {
    let one = r#"[{"containerID": "c1", "ifname": "eth0"}]"#;
    let two =
        r#"[{"ifname": "eth1", "containerID": "/odd"}, {"containerID": "c1", "ifname": "eth0"}]"#;
    let (new, old) = ("cni.dev/valid-attachments", "cni.dev/attachments");
    for (more, expected) in [
        (String::new(), None),
        (format!(r#", "{new}": null"#), Some(vec![])),
        (format!(r#", "{old}": null"#), Some(vec![])),
        (format!(r#", "{new}": []"#), Some(vec![])),
        (format!(r#", "{old}": {one}"#), Some(vec![("c1", "eth0")])),
        (format!(r#", "{new}": {one}"#), Some(vec![("c1", "eth0")])),
        (format!(r#", "{new}": {one}, "{old}": {one}"#), Some(vec![("c1", "eth0")])),
        (format!(r#", "{new}": null, "{old}": {one}"#), Some(vec![("c1", "eth0")])),
        (
            format!(r#", "{new}": {one}, "{old}": {two}"#),
            Some(vec![("/odd", "eth1"), ("c1", "eth0")]),
        ),
    ] {
        let Ok(Request::Gc(gc)) = ask(Verb::Gc, &conf("1.1.0", &more)) else { panic!("{more}") };
        let valid = gc.valid.as_ref().map(|list| {
            list.iter().map(|a| (a.container_id.as_str(), a.if_name.as_str())).collect::<Vec<_>>()
        });
        assert_eq!(valid, expected, "{more}");
    }
    for wrong in ["5", "{}", r#"["c1"]"#, "[null]", "[{}]", r#"[{"containerID": "c1"}]"#] {
        for key in [new, old] {
            let stdin = conf("1.1.0", &format!(r#", "{key}": {wrong}"#));
            let error = ask(Verb::Gc, &stdin).unwrap_err();
            assert_eq!(error.code, 6, "{stdin}");
            assert!(error.details.contains(key), "{error}");
            assert!(ask(Verb::Add, &stdin).is_ok(), "the list is for GC alone");
        }
    }
}

#[test]
fn an_answer_is_labelled_with_a_known_version_only() {
    for version in SpecVersion::ALL {
        assert_eq!(stated_version(conf(version.as_str(), "").as_bytes()), Some(version));
    }
    for stdin in [r#"{"name": "net"}"#, r#"{"cniVersion": "9.0.0"}"#, "{", ""] {
        assert_eq!(stated_version(stdin.as_bytes()), None);
    }
}
