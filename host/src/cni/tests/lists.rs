//! E36 to E39: network configuration lists.

use std::collections::BTreeMap;

use go_json::Node;

use super::super::result::{CniResult, IpConfig};
use super::super::{Given, NetworkList, ValidAttachment};
use super::*;

fn list(more: &str) -> Result<NetworkList, CniError> {
    NetworkList::parse(&format!(
        r#"{{"cniVersion": "1.1.0", "name": "net", "plugins": [{{"type": "bridge"}}]{more}}}"#
    ))
}

fn code(text: &str) -> u32 {
    NetworkList::parse(text).unwrap_err().code
}

#[test]
fn e38_switches() {
    for key in ["disableCheck", "disableGC", "loadOnlyInlinedPlugins"] {
        for (value, on) in [
            ("true", true),
            ("false", false),
            (r#""True""#, true),
            (r#""TRUE""#, true),
            (r#""fAlse""#, false),
        ] {
            let list = list(&format!(r#", "{key}": {value}"#)).unwrap();
            let switches = [list.disable_check, list.disable_gc, list.load_only_inlined_plugins];
            assert_eq!(switches.contains(&true), on, "{key} {value}");
        }
        for value in [r#""no""#, r#""""#, r#"" true""#, "1", "null", "[]"] {
            let error = list(&format!(r#", "{key}": {value}"#)).unwrap_err();
            assert_eq!(error.code, 7, "{key} {value}");
            let details = format!("reading {key:?}: {value} is neither true nor false");
            assert_eq!(error.details, details);
        }
    }
}

#[test]
fn verbs_are_called_if_the_version_has_them_and_they_are_not_disabled() {
    for version in SpecVersion::ALL {
        let text = |more: &str| {
            format!(
                r#"{{"cniVersion": "{version}", "name": "n", "plugins": [{{"type": "a"}}]{more}}}"#
            )
        };
        let enabled = NetworkList::parse(&text("")).unwrap();
        let more = r#", "disableCheck": true, "disableGC": true"#;
        let disabled = NetworkList::parse(&text(more)).unwrap();
        for verb in Verb::ALL {
            assert_eq!(enabled.calls(verb), version.has(verb), "{verb} {version}");
            let calls = version.has(verb) && !matches!(verb, Verb::Check | Verb::Gc);
            assert_eq!(disabled.calls(verb), calls, "{verb} {version}");
        }
    }
}

#[test]
fn e39_inlined_plugins_and_those_in_the_folder() {
    let folder = [r#"{"type": "x"}"#.to_owned(), r#"{"type": "y"}"#.to_owned()];
    for (plugins, only_inlined, with_folder, without_folder) in [
        (r#", "plugins": [{"type": "a"}]"#, false, Some(vec!["a", "x", "y"]), Some(vec!["a"])),
        (r#", "plugins": [{"type": "a"}]"#, true, Some(vec!["a"]), Some(vec!["a"])),
        ("", false, Some(vec!["x", "y"]), None),
        ("", true, None, None),
        (r#", "plugins": []"#, false, None, None),
        (r#", "plugins": {}"#, false, None, None),
        (r#", "plugins": null"#, false, None, None),
    ] {
        let text = format!(r#"{{"name": "n", "loadOnlyInlinedPlugins": {only_inlined}{plugins}}}"#);
        for (files, expected) in [(&folder[..], with_folder), (&[], without_folder)] {
            let list = NetworkList::parse(&text).and_then(|list| list.complete(files));
            let names = list
                .as_ref()
                .map(|list| list.plugins.iter().map(|entry| entry.plugin.as_str()).collect());
            assert_eq!(names.map_err(|error| error.code), expected.ok_or(7), "{text}");
        }
    }
    for (file, code) in [("{", 6), (r#"{"type": 5}"#, 6), ("{}", 7), (r#"{"type": "../x"}"#, 7)] {
        let error = list("").unwrap().complete(&[file.to_owned()]).unwrap_err();
        assert_eq!(error.code, code, "{file}");
    }
}

#[test]
fn e36_a_type_that_is_a_path_is_refused() {
    for name in ["../bridge", "/bin/sh", "..", "a/b", ""] {
        let text =
            format!(r#"{{"name": "n", "plugins": [{{"type": "a"}}, {{"type": "{name}"}}]}}"#);
        assert_eq!(code(&text), 7, "{name}");
    }
}

#[test]
fn e37_versions_of_a_list() {
    for (versions, chosen) in [
        ("", Ok(SpecVersion::V0_1_0)),
        (r#""cniVersion": "0.4.0","#, Ok(SpecVersion::V0_4_0)),
        (r#""cniVersion": "0.4.0", "cniVersions": ["1.0.0", "7.0.0"],"#, Ok(SpecVersion::V1_0_0)),
        (r#""cniVersions": ["1.1.0", "0.3.0"],"#, Ok(SpecVersion::V1_1_0)),
        (r#""cniVersion": "", "cniVersions": [],"#, Ok(SpecVersion::V0_1_0)),
        (r#""cniVersion": "7.0.0","#, Err(1)),
        (r#""cniVersions": ["7.0.0"],"#, Err(1)),
        (r#""cniVersions": ["1.0.0", "1.0.0.0"],"#, Err(6)),
        (r#""cniVersion": 1,"#, Err(7)),
        (r#""cniVersions": "1.0.0","#, Err(7)),
        (r#""cniVersions": [1],"#, Err(7)),
    ] {
        let text = format!(r#"{{{versions} "name": "n", "plugins": [{{"type": "a"}}]}}"#);
        let answer = NetworkList::parse(&text).map(|list| list.version).map_err(|e| e.code);
        assert_eq!(answer, chosen, "{text}");
    }
}

#[test]
fn what_is_no_list() {
    for (text, expected) in [
        ("", 6),
        ("[]", 6),
        ("null", 6),
        ("{}", 7),
        (r#"{"plugins": [{"type": "a"}]}"#, 7),
        (r#"{"name": 5, "plugins": [{"type": "a"}]}"#, 7),
        (r#"{"name": "a/b", "plugins": [{"type": "a"}]}"#, 7),
        (r#"{"Name": "n", "plugins": [{"type": "a"}]}"#, 7),
        (r#"{"name": "n", "plugins": [5]}"#, 6),
        (r#"{"name": "n", "plugins": [{"type": "a", "capabilities": {"mac": "yes"}}]}"#, 6),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}

/// A chain in which `tuning` wants MAC addresses and `portmap` mappings.
fn chain(version: SpecVersion) -> NetworkList {
    NetworkList::parse(&format!(
        r#"{{"cniVersion": "{version}", "name": "net", "plugins": [
            {{"type": "tuning", "capabilities": {{"mac": true, "portMappings": false}}, "mtu": 9}},
            {{"type": "portmap", "Capabilities": {{"portMappings": true}}, "name": "old",
              "runtimeConfig": {{}}, "PrevResult": {{}}}}]}}"#
    ))
    .unwrap()
}

#[test]
fn plugins_run_backwards_on_del() {
    let list = chain(SpecVersion::LATEST);
    for verb in Verb::ALL {
        let names: Vec<_> = list.order(verb).iter().map(|entry| entry.plugin.as_str()).collect();
        let expected =
            if verb == Verb::Del { ["portmap", "tuning"] } else { ["tuning", "portmap"] };
        assert_eq!(names, expected, "{verb}");
    }
}

#[test]
fn each_plugin_gets_what_its_verb_and_capabilities_ask_for() {
    let ip = IpConfig { interface: None, address: "10.1.0.5/16".parse().unwrap(), gateway: None };
    let result = CniResult { ips: vec![ip], ..CniResult::default() };
    let valid = [ValidAttachment { container_id: "c".to_owned(), if_name: "i".to_owned() }];
    let given = Given {
        prev_result: Some(&result),
        capability_args: BTreeMap::from([
            ("mac".to_owned(), Node::from("00:00:5e:00:53:01")),
            ("portMappings".to_owned(), Node::from(vec![])),
            ("dns".to_owned(), Node::object([("searches", Node::Null)])),
        ]),
        valid_attachments: Some(&valid),
    };
    for version in SpecVersion::ALL {
        let list = chain(version);
        for verb in CONFIGURED {
            let [tuning, portmap] = [0, 1]
                .map(|at| list.request(verb, &list.plugins[at], &given).unwrap().to_json_string());
            let prev_result = match verb {
                Verb::Add | Verb::Check => true,
                Verb::Del => version >= SpecVersion::V0_4_0,
                Verb::Gc | Verb::Status | Verb::Version => false,
            };
            let more = |args: &str| {
                let mut more = String::new();
                if prev_result {
                    let result = result.to_node(version).unwrap();
                    more += &format!(r#","prevResult":{result}"#);
                }
                match verb {
                    Verb::Gc => {
                        for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
                            more += &format!(r#","{key}":[{{"containerID":"c","ifname":"i"}}]"#);
                        }
                    }
                    Verb::Status | Verb::Version => {}
                    Verb::Add | Verb::Del | Verb::Check => {
                        more += &format!(r#","runtimeConfig":{args}"#)
                    }
                }
                more
            };
            let named = format!(r#""cniVersion":"{version}","name":"net""#);
            let mac = r#"{"mac":"00:00:5e:00:53:01"}"#;
            let expected = format!(r#"{{"type":"tuning","mtu":9,{named}{}}}"#, more(mac));
            assert_eq!(tuning, expected, "{verb} {version}");
            let expected =
                format!(r#"{{"type":"portmap",{named}{}}}"#, more(r#"{"portMappings":[]}"#));
            assert_eq!(portmap, expected, "{verb} {version}");
            if version.has(verb) {
                assert!(ask(verb, &tuning).is_ok(), "{verb} {version}: the plugin's side reads it");
            }
        }
    }
}

#[test]
fn what_is_not_given_is_not_there() {
    let list = chain(SpecVersion::LATEST);
    for verb in CONFIGURED {
        let request = list.request(verb, &list.plugins[1], &Given::default()).unwrap();
        let expected = r#"{"type":"portmap","cniVersion":"1.1.0","name":"net"}"#;
        assert_eq!(request.to_json_string(), expected, "{verb}");
    }
}
