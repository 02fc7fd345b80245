//! E14: errors.

use go_json::Node;

use super::super::{CniError, Code, SpecVersion};

#[test]
fn codes_are_in_order_and_messages_short_and_lower_case() {
    assert!(Code::ALL.map(Code::number).windows(2).all(|pair| pair[0] < pair[1]));
    for code in Code::ALL {
        let (msg, number) = (code.msg(), code.number());
        assert!(msg.starts_with(char::is_lowercase) && !msg.ends_with('.'), "{msg}");
        assert!(msg.len() <= 50, "{msg}");
        let reserved = matches!(number, 9 | 10 | 12..=49 | 52..=99);
        assert!(!reserved, "{number} is reserved by the spec");
    }
}

#[test]
fn e14_every_error_is_parseable_and_complete() {
    for code in Code::ALL {
        for details in ["", "reading \"x\": \u{1F980}\n"] {
            for version in SpecVersion::ALL.into_iter().map(Some).chain([None]) {
                let error = CniError::new(code, details);
                let text = error.to_json(version);
                let node = Node::parse(&text).unwrap();
                assert_eq!(node.get("code"), Some(&Node::from(code.number())));
                assert_eq!(node.get("msg"), Some(&Node::from(code.msg())));
                let details = Some(details).filter(|text| !text.is_empty());
                assert_eq!(node.get("details").and_then(Node::as_str), details);
                let version = version.map(SpecVersion::as_str);
                assert_eq!(node.get("cniVersion").and_then(Node::as_str), version);
                assert_eq!(CniError::from_json(&text), Some(error));
            }
        }
    }
}

#[test]
fn an_error_as_it_is_written() {
    let error = CniError::new(Code::InvalidConfiguration, "missing key \"name\"");
    let text = "{\n    \"cniVersion\": \"1.0.0\",\n    \"code\": 7,\n    \"msg\": \"invalid \
                network configuration\",\n    \"details\": \"missing key \\\"name\\\"\"\n}";
    assert_eq!(error.to_json(Some(SpecVersion::V1_0_0)), text);
    assert_eq!(error.to_string(), "invalid network configuration; missing key \"name\"");
    assert_eq!(CniError::new(Code::Denied, "").to_string(), "denied by policy");
}

#[test]
fn a_delegates_error_keeps_its_code_and_words() {
    let error = CniError::from_json(r#"{"code": 120, "msg": "No IPs!", "details": null}"#).unwrap();
    assert_eq!((error.code, &*error.msg, error.details.as_str()), (120, "No IPs!", ""));
    for text in ["", "{", "null", "{}", r#"{"msg": "x"}"#, r#"{"code": "5"}"#] {
        assert_eq!(CniError::from_json(text), None, "{text}");
    }
}
