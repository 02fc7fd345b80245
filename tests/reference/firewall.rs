//! `firewall`: the same packets get through, told by packets.

use serde_json::{Value, json};

use super::{Side, container, with_both};
use crate::harness::netns::Netns;
use crate::harness::node::{Container, with};
use crate::harness::programs::has_iptables;

const OUTSIDE: &str = "192.0.2.9";

/// A machine beyond the node of a side.
fn outside(side: &Side) -> Netns {
    let name = format!("{}-out", side.name);
    let outside = Netns::new(&name);
    let veth = ["link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", &name];
    side.host.exec("ip", &veth);
    side.host.exec("ip", &["link", "set", "up0", "up"]);
    side.host.exec("ip", &["addr", "add", "192.0.2.2/24", "dev", "up0"]);
    outside.exec("ip", &["link", "set", "eth0", "up"]);
    outside.exec("ip", &["addr", "add", "192.0.2.9/24", "dev", "eth0"]);
    outside.exec("ip", &["route", "add", "10.0.0.0/8", "via", "192.0.2.2"]);
    outside
}

fn network(number: u8) -> Value {
    json!({
        "cniVersion": "1.0.0", "name": format!("net{number}"), "type": "bridge",
        "bridge": format!("br{number}"), "isDefaultGateway": true,
        "ipam": { "type": "host-local", "subnet": format!("10.{number}.0.0/24") },
    })
}

fn firewall(number: u8, former: &Value, more: &Value) -> Value {
    let conf = json!({
        "cniVersion": "1.0.0", "name": format!("net{number}"), "type": "firewall", "prevResult": former,
    });
    with(&conf, more.clone())
}

fn iptables(side: &Side, arguments: &[&str]) {
    side.host.exec("iptables", arguments);
}

/// Who reaches whom: containers of two networks, and the outside. All at once, since who is not answered waits.
fn reached(outside: &Netns, a: &Container, b: &Container) -> Vec<bool> {
    let ways = [
        (&a.netns, OUTSIDE),
        (&b.netns, OUTSIDE),
        (outside, "10.11.0.2"),
        (&a.netns, "10.12.0.2"),
        (&b.netns, "10.11.0.2"),
        (&a.netns, "10.11.0.1"),
    ];
    std::thread::scope(|scope| {
        let asked = ways.map(|(from, to)| scope.spawn(move || from.reaches(to)));
        asked.map(|answer| answer.join().unwrap()).into()
    })
}

/// What packets do after each step, on one side.
fn played(side: &Side, second: &Container, drops: bool, more: &Value) -> Vec<Vec<bool>> {
    let outside = outside(side);
    let other = Side {
        name: side.name,
        node: side.node.clone(),
        host: Netns::alias(&side.host, &format!("{}-again", side.name)),
        container: Container {
            netns: Netns::alias(&second.netns, &format!("{}-second", side.name)),
            id: "second".to_owned(),
            ifname: "eth0".to_owned(),
        },
        data_dir: side.data_dir.clone(),
    };
    let formers = [(side, 11), (&other, 12)]
        .map(|(side, number)| side.run(&side.call("ADD", &network(number))).success());
    iptables(side, &["-P", "FORWARD", if drops { "DROP" } else { "ACCEPT" }]);
    let look = || reached(&outside, &side.container, second);
    let mut seen = vec![look()];
    let confs = [firewall(11, &formers[0], more), firewall(12, &formers[1], more)];
    assert_eq!(side.run(&side.call("ADD", &confs[0])).success()["ips"], formers[0]["ips"]);
    seen.push(look());
    other.run(&other.call("ADD", &confs[1])).success();
    seen.push(look());
    side.run(&side.call("CHECK", &confs[0])).success();
    let admin = confs[0]["iptablesAdminChainName"].as_str().unwrap_or("CNI-ADMIN");
    iptables(side, &["-A", admin, "-s", "10.11.0.2", "-j", "DROP"]);
    seen.push(look());
    iptables(side, &["-F", admin]);
    seen.push(look());
    side.run(&side.call("DEL", &confs[0])).success();
    side.run(&side.call("DEL", &confs[0])).success();
    let after = look();
    // Of what was kept apart, the reference plugin leaves its rules behind: then it differs, and nobody
    // counts on it.
    if confs[0]["ingressPolicy"] != "same-bridge" {
        seen.push(after);
    }
    seen
}

#[test]
fn the_same_packets_get_through() {
    with_both(|both| {
        if !has_iptables() {
            return;
        }
        let same_bridge = json!({ "ingressPolicy": "same-bridge" });
        for (drops, more) in [
            (true, json!({ "ingressPolicy": "open", "backend": "iptables" })),
            (true, json!({ "iptablesAdminChainName": "MINE" })),
            (true, same_bridge.clone()),
            (false, same_bridge),
        ] {
            let sides = both();
            let seconds = ["x", "y"].map(|name| container(&format!("second-{name}")));
            let [ours, theirs] = [0, 1].map(|n| played(&sides[n], &seconds[n], drops, &more));
            assert_eq!(ours, theirs, "wasmcni, reference: {more}, FORWARD drops: {drops}");
            assert!(ours[0][0] != drops && ours[2][0], "{more}: {ours:?}");
        }
    });
}

#[test]
fn what_the_reference_refuses_is_refused() {
    with_both(|both| {
        for side in both() {
            let former = side.run(&side.call("ADD", &network(11))).success();
            let refused = [
                (json!({ "ingressPolicy": "closed" }), None),
                (json!({ "prevResult": null }), None),
                (json!({ "cniVersion": "0.3.1", "prevResult": null }), Some(1)),
                (json!({ "cniVersion": "0.1.0", "prevResult": null }), Some(1)),
            ];
            for (more, code) in refused {
                let conf = firewall(11, &former, &more);
                let (seen, _) = side.run(&side.call("ADD", &conf)).failure();
                assert!(code.is_none_or(|code| code == seen), "{}: {more}: {seen}", side.name);
            }
        }
    });
}

/// A node that is moved: the chains that the reference plugin made stay, and the operator's is the same.
#[test]
fn both_on_one_node() {
    with_both(|both| {
        if !has_iptables() {
            return;
        }
        let [ours, theirs] = both();
        let former = theirs.run(&theirs.call("ADD", &network(11))).success();
        let outside = outside(&theirs);
        iptables(&theirs, &["-P", "FORWARD", "DROP"]);
        let conf = firewall(11, &former, &json!({}));
        theirs.run(&theirs.call("ADD", &conf)).success();
        let by_ours = |verb: &str| {
            let call = ours.node.call(verb, &conf, &theirs.container);
            theirs.host.inside(|| call.run())
        };
        by_ours("ADD").success();
        by_ours("CHECK").success();
        assert!(theirs.container.netns.reaches(OUTSIDE));
        iptables(&theirs, &["-A", "CNI-ADMIN", "-j", "DROP"]);
        assert!(!theirs.container.netns.reaches(OUTSIDE));
        iptables(&theirs, &["-F", "CNI-ADMIN"]);
        theirs.run(&theirs.call("DEL", &conf)).success();
        assert!(theirs.container.netns.reaches(OUTSIDE), "ours is there");
        by_ours("DEL").success();
        assert!(!theirs.container.netns.reaches(OUTSIDE));
        assert!(!outside.reaches("10.11.0.2"));
    });
}
