//! JSON as Go reads it.

use serde_json::json;

use super::state::assert_same;
use super::with_both;

#[test]
fn odd_documents_mean_the_same() {
    with_both(|both| {
        let sides = both();
        for text in [
            r#"{"CNIVERSION": "1.0.0", "NAME": "n", "Ipam": {"TYPE": "static",
                "ADDRESSES": [{"ADDRESS": "10.1.0.1/24", "GATEWAY": "10.1.0.9"}]}}"#,
            r#"{"cniVersion": "1.0.0", "name": "n", "prevResult": null, "runtimeConfig": null, "dns": null,
                "args": null, "ipam": {"routes": null, "dns": null,
                "addresses": [{"address": "10.1.0.2/24", "gateway": null}]}}"#,
            r#"{"cniVersion": "0.4.0", "cniversion": "1.0.0", "Cniversion": null, "name": "n",
                "ipam": {"addresses": [{"address": "10.1.0.8/24"}, {"address": "10.1.0.9/24"}],
                "ADDRESSES": [{"address": "10.1.0.3/24"}]}}"#,
            r#"{"cniVersion": "1.0.0", "name": "n", "ipam": {"addresses": [{"address": "10.1.0.4/24"}]},
                "IPAM": {"type": "static"}}"#,
            "{\"cniVer\u{17f}ion\": \"1.0.0\", \"name\": \"n\", \"ipam\": {\"addre\u{17f}\u{17f}es\":
                [{\"address\": \"10.1.0.5/24\"}]}}",
            r#"{"cniVersion": "1.0.0", "name": "\u006e", "ipam": {"addresses":
                [{"address": "10.1.0.6\/24", "x": 1e300}], "y": "\ud83d\ude00"}}"#,
            r#"{"name": "n", "ipam": {"addresses": [{"address": "10.1.0.7/24"}]}}"#,
            r#"{"cniVersion": "", "name": "n", "ipam": {"addresses": [{"address": "10.1.0.7/24"}]}}"#,
            // Refused by both.
            r#"{"cniVersion": "1.0.0", "name": "n", "ipam": {"addresses": [{"address": 1}]}}"#,
            r#"{"cniVersion": "1.0.0", "name": "n", "ipam": {"addresses": {}}}"#,
            r#"{"cniVersion": "1.0.0", "name": "n", "ipam": {"addresses": [{"address": "10.1.0.010/24"}]}}"#,
            r#"{"cniVersion": "1.0.0", "name": "n", "ipam": "x"}"#,
            r#"{"cniVersion": 1, "name": "n", "ipam": {"addresses": []}}"#,
            r#"{"cniVersion": "1.0.0", "name": "n", "ipam": {"addresses": []}} trailing"#,
            r#"{"cniVersion": "1.0.0", "name": "n", "ipam": {"addresses": [],}}"#,
            r#"{"cniVersion": "1.0.0", "name": ["n"], "ipam": {"addresses": []}}"#,
            "\u{feff}{\"cniVersion\": \"1.0.0\", \"name\": \"n\", \"ipam\": {}}",
        ] {
            let [ours, theirs] = sides.each_ref().map(|side| {
                let outcome = side.run(&side.call("ADD", &json!({ "type": "static" })).stdin(text));
                if outcome.status == Some(0) { super::state::result(side, &outcome.json()) } else { json!("failed") }
            });
            assert_same(text, &ours, &theirs);
        }
    });
}

/// What serde_json does not read at all, and Go only looks at where a field wants it: numbers beyond any
/// float, and half a surrogate pair. A runtime that writes such a thing has lost something.
#[test]
fn documents_that_only_go_reads() {
    with_both(|both| {
        let sides = both();
        for odd in ["1e400", r#""\ud800""#] {
            let text = format!(
                r#"{{"cniVersion": "1.0.0", "name": "n", "odd": {odd},
                    "ipam": {{"addresses": [{{"address": "10.1.0.6/24"}}]}}}}"#
            );
            let [ours, theirs] = sides.each_ref().map(|side| {
                side.run(&side.call("ADD", &json!({ "type": "static" })).stdin(text.clone()))
            });
            assert_eq!(ours.failure().0, 6, "{odd}");
            theirs.success();
        }
    });
}
