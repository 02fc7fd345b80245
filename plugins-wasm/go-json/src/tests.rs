//! The rules of `encoding/json`, one test each.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Error, Node, from_slice, from_str};

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Conf {
    name: String,
    mtu: u16,
    #[serde(rename = "isGateway")]
    is_gateway: bool,
    vlan: Option<i64>,
    ipam: Ipam,
    ranges: Vec<Vec<Range>>,
    sysctl: BTreeMap<String, String>,
    args: Option<Node>,
    mode: Option<Mode>,
    ratio: f64,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Ipam {
    #[serde(rename = "type")]
    kind: String,
    subnet: String,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Range {
    subnet: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    L2,
    L3,
}

fn read(text: &str) -> Conf {
    from_str(text).unwrap()
}

fn refuse(text: &str) -> Error {
    from_str::<Conf>(text).unwrap_err()
}

#[test]
fn keys_match_regardless_of_case() {
    for key in ["isGateway", "isgateway", "ISGATEWAY", "i\u{17F}Gateway"] {
        assert!(read(&format!("{{{key:?}: true}}")).is_gateway, "{key}");
    }
    assert!(!read(r#"{"is_gateway": true}"#).is_gateway);
}

#[test]
fn an_exact_key_goes_to_its_own_field() {
    #[derive(Deserialize)]
    struct Two {
        key: u8,
        #[serde(rename = "KEY")]
        upper: u8,
    }
    let two: Two = from_str(r#"{"KEY": 1, "key": 2}"#).unwrap();
    assert_eq!((two.key, two.upper), (2, 1));
    let two: Two = from_str(r#"{"KEY": 1, "key": 2, "Key": 3}"#).unwrap();
    assert_eq!((two.key, two.upper), (3, 1), "the first field takes any other spelling");
}

#[test]
fn unknown_keys_are_ignored() {
    assert_eq!(read(r#"{"capabilities": {"mac": true}, "x": [1, {"y": null}]}"#), Conf::default());
}

#[test]
fn the_later_value_wins_in_any_spelling() {
    assert_eq!(read(r#"{"name": "a", "NAME": "b"}"#).name, "b");
    assert_eq!(read(r#"{"NAME": "b", "name": "a"}"#).name, "a");
    assert_eq!(read(r#"{"Name": "b", "name": "a", "nAme": "c"}"#).name, "c");
}

#[test]
fn an_object_given_twice_merges_into_a_struct() {
    let conf = read(r#"{"ipam": {"type": "a", "subnet": "s"}, "IPAM": {"Type": "b"}}"#);
    assert_eq!(conf.ipam, Ipam { kind: "b".into(), subnet: "s".into() });
}

#[test]
fn an_object_given_twice_merges_into_a_map() {
    let conf = read(r#"{"sysctl": {"a": "1", "b": "2"}, "sysctl": {"b": "3", "B": "4"}}"#);
    let want = [("a", "1"), ("b", "3"), ("B", "4")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(conf.sysctl, BTreeMap::from(want));
}

#[test]
fn an_array_given_twice_is_replaced() {
    let conf = read(r#"{"ranges": [[{"subnet": "a"}], []], "ranges": [[{"subnet": "b"}]]}"#);
    assert_eq!(conf.ranges, [[Range { subnet: "b".into() }]]);
}

#[test]
fn null_is_as_good_as_absent() {
    let text = r#"{"name": null, "mtu": null, "isGateway": null, "vlan": null, "ipam": null,
                   "ranges": null, "sysctl": null, "args": null, "mode": null, "ratio": null}"#;
    assert_eq!(read(text), Conf::default());
    assert_eq!(
        from_str::<Range>(r#"{"subnet": null}"#).unwrap_err().message(),
        "missing key \"subnet\""
    );
}

#[test]
fn null_leaves_a_plain_field_and_empties_a_pointer_slice_or_map() {
    let conf = read(
        r#"{"name": "a", "mtu": 9, "vlan": 7, "ipam": {"type": "t"}, "ranges": [[]],
            "sysctl": {"a": "1"}, "args": {}, "name": null, "mtu": null, "vlan": null, "ipam": null,
            "ranges": null, "sysctl": null, "args": null, "sysctl": {"b": "2"}}"#,
    );
    assert_eq!((conf.name.as_str(), conf.mtu, conf.ipam.kind.as_str()), ("a", 9, "t"));
    assert_eq!((conf.vlan, conf.args, conf.ranges.len()), (None, None, 0));
    assert_eq!(conf.sysctl.into_keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn null_as_an_element_is_the_zero_value() {
    assert_eq!(from_str::<Vec<String>>(r#"["a", null]"#).unwrap(), ["a", ""]);
    assert_eq!(from_str::<Vec<u8>>("[1, null]").unwrap(), [1, 0]);
    assert_eq!(from_str::<Vec<Option<u8>>>("[1, null]").unwrap(), [Some(1), None]);
    assert_eq!(from_str::<Vec<Ipam>>("[null]").unwrap(), [Ipam::default()]);
}

#[test]
fn null_as_the_document_is_the_zero_value() {
    assert_eq!(read("null"), Conf::default());
}

#[test]
fn errors_name_path_value_and_expectation() {
    for (text, message) in [
        (r#"{"name": 5}"#, r#"reading "name": got integer `5`, expected a string"#),
        (r#"{"NAME": [1]}"#, r#"reading "NAME": got array, expected a string"#),
        (r#"{"mtu": "9"}"#, r#"reading "mtu": got string "9", expected u16"#),
        (r#"{"mtu": 65536}"#, r#"reading "mtu": got integer `65536`, expected u16"#),
        (r#"{"mtu": -1}"#, r#"reading "mtu": got integer `-1`, expected u16"#),
        (r#"{"mtu": 1.0}"#, r#"reading "mtu": got floating point `1.0`, expected u16"#),
        (r#"{"mtu": -1500.25}"#, r#"reading "mtu": got floating point `-1500.25`, expected u16"#),
        (r#"{"mtu": 0.9996}"#, r#"reading "mtu": got floating point `0.999…`, expected u16"#),
        (r#"{"mtu": 0.1}"#, r#"reading "mtu": got floating point `0.1`, expected u16"#),
        (
            r#"{"mtu": 1e300}"#,
            r#"reading "mtu": got floating point of more than 15 digits, expected u16"#,
        ),
        (
            r#"{"isGateway": "true"}"#,
            r#"reading "isGateway": got string "true", expected a boolean"#,
        ),
        (r#"{"ipam": "x"}"#, r#"reading "ipam": got string "x", expected an object"#),
        (r#"{"ipam": {"type": {}}}"#, r#"reading "ipam.type": got object, expected a string"#),
        (r#"{"ranges": {}}"#, r#"reading "ranges": got object, expected an array"#),
        (
            r#"{"ranges": [[{"subnet": "a"}, {"subnet": 7}]]}"#,
            r#"reading "ranges[0][1].subnet": got integer `7`, expected a string"#,
        ),
        (r#"{"ranges": [[], [{}]]}"#, r#"reading "ranges[1][0]": missing key "subnet""#),
        (
            r#"{"sysctl": {"net.x": 1}}"#,
            r#"reading "sysctl.net.x": got integer `1`, expected a string"#,
        ),
        (r#"{"mode": "l4"}"#, r#"reading "mode": unknown variant `l4`, expected `l2` or `l3`"#),
        ("[]", "reading json: got array, expected an object"),
        (r#""x""#, r#"reading json: got string "x", expected an object"#),
    ] {
        assert_eq!(refuse(text).to_string(), message, "{text}");
    }
}

#[test]
fn a_wrong_kind_is_an_error_even_when_a_right_one_follows() {
    assert_eq!(refuse(r#"{"name": 5, "name": "a"}"#).path(), "name");
    assert_eq!(refuse(r#"{"ipam": [], "ipam": {}}"#).path(), "ipam");
}

#[test]
fn strings_become_plain_enums() {
    assert_eq!(read(r#"{"mode": "l3"}"#).mode, Some(Mode::L3));
}

#[test]
fn numbers_keep_their_kind() {
    let conf = read(r#"{"vlan": -9223372036854775808, "ratio": 2}"#);
    assert_eq!((conf.vlan, conf.ratio), (Some(i64::MIN), 2.0));
    assert_eq!(refuse(r#"{"vlan": 9223372036854775808}"#).path(), "vlan");
    assert_eq!(from_str::<u64>("18446744073709551615").unwrap(), u64::MAX);
}

#[test]
fn what_is_not_json_is_an_error() {
    for text in
        ["", " ", "{", "{]", "nul", "{} {}", "{\"a\":}", "'a'", "\u{FEFF}{}", "{\"a\":\"\\ud800\"}"]
    {
        assert!(Node::parse(text).is_err(), "{text:?}");
    }
    assert!(from_slice::<Node>(b"\"\xFF\"").is_err());
    assert!(Node::parse(&"[".repeat(100_000)).is_err());
}

#[test]
fn a_node_keeps_order_and_repetition() {
    let text = r#"{"b":1,"a":[true,null,"x\n",-2,1.5],"b":{"B":{}}}"#;
    assert_eq!(Node::parse(text).unwrap().to_json_string(), text);
}

#[test]
fn a_node_is_indented_by_four_blanks() {
    let node = Node::object([
        ("a", Node::from(vec![Node::from(1)])),
        ("b", Node::object([] as [(&str, _); 0])),
    ]);
    assert_eq!(format!("{node:#}"), "{\n    \"a\": [\n        1\n    ],\n    \"b\": {}\n}");
}

#[test]
fn keys_of_a_node_are_found_replaced_and_removed_in_every_spelling() {
    let mut node = Node::parse(r#"{"Name": 1, "x": 2, "name": 3, "NAME": 4}"#).unwrap();
    assert_eq!(node.get("name"), Some(&Node::from(4)));
    assert_eq!(node.get_exact("name"), Some(&Node::from(3)));
    assert_eq!(node.get("y"), None);
    node.set("name", "n".into()).unwrap();
    assert_eq!(node.to_json_string(), r#"{"x":2,"name":"n"}"#);
    node.remove("NAME");
    assert_eq!(node.to_json_string(), r#"{"x":2}"#);
    assert!(Node::Null.get("x").is_none());
    assert!(Node::from(vec![]).set("x", Node::Null).is_err());
}

#[test]
fn a_value_is_written_as_serde_would() {
    let map = BTreeMap::from([("a", 1)]);
    assert_eq!(Node::from_value(&map).unwrap().to_json_string(), r#"{"a":1}"#);
    assert!(Node::from_value(&BTreeMap::from([((1, 2), 1)])).is_err());
}

#[test]
fn null_leaves_a_scalar_as_it_was() {
    let node = Node::parse(r#"{"a": "x", "A": null, "b": null, "c": "y", "C": "z"}"#).unwrap();
    assert_eq!(node.get("a"), Some(&Node::Null));
    assert_eq!(node.get_scalar("a").and_then(Node::as_str), Some("x"));
    assert_eq!(node.get_scalar("b"), None);
    assert_eq!(node.get_scalar("c").and_then(Node::as_str), Some("z"));
    assert_eq!(Node::Null.get_scalar("a"), None);
}
