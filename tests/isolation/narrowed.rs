//! Grants of the operator's that say more than the shipped ones: what they leave is served, its neighbour is
//! refused, by the value and with nothing left.

use serde_json::{Value, json};
use wasmcni::component::find;
use wasmcni::kernel::{Kernel, KindSpec, LinkSpec, Role};

use super::lab::Lab;
use super::tenants::{make_uplinks, network, refused, served};

/// A node on which a line of a plugin's shipped grants is another.
fn node(plugin: &str, line: &str, instead: &str) -> Lab {
    let lab = Lab::sim();
    make_uplinks(&lab);
    let shipped = find(plugin).unwrap().grants;
    let lines = shipped.lines().map(|shipped| if shipped == line { instead } else { shipped });
    let text: Vec<&str> = lines.collect();
    assert_ne!(text.join("\n"), shipped.trim_end(), "{plugin} has no {line}");
    lab.grants(plugin, &text.join("\n"));
    lab
}

#[track_caller]
fn narrows(lab: &Lab, plugin: &str, within: &Value, beyond: &Value, told: &[&str]) {
    served(lab, &network(lab, plugin, "net", within));
    refused(lab, &network(lab, plugin, "net", beyond), told);
}

#[test]
fn modes() {
    for (plugin, allowed, other) in [("macvlan", "bridge", "passthru"), ("ipvlan", "l2", "l3s")] {
        let lab = node(plugin, "mode = \"*\"", &format!("mode = \"{allowed}\""));
        let conf = |mode| json!({ "master": "up-a", "mode": mode });
        let told = [&*format!("mode={other} "), &*format!("allows mode \"{allowed}\"")];
        narrows(&lab, plugin, &conf(allowed), &conf(other), &told);
    }
}

#[test]
fn users_of_taps() {
    let lab = node("tap", "owner = \"any\"", "owner = \"1000-1999\"");
    let told = ["owner=0 ", "allows owner \"1000-1999\""];
    narrows(&lab, "tap", &json!({ "owner": 1000 }), &json!({ "owner": 0 }), &told);
    served(&lab, &network(&lab, "tap", "net", &json!({})));

    let lab = node("tap", "group = \"any\"", "");
    narrows(
        &lab,
        "tap",
        &json!({}),
        &json!({ "group": 5 }),
        &["group=5 ", "says nothing of group"],
    );
}

#[test]
fn gateways() {
    let lab = node("ptp", "via = \"any\"", "via = \"10.40.0.0/24\"");
    let routes = |gateway: &str| {
        json!({ "ipam": {
            "type": "host-local", "subnet": "10.40.0.0/24", "dataDir": lab.data_dir(),
            "routes": [{ "dst": "192.0.2.0/24", "gw": gateway }],
        } })
    };
    let told = ["via=10.41.0.1/32 ", "allows via \"10.40.0.0/24\""];
    narrows(&lab, "ptp", &routes("10.40.0.1"), &routes("10.41.0.1"), &told);
}

#[test]
fn macs() {
    let with_bridge = |macs: &str| {
        let lab = node("bridge", "mac = \"*\"", &format!("mac = \"{macs}\""));
        let spec = LinkSpec {
            name: "br-a".try_into().unwrap(),
            mtu: None,
            mac: Some("02:00:5e:00:53:07".parse().unwrap()),
            kind: KindSpec::Bridge { vlan_filtering: false },
        };
        lab.model().kernel(None).link_create(Role::Host, &spec).unwrap();
        lab
    };
    // A gateway's bridge keeps the MAC that it has.
    let conf = json!({ "bridge": "br-a", "isGateway": true });
    let lab = with_bridge("02:00:5e:*");
    served(&lab, &network(&lab, "bridge", "net", &conf));
    let lab = with_bridge("0a:*");
    let told = ["mac=\"02:00:5e:00:53:07\"", "allows mac \"0a:*\""];
    refused(&lab, &network(&lab, "bridge", "net", &conf), &told);
}
