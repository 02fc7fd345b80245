//! `wasmcni snapshot` of the real kernel, and plans on what it wrote.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::run_as;
use crate::harness::exec::{Outcome, wasmcni_binary};
use crate::harness::netns::ip;
use crate::harness::node::{Container, on_a_node, with};

fn snapshot(root: &Path, words: &[&str]) -> (Value, Outcome) {
    let taken = run_as(&wasmcni_binary(), root, &[&["snapshot"], words].concat());
    assert_eq!(taken.status, Some(0), "{taken:?}");
    (taken.json(), taken)
}

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

fn conf() -> Value {
    json!({ "cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "br0", "ipMasq": true,
        "isGateway": true, "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.44.0.0/24" }]] } })
}

#[test]
fn a_snapshot_is_what_ip_tells_and_plans_go_on_from_it() {
    on_a_node(|node| {
        let container = Container::new("blue");
        node.add(&conf(), &container);
        ip(&words("link add d0 mtu 1400 type veth peer name d1"));
        ip(&words("link set d1 up"));
        ip(&words("addr add 192.0.2.10/24 dev d0"));
        ip(&words("link set d0 up"));
        ip(&words("route add default via 192.0.2.1 dev d0 metric 50"));
        let root = node.below("");
        let netns = container.netns.path().display().to_string();
        let (document, taken) = snapshot(&root, &["--netns", &netns]);
        let host = &document["netns"]["host"];
        assert_eq!(host["links"]["d0"]["mtu"], 1400, "{document:#}");
        assert_eq!(host["links"]["d0"]["kind"], "veth");
        assert_eq!(host["links"]["d0"]["parent"], "host/d1");
        assert_eq!(host["links"]["br0"]["addresses"][0], "10.44.0.1/24 scope 0");
        let default = "table 254 0.0.0.0/0 via 192.0.2.1 dev d0 scope 0 metric 50";
        assert!(host["routes"].as_array().unwrap().contains(&json!(default)), "{host:#}");
        let blue = &document["netns"]["blue"]["links"]["eth0"];
        assert_eq!(blue["kind"], "veth");
        assert_eq!(blue["mac"], container.interface()["address"]);
        let peer = blue["parent"].as_str().unwrap().strip_prefix("host/").unwrap();
        assert_eq!(host["links"][peer]["master"], "host/br0");
        assert_eq!(host["links"][peer]["parent"], "blue/eth0");
        assert_eq!(document["masquerades"]["10.44.0.2"]["owner"]["container_id"], "id-blue");
        assert_eq!(document["reservations"]["net"]["10.44.0.2"], "id-blue eth0");
        assert!(!taken.stderr.contains("permitted"), "{}", taken.stderr);

        // The next container, on that node, gets what it would get here.
        let files = Path::new("/run");
        fs::write(files.join("node.json"), document.to_string()).unwrap();
        fs::write(files.join("net.conf"), conf().to_string()).unwrap();
        let words = ["plan", "--conf", "/run/net.conf", "--kernel", "/run/node.json", "--json"];
        let plan = run_as(&wasmcni_binary(), &root, &words);
        assert_eq!(plan.status, Some(0), "{plan:?}");
        let second = node.add(&conf(), &Container::new("red"));
        assert_eq!(plan.json()["result"]["ips"], second["ips"]);
        assert_eq!(plan.json()["del"]["difference"], json!([]), "DEL leaves the node as it was");

        // Masked, it is still a node, and says nothing of whose it was.
        let (masked, _) = snapshot(&root, &["--netns", &netns, "--mask"]);
        let text = masked.to_string();
        for secret in [
            "10.44.0.",
            "192.0.2.",
            "id-blue",
            "blue/",
            container.interface()["address"].as_str().unwrap(),
        ] {
            assert!(!text.contains(secret), "{secret}: {masked:#}");
        }
        fs::write(files.join("node.json"), text).unwrap();
        // The network itself is not masked, and br0 has another address now: on a bridge of its own.
        let other = with(&conf(), json!({ "name": "other", "bridge": "br9" }));
        fs::write(files.join("net.conf"), other.to_string()).unwrap();
        let plan = run_as(&wasmcni_binary(), &root, &words);
        assert_eq!(plan.status, Some(0), "{plan:?}");
    });
}

#[test]
fn without_rights_it_says_what_it_could_not_read() {
    let (document, taken) = snapshot(Path::new("/nonexistent"), &[]);
    assert_eq!(document["wasmcni-node"], 1);
    assert!(document["netns"]["host"]["links"]["lo"].is_object());
    let left_out = document["left_out"].as_array().cloned().unwrap_or_default();
    for sentence in &left_out {
        assert!(taken.stderr.contains(sentence.as_str().unwrap()), "{taken:?}");
    }
    let nobody =
        run_as(&wasmcni_binary(), Path::new("/nonexistent"), &["snapshot", "--netns", "nonesuch"]);
    assert_eq!((nobody.status, nobody.stdout.as_str()), (Some(1), ""));
    assert!(nobody.stderr.contains("nonesuch"), "{nobody:?}");
}
