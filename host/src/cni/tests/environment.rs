//! E1 to E6, E13: the environment.

use std::path::{Path, PathBuf};

use super::*;

const LATEST: &str = r#"{"cniVersion": "1.1.0", "name": "net"}"#;

/// What the spec and the plugin skeleton require: E3 for every verb, not ADD alone.
const REQUIRED: [(Verb, &[&str]); 6] = [
    (Verb::Add, &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
    (Verb::Del, &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"]),
    (Verb::Check, &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
    (Verb::Gc, &["CNI_PATH"]),
    (Verb::Status, &["CNI_PATH"]),
    (Verb::Version, &[]),
];

#[test]
fn e1_without_a_verb_a_plugin_introduces_itself() {
    for variables in [vec![], vec![("CNI_COMMAND", "")], vec![("CNI_IFNAME", "a/b")]] {
        let text = "CNI bridge plugin v0.1.0\nCNI protocol versions supported: \
                    0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n";
        assert_eq!(call(&variables, b""), Ok(Request::About(text.to_owned())));
    }
}

#[test]
fn e2_an_unknown_verb_is_named() {
    for verb in ["FOO", "add", "ADD ", "UPDATE"] {
        let error = call(&variables(verb), LATEST.as_bytes()).unwrap_err();
        assert_eq!(error.code, 4);
        assert_eq!(error.details, format!("unknown CNI_COMMAND: {verb:?}"));
    }
}

#[test]
fn e3_missing_variables_are_named_and_no_others() {
    for (verb, required) in REQUIRED {
        let all = variables(verb.as_str());
        for (variable, _) in all.iter().skip(1) {
            for empty in [false, true] {
                let mut some = all.clone();
                some.retain(|(name, _)| name != variable);
                if empty {
                    some.push((variable, ""));
                }
                let answer = call(&some, LATEST.as_bytes());
                if required.contains(variable) {
                    let error = answer.unwrap_err();
                    assert_eq!(error.code, 4, "{verb} {variable}");
                    assert_eq!(
                        error.details,
                        format!("required env variables [{variable}] missing")
                    );
                } else {
                    assert!(answer.is_ok(), "{verb} without {variable}: {answer:?}");
                }
            }
        }
        let answer = call(&all[..1], LATEST.as_bytes());
        if required.is_empty() {
            assert!(answer.is_ok(), "{verb}");
        } else {
            let details = format!("required env variables [{}] missing", required.join(","));
            assert_eq!(answer.unwrap_err().details, details);
        }
    }
}

#[test]
fn e4_del_needs_no_netns() {
    for netns in [None, Some("")] {
        let mut variables = variables("DEL");
        variables.retain(|(name, _)| *name != "CNI_NETNS");
        variables.extend(netns.map(|value| ("CNI_NETNS", value)));
        let Ok(Request::Del(del)) = call(&variables, LATEST.as_bytes()) else { panic!() };
        assert_eq!(del.netns, None);
    }
}

#[test]
fn e5_container_ids() {
    for verb in ATTACHED {
        for (id, accepted) in [
            ("a", true),
            ("1.a-b_c", true),
            (".a", false),
            ("-a", false),
            ("_a", false),
            ("a/b", false),
            ("a b", false),
            ("a:b", false),
            ("ä", false),
        ] {
            check_value(verb, "CNI_CONTAINERID", id, accepted);
        }
    }
}

#[test]
fn e6_if_names() {
    for verb in ATTACHED {
        for (name, accepted) in [
            ("123456789012345", true),
            ("1234567890123456", false),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("a:b", false),
            ("a b", false),
            ("a\tb", false),
            ("a\u{A0}b", false),
        ] {
            check_value(verb, "CNI_IFNAME", name, accepted);
        }
    }
}

fn check_value(verb: Verb, variable: &str, value: &str, accepted: bool) {
    let mut variables = variables(verb.as_str());
    variables.push((variable, value));
    let answer = call(&variables, LATEST.as_bytes());
    if accepted {
        assert!(answer.is_ok(), "{verb} {variable}={value:?}: {answer:?}");
    } else {
        let error = answer.unwrap_err();
        assert_eq!(error.code, 4);
        assert!(error.details.starts_with(&format!("reading {variable} {value:?}: ")), "{error}");
    }
}

#[test]
fn a_wrong_value_is_reported_before_missing_variables() {
    let error = call(&[("CNI_COMMAND", "ADD"), ("CNI_IFNAME", "a/b")], b"").unwrap_err();
    assert_eq!(error.details, "reading CNI_IFNAME \"a/b\": contains '/', which the kernel forbids");
}

#[test]
fn variables_that_a_verb_does_not_use_are_not_checked() {
    for verb in [Verb::Gc, Verb::Status, Verb::Version] {
        let mut variables = variables(verb.as_str());
        variables.extend([("CNI_CONTAINERID", "/"), ("CNI_IFNAME", "/")]);
        assert!(call(&variables, LATEST.as_bytes()).is_ok(), "{verb}");
    }
}

#[test]
fn values_arrive_in_the_request() {
    let mut variables = variables("ADD");
    variables.extend([("CNI_ARGS", "A;B==C"), ("CNI_PATH", "/a::/b/c:")]);
    let Ok(Request::Add(add)) = call(&variables, LATEST.as_bytes()) else { panic!() };
    assert_eq!(add.attachment.network.as_str(), "net");
    assert_eq!(add.attachment.container_id.as_str(), "c1");
    assert_eq!(add.attachment.ifname.as_str(), "eth0");
    assert_eq!(add.netns, Path::new("/run/netns/c1"));
    assert_eq!(add.path, ["/a", "/b/c"].map(PathBuf::from));
    assert_eq!(add.args.raw(), "A;B==C", "only a plugin that reads CNI_ARGS may complain");
    assert!(!add.netns_override);
}

#[test]
fn netns_override_is_1_or_true() {
    for (value, given) in
        [("1", true), ("true", true), ("TRUE", true), ("0", false), ("yes", false), ("", false)]
    {
        let mut variables = variables("DEL");
        variables.push(("CNI_NETNS_OVERRIDE", value));
        let Ok(Request::Del(del)) = call(&variables, LATEST.as_bytes()) else { panic!() };
        assert_eq!(del.netns_override, given, "{value:?}");
    }
}

#[test]
fn e13_version_answers_whatever_else_is_there() {
    let answer = |version: &str| {
        let versions = r#"["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]"#;
        format!("{{\"cniVersion\":\"{version}\",\"supportedVersions\":{versions}}}\n")
    };
    for (stdin, version) in [
        ("", "1.1.0"),
        ("{", "1.1.0"),
        ("\u{0}\u{1}", "1.1.0"),
        ("null", "1.1.0"),
        ("[]", "1.1.0"),
        ("{}", "1.1.0"),
        (r#"{"cniVersion": 1}"#, "1.1.0"),
        (r#"{"cniVersion": "9.0.0"}"#, "1.1.0"),
        (r#"{"cniVersion": "1.0"}"#, "1.1.0"),
        (r#"{"cniVersion": "0.3.1"}"#, "0.3.1"),
        (r#"{"CNIVERSION": "1.0.0", "name": ""}"#, "1.0.0"),
    ] {
        let answered = call(&[("CNI_COMMAND", "VERSION")], stdin.as_bytes());
        assert_eq!(answered, Ok(Request::Version(answer(version))), "{stdin:?}");
    }
    let answered = call(&[("CNI_COMMAND", "VERSION")], b"\xFF\xFE");
    assert_eq!(answered, Ok(Request::Version(answer("1.1.0"))));
}
