//! The audit, and what `wasmcni explain` tells from it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::run_as;
use crate::harness::exec::wasmcni_binary;
use crate::harness::node::{Container, Node, on_a_node, with};

fn conf(node: &Node) -> Value {
    json!({ "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "cni7",
            "ipam": { "type": "host-local", "subnet": "10.7.0.0/24", "dataDir": node.data_dir() } })
}

/// Has the node write an audit.
fn audit(node: &Node, to: &str) {
    let dir = node.below("etc/wasmcni");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("wasmcni.toml"), format!("audit = {to:?}\n")).unwrap();
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn explain(node: &Node, words: &[&str]) -> crate::harness::exec::Outcome {
    run_as(&wasmcni_binary(), &node.below(""), &[&["explain"], words].concat())
}

/// The line of a text in a plugin's shipped grants, as rules are told.
fn rule(plugin: &str, line: &Value) -> String {
    let told = line["rule"].as_str().unwrap_or_else(|| panic!("{line:#}"));
    let (file, number) = told.rsplit_once(':').unwrap();
    assert_eq!(file, format!("bundled:{plugin}/grants.toml"));
    let grants = wasmcni::component::find(plugin).unwrap().grants;
    let number: usize = number.parse().unwrap();
    assert!(grants.lines().nth(number - 1).unwrap().starts_with("[[grant]]"), "{told}");
    grants.lines().skip(number).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_call_is_a_line_with_its_operations_and_their_rules() {
    on_a_node(|node| {
        let path = PathBuf::from("/run/audit.log");
        audit(&node, "/run/audit.log");
        let narrow = wasmcni::component::find("bridge").unwrap().grants;
        let narrow = narrow.replace("\"@config.bridge=cni0\"", "\"cni*\"");
        let container = Container::new("c1");
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let conf = conf(&node);
        let add = node.call("ADD", &conf, &container).env("TRACEPARENT", trace).run();
        let result = add.success();
        assert_eq!(node.check(&conf, &container, &result).status, Some(0));
        let bad = with(&conf, json!({ "bridge": "docker0" }));
        let other = Container::new("c2");
        node.grants("bridge", &narrow);
        assert_eq!(node.call("ADD", &bad, &other).run().json()["code"], 100);
        node.del(&with(&conf, json!({ "prevResult": result })), &container);

        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let lines = lines(&path);
        let verbs: Vec<&str> = lines.iter().map(|line| line["verb"].as_str().unwrap()).collect();
        assert_eq!(verbs, ["ADD", "CHECK", "ADD", "DEL"]);
        let add = &lines[0];
        assert_eq!(
            (&add["network"], &add["container"], &add["ifname"], &add["traceparent"]),
            (&"net".into(), &container.id.as_str().into(), &"eth0".into(), &trace.into())
        );
        assert_eq!(add["netns"], container.netns.path().display().to_string());
        assert_eq!(add["failure"], Value::Null);
        // The delegate ended first, and took no longer than who called it.
        let runs = add["runs"].as_array().unwrap();
        assert_eq!(
            (&runs[0]["plugin"], &runs[1]["plugin"]),
            (&"host-local".into(), &"bridge".into())
        );
        assert_eq!((&runs[0]["component"], &runs[0]["done"]), (&"bundled".into(), &true.into()));
        assert!(runs[0]["took"].as_u64() <= runs[1]["took"].as_u64(), "{add:#}");
        let operation = |plugin: &str, op: &str| {
            let all = add["operations"].as_array().unwrap();
            let found = all.iter().find(|o| o["plugin"] == plugin && o["op"] == op);
            found.unwrap_or_else(|| panic!("{plugin} {op}: {add:#}")).clone()
        };
        let bridge = operation("bridge", "link.create");
        assert_eq!(bridge["values"], json!({ "kind": "bridge", "name": "cni7" }));
        assert_eq!(bridge["netns"], "host");
        assert!(rule("bridge", &bridge).contains("kind = \"bridge\""));
        let reserve = operation("host-local", "reservations.reserve");
        assert!(rule("host-local", &reserve).contains("op = \"reservations.reserve\""));

        let refused = &lines[2];
        assert_eq!(refused["failure"]["code"], 100);
        assert_eq!(refused["container"], other.id);
        let last = refused["operations"].as_array().unwrap().last().unwrap();
        assert!(last["refused"].as_str().unwrap().contains("docker0"), "{refused:#}");
        assert_eq!(lines[3]["failure"], Value::Null);
    });
}

#[test]
fn a_container_is_explained_from_audit_and_journal() {
    on_a_node(|node| {
        audit(&node, "/run/audit.log");
        let container = Container::new("c1-abcdef");
        let result = node.add(&conf(&node), &container);
        let told = explain(&node, &["id-c1-abc"]);
        assert_eq!(told.status, Some(0), "{told:?}");
        for part in [
            "ADD net/eth0 of id-c1-abcdef: done in",
            "bridge (bundled) ran",
            "link.create kind=\"bridge\" name=\"cni7\" in host: allowed by bundled:bridge/grants.toml:",
            "What stands now, and DEL takes back:",
            "\"reservation\"",
        ] {
            assert!(told.stdout.contains(part), "{part}: {}", told.stdout);
        }
        node.del(&with(&conf(&node), json!({ "prevResult": result })), &container);
        let told = explain(&node, &["id-c1-abcdef"]);
        assert!(told.stdout.contains("DEL net/eth0 of id-c1-abcdef: done in"), "{told:?}");
        assert!(!told.stdout.contains("What stands now"), "{told:?}");
        let nobody = explain(&node, &["c2"]);
        assert_eq!(nobody.status, Some(1), "{nobody:?}");
        assert!(nobody.stderr.contains("know nothing of it"), "{nobody:?}");

        // Lines of others, cut ones, and what a terminal would obey.
        let mut text = fs::read_to_string("/run/audit.log").unwrap();
        text = text.replace("\"net\"", "\"net\\u001b[2J\"") + "{\"time\":1\nnonsense\n\n";
        fs::write("/run/other.log", text).unwrap();
        let told = explain(&node, &["id-c1", "--audit", "/run/other.log"]);
        assert_eq!(told.status, Some(0), "{told:?}");
        assert!(told.stderr.contains("2 lines of the audit cannot be read"), "{told:?}");
        assert!(!told.stdout.contains('\u{1b}'), "{told:?}");
    });
}

#[test]
fn an_audit_that_cannot_be_written_is_told_and_one_that_is_not_understood_stops_adds() {
    on_a_node(|node| {
        let conf = conf(&node);
        audit(&node, "/run/missing/audit.log");
        let container = Container::new("c1");
        let add = node.call("ADD", &conf, &container).run();
        assert!(add.stderr.contains("writing the audit to \"/run/missing/audit.log\""), "{add:?}");
        let result = add.success();
        audit(&node, "somewhere");
        let other = Container::new("c2");
        let refused = node.call("ADD", &conf, &other).run();
        let error = refused.json();
        assert_eq!(error["code"], 7);
        let details = error["details"].as_str().unwrap();
        assert!(details.contains("\"somewhere\" is no place for an audit; write"), "{details}");
        // DEL is never kept from cleaning.
        let del = node.call("DEL", &with(&conf, json!({ "prevResult": result })), &container).run();
        assert_eq!((del.status, del.stdout.as_str()), (Some(0), ""), "{del:?}");
        assert!(del.stderr.contains("going on without an audit"), "{del:?}");
        assert_eq!(node.leftovers(&["cni7"]), Vec::<String>::new());
    });
}

#[test]
fn systemds_journal_gets_the_line_in_its_own_format() {
    on_a_node(|node| {
        fs::create_dir_all("/run/systemd/journal").unwrap();
        let journal =
            std::os::unix::net::UnixDatagram::bind("/run/systemd/journal/socket").unwrap();
        audit(&node, "journald");
        let container = Container::new("c1");
        let result = node.add(&conf(&node), &container);
        let mut bytes = vec![0; 1 << 20];
        let length = journal.recv(&mut bytes).unwrap();
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        let fields: Vec<(&str, &str)> =
            text.lines().map(|line| line.split_once('=').unwrap()).collect();
        assert_eq!(fields[0], ("SYSLOG_IDENTIFIER", "wasmcni"));
        assert_eq!(fields[1], ("PRIORITY", "6"));
        let line: Value = serde_json::from_str(fields[2].1).unwrap();
        assert_eq!((fields[2].0, &line["container"]), ("MESSAGE", &container.id.as_str().into()));
        node.del(&with(&conf(&node), json!({ "prevResult": result })), &container);
    });
}
