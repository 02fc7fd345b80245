//! E9 to E12, E37: versions.

use super::super::version::{accept, choose};
use super::super::{Code, Family};
use super::*;

/// Version, family, has chains, has CHECK, has GC and STATUS.
const FACTS: [(&str, Family, bool, bool, bool); 7] = [
    ("0.1.0", Family::V020, false, false, false),
    ("0.2.0", Family::V020, false, false, false),
    ("0.3.0", Family::V040, true, false, false),
    ("0.3.1", Family::V040, true, false, false),
    ("0.4.0", Family::V040, true, true, false),
    ("1.0.0", Family::V100, true, true, false),
    ("1.1.0", Family::V100, true, true, true),
];

#[test]
fn the_table_of_versions() {
    assert!(SpecVersion::ALL.is_sorted());
    for (version, (text, family, chains, check, gc)) in SpecVersion::ALL.into_iter().zip(FACTS) {
        assert_eq!(version.to_string(), text);
        assert_eq!(SpecVersion::known(text), Some(version));
        assert_eq!(version.family(), family);
        assert_eq!(version.has_chains(), chains);
        assert!(version.has(Verb::Add));
        assert!(version.has(Verb::Del));
        assert_eq!(version.has(Verb::Check), check);
        assert_eq!(version.has(Verb::Gc), gc);
        assert_eq!(version.has(Verb::Status), gc);
    }
    for text in ["", "1.0", "1.1", "1.1.0 ", "v1.1.0", "1.1.1", "01.1.0", "+1.1.0", "1.2.0"] {
        assert_eq!(SpecVersion::known(text), None, "{text:?}");
    }
}

#[test]
fn every_version_is_accepted_for_the_verbs_it_has() {
    for version in SpecVersion::ALL {
        for verb in CONFIGURED {
            let answer = ask(verb, &conf(version.as_str(), ""));
            if version.has(verb) {
                assert!(answer.is_ok(), "{verb} at {version}: {answer:?}");
            } else {
                // E12
                let error = answer.unwrap_err();
                assert_eq!(error.code, 1);
                let details = format!("config version \"{version}\" does not allow {verb}");
                assert_eq!(error.details, details);
            }
        }
    }
}

#[test]
fn e9_unknown_versions_are_refused_with_both_sides() {
    for version in ["0.9.9", "2.0.0"] {
        for verb in [Verb::Add, Verb::Del, Verb::Check] {
            let error = ask(verb, &conf(version, "")).unwrap_err();
            assert_eq!((error.code, &*error.msg), (1, "incompatible CNI versions"));
            let details = format!(
                "config is {version:?}, plugin supports [\"0.1.0\", \"0.2.0\", \"0.3.0\", \
                 \"0.3.1\", \"0.4.0\", \"1.0.0\", \"1.1.0\"]"
            );
            assert_eq!(error.details, details);
        }
    }
    for (verb, version) in [(Verb::Gc, "0.9.9"), (Verb::Gc, "2.0.0"), (Verb::Status, "2.0.0")] {
        assert_eq!(ask(verb, &conf(version, "")).unwrap_err().code, 1, "{verb} {version}");
    }
}

#[test]
fn a_plugin_may_support_fewer_versions() {
    let some = [SpecVersion::V0_4_0, SpecVersion::V1_0_0];
    for version in SpecVersion::ALL {
        for verb in [Verb::Add, Verb::Del] {
            let answer = accept(Some(version.as_str()), verb, &some);
            assert_eq!(answer.is_ok(), some.contains(&version), "{verb} {version}");
        }
    }
    let error = accept(Some("1.1.0"), Verb::Check, &some).unwrap_err();
    assert_eq!(error.details, r#"config is "1.1.0", plugin supports ["0.4.0", "1.0.0"]"#);
    assert_eq!(accept(None, Verb::Add, &some).unwrap_err().code, 1);
}

#[test]
fn e10_odd_versions_by_verb() {
    for (version, on_add, on_check, on_gc) in [
        ("1.0", 1, 1, 1),
        ("1", 1, 1, 1),
        ("1.x", 1, 6, 6),
        ("1.0.0.0", 1, 6, 6),
        ("1.", 1, 6, 6),
        ("x", 1, 6, 6),
        (" 1.0.0", 1, 6, 6),
        ("99999999999999999999.0.0", 1, 6, 6),
    ] {
        for (verb, code) in [
            (Verb::Add, on_add),
            (Verb::Del, on_add),
            (Verb::Check, on_check),
            (Verb::Gc, on_gc),
            (Verb::Status, on_gc),
        ] {
            assert_eq!(ask(verb, &conf(version, "")).unwrap_err().code, code, "{verb} {version}");
        }
    }
}

#[test]
fn e10_a_version_that_is_no_string_is_undecodable() {
    for version in ["1", "1.1", "true", "{}", r#"["1.1.0"]"#] {
        for verb in CONFIGURED {
            let stdin = format!(r#"{{"name": "net", "cniVersion": {version}}}"#);
            let error = ask(verb, &stdin).unwrap_err();
            assert_eq!(error.code, 6, "{verb} {version}");
            assert_eq!(
                error.details,
                format!("reading \"cniVersion\": {} is not a string", version)
            );
        }
    }
}

#[test]
fn e11_no_version_is_0_1_0() {
    for stdin in [
        r#"{"name": "net"}"#,
        r#"{"name": "net", "cniVersion": ""}"#,
        r#"{"name": "net", "cniVersion": null}"#,
    ] {
        let Ok(Request::Add(add)) = ask(Verb::Add, stdin) else { panic!("{stdin}") };
        assert_eq!(add.conf.version, SpecVersion::V0_1_0);
        assert!(ask(Verb::Check, stdin).unwrap_err().is(Code::IncompatibleVersion));
    }
}

#[test]
fn e37_the_highest_known_version_is_chosen() {
    for (stated, offered, chosen) in [
        (None, &[][..], Ok("0.1.0")),
        (Some("1.0.0"), &[], Ok("1.0.0")),
        (None, &["1.0.0", "2.0.0"], Ok("1.0.0")),
        (Some("0.3.1"), &["1.1.0", "0.4.0"], Ok("1.1.0")),
        (Some("1.1.0"), &["0.4.0"], Ok("1.1.0")),
        (Some("2.0.0"), &["1.1.0", "3.0"], Ok("1.1.0")),
        (Some("0.9.9"), &["0.3.0", "0.9.8"], Ok("0.3.0")),
        (Some("0.9.9"), &[], Err(1)),
        (None, &["2.0.0"], Err(1)),
        (None, &["1.0.0", "1.x"], Err(6)),
        (Some("1.0.0.0"), &["1.0.0"], Err(6)),
    ] {
        let answer = choose(stated, offered).map(SpecVersion::as_str).map_err(|error| error.code);
        assert_eq!(answer, chosen, "{stated:?} {offered:?}");
    }
}
