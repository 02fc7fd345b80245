//! `wasmcni plan`, on a machine that nothing may be done to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use wasmcni::component;

use super::{Scratch, run_as};
use crate::harness::exec::{Outcome, wasmcni_binary};

/// A bridge with what tutorials give it, and a port of the node.
fn list() -> Value {
    json!({ "cniVersion": "1.0.0", "name": "mynet", "plugins": [
        { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
          "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" } },
        { "type": "portmap", "capabilities": { "portMappings": true } },
    ]})
}

struct Desk {
    scratch: Scratch,
}

impl Desk {
    fn new(name: &str) -> Self {
        Self { scratch: Scratch::new(name) }
    }

    fn root(&self) -> &Path {
        &self.scratch.path
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        path.display().to_string()
    }

    fn plan(&self, conf: &Value, words: &[&str]) -> Outcome {
        let conf = self.write("net.conflist", &conf.to_string());
        let words = [&["plan", "--conf", &conf], words].concat();
        run_as(&wasmcni_binary(), self.root(), &words)
    }
}

/// The line of a grant file where the grant stands that has these two lines.
fn rule(plugin: &str, op: &str, also: &str) -> usize {
    let text = component::find(plugin).unwrap().grants;
    let lines: Vec<&str> = text.lines().collect();
    let starts = (0..lines.len()).filter(|at| lines[*at] == "[[grant]]");
    let of = |at: usize| lines[at + 1..].iter().take_while(|line| !line.starts_with('['));
    let has = |at: usize, words: &str| of(at).any(|line| *line == words);
    let op = format!("op = {op:?}");
    starts.into_iter().find(|at| has(*at, &op) && has(*at, also)).expect("there is such a grant")
        + 1
}

#[test]
fn each_step_is_told_with_its_rule() {
    let desk = Desk::new("plan");
    let cap = r#"{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}"#;
    let plan = desk.plan(&list(), &["--cap", cap]);
    assert_eq!((plan.status, plan.stderr.as_str()), (Some(0), ""), "{plan:?}");
    let made = rule("bridge", "link.create", "kind = \"bridge\"");
    for words in [
        format!(
            "link.create kind=bridge name=\"cni0\" in host-netns [bundled:bridge/grants.toml:{made}]"
        ),
        "in host-netns [its own]".to_owned(),
        "host-local: reservations.reserve within=10.22.0.2/32 [bundled:host-local/grants.toml:"
            .to_owned(),
        "\"address\": \"10.22.0.2/16\"".to_owned(),
        "+ masquerade 10.22.0.2/16 of mynet plan eth0".to_owned(),
        "+ port-map 0.0.0.0:8080/tcp to 10.22.0.2 port 80 of mynet plan eth0".to_owned(),
        "+ reservation mynet 10.22.0.2 plan eth0".to_owned(),
    ] {
        assert!(plan.stdout.contains(&words), "{words}: {}", plan.stdout);
    }
    // The bridge is the network's and stays, what is the container's goes.
    let (_, after) = plan.stdout.split_once("a DEL afterwards would succeed").unwrap();
    assert!(after.contains("+ link host/cni0 bridge"), "{after}");
    for word in ["masquerade", "reservation", "port-map", "veth", "journal", "container/eth0"] {
        assert!(!after.contains(word), "{word}: {after}");
    }
    let files: Vec<_> =
        fs::read_dir(desk.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(files, ["net.conflist"], "nothing was written");
}

#[test]
fn a_plan_for_programs_says_the_same() {
    let desk = Desk::new("plan-json");
    let plan = desk.plan(&list(), &["--json"]).json();
    assert_eq!(plan["network"], "mynet");
    let steps = plan["calls"][0]["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["verdict"] != "granted" || step["rule"].is_string()));
    assert!(steps.iter().any(|step| step["op"] == "nat.masquerade within=10.22.0.2/16"));
    assert_eq!(plan["result"]["ips"][0]["address"], "10.22.0.2/16");
    assert_eq!(plan["error"], Value::Null);
    assert!(plan["difference"].as_array().unwrap().contains(&json!("+ link container/eth0 up")));
    assert_eq!(plan["del"]["error"], Value::Null);
}

#[test]
fn a_refusal_names_the_operators_rule_and_changes_the_status() {
    let desk = Desk::new("plan-refused");
    let grants = component::find("bridge").unwrap().grants;
    let grants = grants.replace("within = \"@ipam\"", "within = \"10.1.0.0/16\"");
    let own = desk.write("etc/wasmcni/plugins/bridge.toml", &grants);
    let plan = desk.plan(&list(), &[]);
    assert_eq!(plan.status, Some(3), "{plan:?}");
    let place = format!("{own}:");
    let (_, rest) = plan.stdout.split_once("[REFUSED]").unwrap();
    assert!(rest.contains(&place) && rest.contains("10.1.0.0/16"), "{}", plan.stdout);
    assert!(rest.contains("it would fail: code 100"), "{}", plan.stdout);
    let (_, difference) = rest.split_once("difference").unwrap();
    assert!(difference.trim_start().starts_with("nothing"), "taken back: {difference}");
    // Those of another directory instead.
    let dir = desk.root().join("none");
    fs::create_dir(&dir).unwrap();
    assert_eq!(desk.plan(&list(), &["--grants", dir.to_str().unwrap()]).status, Some(0));
    // A file that a call would not believe is not planned with either.
    fs::set_permissions(&own, PermissionsExt::from_mode(0o666)).unwrap();
    let plan = desk.plan(&list(), &[]);
    assert_eq!((plan.status, plan.stdout.as_str()), (Some(1), ""));
    assert!(plan.stderr.contains("chmod go-w"), "{plan:?}");
}

#[test]
fn directories_that_a_configuration_names_are_not_the_nodes() {
    let desk = Desk::new("plan-directories");
    let mut list = list();
    let data_dir = desk.root().join("reservations");
    list["plugins"][0]["ipam"]["dataDir"] = json!(data_dir);
    let resolver = desk.write("resolv.conf", "nameserver 192.0.2.53\n");
    list["plugins"][0]["ipam"]["resolvConf"] = json!(resolver);
    let plan = desk.plan(&list, &["--json"]);
    assert_eq!(plan.status, Some(0), "{plan:?}");
    assert_eq!(plan.json()["result"]["dns"]["nameservers"], json!(["192.0.2.53"]), "that is read");
    let shown = format!("data-dir={:?}", data_dir.display().to_string());
    assert!(plan.stdout.contains(&shown.replace('"', "\\\"")), "{}", plan.stdout);
    assert!(!data_dir.exists());
}

#[test]
fn a_plan_begins_with_the_node_that_it_is_given() {
    let desk = Desk::new("plan-kernel");
    let node = json!({ "wasmcni-node": 1,
        "netns": { "host": { "links": { "cni0": { "kind": "dummy" } } } },
        "reservations": { "mynet": { "10.22.0.2": "other eth0" } },
    });
    let file = desk.write("node.json", &node.to_string());
    let plan = desk.plan(&list(), &["--kernel", &file]);
    assert_eq!(plan.status, Some(3), "{plan:?}");
    assert!(plan.stdout.contains("\"cni0\" "), "it is no bridge: {}", plan.stdout);
    let mut node = node;
    node["netns"]["host"]["links"]["cni0"]["kind"] = json!("bridge");
    let file = desk.write("node.json", &node.to_string());
    let plan = desk.plan(&list(), &["--kernel", &file]);
    assert!(plan.stdout.contains("\"address\": \"10.22.0.3/16\""), "{}", plan.stdout);
    assert!(!plan.stdout.contains("link.create kind=bridge"), "{}", plan.stdout);

    node["netns"]["host"]["links"]["cni0"]["kind"] = json!("brigde");
    let file = desk.write("node.json", &node.to_string());
    let plan = desk.plan(&list(), &["--kernel", &file]);
    assert_eq!((plan.status, plan.stdout.as_str()), (Some(1), ""));
    for words in
        [&file, "netns/host/links/cni0/kind", "\"brigde\" is no kind", "; write \"bridge\""]
    {
        assert!(plan.stderr.contains(words), "{words}: {}", plan.stderr);
    }
}

#[test]
fn check_and_del_come_after_an_add_or_with_its_result() {
    let desk = Desk::new("plan-verbs");
    let check = desk.plan(&list(), &["--verb", "check"]);
    assert_eq!(check.status, Some(0), "{check:?}");
    assert!(check.stdout.contains("bridge CHECK") && check.stdout.contains("it would succeed"));
    assert!(check.stdout.contains("difference\n  nothing"), "{}", check.stdout);
    let del = desk.plan(&list(), &["--verb", "del"]);
    assert!(del.stdout.contains("- reservation mynet 10.22.0.2 plan eth0"), "{}", del.stdout);
    let result = json!({ "cniVersion": "1.0.0", "ips": [{ "address": "10.22.0.9/16" }] });
    let result = desk.write("result.json", &result.to_string());
    let check = desk.plan(&list(), &["--verb", "check", "--prev-result", &result]);
    assert_eq!(check.status, Some(3), "of nothing of it is anything there: {check:?}");
}

#[test]
fn what_is_no_configuration_is_said() {
    let desk = Desk::new("plan-bad");
    for (conf, words) in [(json!([]), "not an object"), (json!({ "name": "x" }), "cniVersion")] {
        let plan = desk.plan(&conf, &[]);
        assert_ne!(plan.status, Some(0), "{words}: {plan:?}");
    }
    let unknown = json!({ "cniVersion": "1.0.0", "name": "n", "type": "nonesuch" });
    let plan = desk.plan(&unknown, &[]);
    assert_eq!(plan.status, Some(3));
    assert!(
        plan.stdout.contains("\"nonesuch\"") && plan.stdout.contains("native"),
        "{}",
        plan.stdout
    );
    let plan = desk.plan(&list(), &["--cap", "[]"]);
    assert_eq!(plan.status, Some(1));
    assert!(plan.stderr.contains("--cap"), "{plan:?}");
}
