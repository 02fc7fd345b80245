//! `firewall` by firewalld: the same sources in the same zones. Both speak with one firewalld.

use serde_json::{Value, json};

use super::{Side, with_both};
use crate::harness::firewalld::{Firewalld, SystemBus, firewall_cmd, require_firewalld, sources};
use crate::harness::node::with;

fn firewall(more: Value) -> Value {
    let conf = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "firewall",
        "prevResult": {
            "cniVersion": "1.0.0", "interfaces": [{ "name": "br0" }],
            "ips": [{ "address": "10.11.0.2/24" }, { "address": "fd11::2/64" }],
        },
    });
    with(&conf, more)
}

/// What is in the zones of interest after each step.
fn played(side: &Side, conf: &Value, before: &[&str]) -> Vec<(Vec<String>, bool)> {
    for source in before {
        firewall_cmd(&["--zone=work", &format!("--add-source={source}")]);
    }
    let look =
        |done: bool| (["trusted", "work"].iter().flat_map(|zone| sources(zone)).collect(), done);
    let run = |verb: &str| side.run(&side.call(verb, conf)).status == Some(0);
    let seen = ["ADD", "CHECK", "DEL", "DEL"].map(|verb| look(run(verb)));
    for source in sources("work") {
        firewall_cmd(&["--zone=work", &format!("--remove-source={source}")]);
    }
    seen.into()
}

#[test]
fn the_same_sources_in_the_same_zones() {
    with_both(|both| {
        if !require_firewalld() {
            return;
        }
        let sides = both();
        let bus = SystemBus::start();
        // The reference looks at the default place only.
        bus.serves(&sides[0].node.below(""));
        let _firewalld = Firewalld::start();
        for more in [
            json!({ "backend": "firewalld" }),
            json!({ "backend": "firewalld", "firewalldZone": "work" }),
            json!({}),
            json!({ "backend": "firewalld", "firewalldZone": "nosuch" }),
        ] {
            let conf = firewall(more);
            let [ours, theirs] = [0, 1].map(|n| played(&sides[n], &conf, &[]));
            assert_eq!(ours, theirs, "wasmcni, reference: {conf}");
        }
        // What was there: ADD succeeds with both. Afterwards the reference has removed what it did not add.
        let conf = firewall(json!({ "backend": "firewalld", "firewalldZone": "work" }));
        let [ours, theirs] = [0, 1].map(|n| played(&sides[n], &conf, &["10.11.0.2/32"]));
        assert_eq!(ours[..2], theirs[..2]);
        assert_eq!((ours[2].0.len(), theirs[2].0.len()), (1, 0));
    });
}

/// A node that is moved: what one puts into a zone, the other takes out.
#[test]
fn both_on_one_firewalld() {
    with_both(|both| {
        if !require_firewalld() {
            return;
        }
        let [ours, theirs] = both();
        let bus = SystemBus::start();
        bus.serves(&ours.node.below(""));
        let _firewalld = Firewalld::start();
        let conf = firewall(json!({ "backend": "firewalld" }));
        for (first, second) in [(&ours, &theirs), (&theirs, &ours)] {
            first.run(&first.call("ADD", &conf)).success();
            second.run(&second.call("CHECK", &conf)).success();
            assert_eq!(sources("trusted"), ["10.11.0.2/32", "fd11::2/128"]);
            second.run(&second.call("DEL", &conf)).success();
            assert_eq!(sources("trusted"), [""; 0]);
            first.run(&first.call("DEL", &conf)).success();
        }
        assert_eq!(ours.node.files(), [""; 0]);
    });
}
