//! `firewall` where the node's filter is firewalld's, in the eyes of `firewall-cmd` and by what becomes of
//! packets.

use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::failed;
use super::firewall::{Attached, OUTSIDE, attach, elements, firewall, outside};
use crate::harness::firewalld::{
    Firewalld, SOCKET, SystemBus, firewall_cmd, require_firewalld, sources,
};
use crate::harness::node::{Node, on_a_node, with};

/// Runs a test on a node whose firewall is firewalld's.
fn with_firewalld(test: impl FnOnce(&Node, Firewalld)) {
    on_a_node(|node| {
        if require_firewalld() {
            let bus = SystemBus::start();
            bus.serves(&node.below(""));
            test(&node, Firewalld::start());
        }
    });
}

fn by_firewalld(at: &Attached, more: Value) -> Value {
    with(&firewall(&at.former, json!({ "backend": "firewalld" })), more)
}

/// As firewalld has a container's addresses.
fn of(at: &Attached) -> Vec<String> {
    let [v4, v6] = at.addresses();
    vec![format!("{v4}/32"), format!("{v6}/128")]
}

fn journals(node: &Node) -> Vec<String> {
    node.files().into_iter().filter(|file| file.contains(":firewall")).collect()
}

/// firewalld rejects what it does not know: containers of a zone that accepts get out, and nobody else does.
#[test]
fn containers_are_let_through_by_zone() {
    with_firewalld(|node, _firewalld| {
        let (_outside, a, b) = (outside(), attach(node, "a", 11), attach(node, "b", 12));
        assert!(!a.reaches(&OUTSIDE), "firewalld rejects");
        let conf = by_firewalld(&a, json!({}));
        failed(&node.check(&conf, &a.container, &a.former), 110, "trusted");
        assert_eq!(node.add(&conf, &a.container), a.former);
        assert_eq!(sources("trusted"), of(&a));
        assert!(a.reaches(&OUTSIDE) && !b.reaches(&OUTSIDE));
        assert_eq!(elements(), [""; 0], "firewalld alone");
        node.check(&conf, &a.container, &a.former).success();
        // Again, with a second one.
        node.add(&conf, &a.container);
        let more = json!({ "firewalldZone": "work" });
        let of_b = by_firewalld(&b, more);
        node.add(&of_b, &b.container);
        assert_eq!(sources("work"), of(&b));
        node.check(&of_b, &b.container, &b.former).success();
        // Behind its back, CHECK finds it.
        firewall_cmd(&["--zone=trusted", &format!("--remove-source={}", of(&a)[1])]);
        failed(&node.check(&conf, &a.container, &a.former), 110, &a.addresses()[1]);
        firewall_cmd(&["--zone=drop", &format!("--add-source={}", of(&a)[1])]);
        failed(&node.check(&conf, &a.container, &a.former), 110, "\"drop\"");
        node.del(&conf, &a.container);
        node.del(&conf, &a.container);
        assert_eq!((sources("trusted"), sources("drop").len()), (vec![], 1), "its own alone");
        assert!(!a.container.netns.reaches(OUTSIDE[0]));
        // Neither a result nor a netns is needed.
        let without = with(&of_b, json!({ "prevResult": null, "ingressPolicy": "nonsense" }));
        node.call("DEL", &without, &b.container).without("CNI_NETNS").run().success();
        assert_eq!(sources("work"), [""; 0]);
        assert_eq!(journals(node), [""; 0]);
    });
}

/// One family is as good as two; without a backend, firewalld is taken if it runs; `ingressPolicy` is kept by
/// nftables whoever lets through.
#[test]
fn whoever_runs_is_taken() {
    with_firewalld(|node, firewalld| {
        let (_outside, a, b) = (outside(), attach(node, "a", 11), attach(node, "b", 12));
        for kept in [0, 1] {
            let mut former = a.former.clone();
            former["ips"] = json!([a.former["ips"][kept]]);
            let conf = firewall(&former, json!({}));
            node.add(&conf, &a.container);
            assert_eq!(sources("trusted"), [of(&a)[kept].clone()]);
            node.check(&conf, &a.container, &former).success();
            node.del(&conf, &a.container);
        }
        let apart = json!({ "ingressPolicy": "same-bridge" });
        let confs = [&a, &b].map(|at| firewall(&at.former, apart.clone()));
        for (conf, at) in confs.iter().zip([&a, &b]) {
            node.add(conf, &at.container);
            node.check(conf, &at.container, &at.former).success();
        }
        assert_eq!(sources("trusted").len(), 4);
        assert!(a.reaches(&OUTSIDE) && !a.reaches(&b.addresses()), "kept apart");
        node.del(&confs[0], &a.container);
        node.del(&confs[1], &b.container);
        assert_eq!((sources("trusted"), elements()), (vec![], vec![]));
        // Said otherwise, it is not asked.
        let conf = firewall(&a.former, json!({ "backend": "iptables" }));
        node.add(&conf, &a.container);
        assert_eq!((sources("trusted"), elements().len()), (vec![], 2));
        node.del(&conf, &a.container);
        let status = json!({ "cniVersion": "1.1.0", "name": "net", "type": "firewall" });
        let asked = with(&status, json!({ "backend": "firewalld" }));
        node.network_call("STATUS", &status).run().success();
        node.network_call("STATUS", &asked).run().success();
        firewalld.stop();
        node.network_call("STATUS", &status).run().success();
        failed(&node.network_call("STATUS", &asked).run(), 50, "not running");
        let conf = firewall(&a.former, json!({}));
        node.add(&conf, &a.container);
        assert_eq!(elements().len(), 2);
        assert!(a.reaches(&OUTSIDE));
        node.check(&conf, &a.container, &a.former).success();
        node.del(&conf, &a.container);
        assert_eq!(elements(), [""; 0]);
    });
}

/// What another put there is another's.
#[test]
fn what_was_there_stays() {
    with_firewalld(|node, _firewalld| {
        let a = attach(node, "a", 11);
        let [v4, v6] = <[String; 2]>::try_from(of(&a)).unwrap();
        firewall_cmd(&["--zone=trusted", &format!("--add-source={v4}")]);
        let conf = by_firewalld(&a, json!({}));
        node.add(&conf, &a.container);
        node.check(&conf, &a.container, &a.former).success();
        assert_eq!(sources("trusted"), [v4.clone(), v6.clone()]);
        node.del(&conf, &a.container);
        assert_eq!(sources("trusted").join(" "), v4);
        // In another zone it cannot be; nothing is left of what was done before that was seen.
        firewall_cmd(&["--zone=trusted", &format!("--remove-source={v4}")]);
        firewall_cmd(&["--zone=drop", &format!("--add-source={v6}")]);
        let named = format!("firewall-cmd --zone=drop --remove-source={v6}");
        failed(&node.call("ADD", &conf, &a.container).run(), 999, &named);
        assert_eq!((sources("trusted"), sources("drop")), (vec![], vec![v6]));
        assert_eq!(journals(node), [""; 0]);
    });
}

#[test]
fn a_zone_that_is_not_there_is_named() {
    with_firewalld(|node, _firewalld| {
        let a = attach(node, "a", 11);
        for zone in ["nosuch", "a b", "zone-with-a-name-that-is-much-too-long-for-firewalld"] {
            let conf = by_firewalld(&a, json!({ "firewalldZone": zone }));
            let outcome = node.call("ADD", &conf, &a.container).run();
            failed(&outcome, 7, &format!("\"firewalldZone\": got {zone:?}"));
            failed(&outcome, 7, "firewall-cmd --get-zones");
            assert_eq!(journals(node), [""; 0]);
            node.del(&conf, &a.container);
        }
        let conf = by_firewalld(&a, json!({ "firewalldZone": "" }));
        node.add(&conf, &a.container);
        assert_eq!(sources("trusted"), of(&a));
        node.del(&conf, &a.container);
        assert_eq!(sources("trusted"), [""; 0]);
    });
}

/// What firewalld had at run time goes with it, and nobody waits for it.
#[test]
fn firewalld_may_stop_and_start() {
    with_firewalld(|node, firewalld| {
        let (a, b) = (attach(node, "a", 11), attach(node, "b", 12));
        let confs = [&a, &b].map(|at| by_firewalld(at, json!({})));
        for (conf, at) in confs.iter().zip([&a, &b]) {
            node.add(conf, &at.container);
        }
        firewalld.stop();
        failed(&node.check(&confs[0], &a.container, &a.former), 50, "not running");
        node.del(&confs[0], &a.container);
        failed(&node.call("ADD", &confs[0], &a.container).run(), 50, "systemctl start firewalld");
        let firewalld = Firewalld::start();
        failed(&node.check(&confs[1], &b.container, &b.former), 110, "it is in none");
        // The runtime's remedy for what CHECK says, without a DEL.
        node.add(&confs[1], &b.container);
        assert_eq!(sources("trusted"), of(&b));
        // While it hangs, DEL does not succeed, and says so in time; what it could not do the next one does.
        firewalld.pause();
        let shipped = include_str!("../../plugins-wasm/firewall/grants.toml");
        node.grants("firewall", &shipped.replace("deadline = \"30s\"", "deadline = \"1s\""));
        let begin = Instant::now();
        node.call("DEL", &confs[1], &b.container).run().failure();
        assert!(begin.elapsed() < Duration::from_secs(40));
        assert_eq!(journals(node).len(), 1);
        firewalld.go_on();
        node.del(&confs[1], &b.container);
        assert_eq!((sources("trusted"), journals(node)), (vec![], vec![]));
    });
}

/// Of a container that the runtime has forgotten.
#[test]
fn gc_removes_what_nobody_reported() {
    with_firewalld(|node, _firewalld| {
        let (a, b) = (attach(node, "a", 11), attach(node, "b", 12));
        for at in [&a, &b] {
            node.add(&by_firewalld(at, json!({})), &at.container);
        }
        let valid = json!([{ "containerID": b.container.id, "ifname": "eth0" }]);
        let conf =
            by_firewalld(&a, json!({ "prevResult": null, "cni.dev/valid-attachments": valid }));
        node.network_call("GC", &conf).run().success();
        assert_eq!(sources("trusted"), of(&b));
    });
}

/// What the operator's file does not give, the plugin does not get.
#[test]
fn zones_and_addresses_outside_its_grants_are_refused() {
    with_firewalld(|node, _firewalld| {
        let a = attach(node, "a", 11);
        let shipped = include_str!("../../plugins-wasm/firewall/grants.toml");
        let narrower = [
            ("zone = \"@config.firewalldZone=trusted\"", "zone = \"work\"", "allows zone \"work\""),
            ("within = \"@prev\"", "within = \"10.99.0.0/16\"", "allows within \"10.99.0.0/16\""),
            (
                "op = \"firewalld.read\"",
                "op = \"nat.masquerade\"\nwithin = \"any\"",
                "firewalld.read",
            ),
        ];
        for (from, to, named) in narrower {
            node.grants("firewall", &shipped.replace(from, to));
            let outcome = node.call("ADD", &by_firewalld(&a, json!({})), &a.container).run();
            let (code, details) = outcome.failure();
            assert!([100, 103].contains(&code) && details.contains(named), "{code}: {details}");
            assert_eq!(sources("trusted"), [""; 0]);
        }
    });
}

/// The bus is where the environment says, if it says so.
#[test]
fn the_environment_may_name_the_bus() {
    on_a_node(|node| {
        if !require_firewalld() {
            return;
        }
        let _bus = SystemBus::start();
        let _firewalld = Firewalld::start();
        let a = attach(&node, "a", 11);
        let conf = by_firewalld(&a, json!({}));
        let call = |verb: &str| node.call(verb, &conf, &a.container);
        failed(&call("ADD").run(), 50, "not running");
        symlink("/run/dbus", "/run/a b").unwrap();
        for address in [format!("unix:path={SOCKET}"), {
            "tcp:host=localhost,port=1;unix:guid=00,path=/run/a%20b/system_bus_socket".to_owned()
        }] {
            let named = |verb: &str| call(verb).env("DBUS_SYSTEM_BUS_ADDRESS", &address);
            named("ADD").run().success();
            assert_eq!(sources("trusted"), of(&a));
            named("DEL").run().success();
            assert_eq!(sources("trusted"), [""; 0]);
        }
        let wrong = call("ADD").env("DBUS_SYSTEM_BUS_ADDRESS", "tcp:host=localhost");
        failed(&wrong.run(), 999, "DBUS_SYSTEM_BUS_ADDRESS");
    });
}

/// A bus that never answers: the call ends when its time is over, and nothing is left of it.
#[test]
fn a_bus_that_never_answers_ends_the_call() {
    on_a_node(|node| {
        let a = attach(&node, "a", 11);
        let shipped = include_str!("../../plugins-wasm/firewall/grants.toml");
        node.grants("firewall", &shipped.replace("deadline = \"30s\"", "deadline = \"1s\""));
        let path = node.below("run/dbus/system_bus_socket");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                thread::spawn(move || stream.read_to_end(&mut Vec::new()));
            }
        });
        for conf in [firewall(&a.former, json!({})), by_firewalld(&a, json!({}))] {
            let begin = Instant::now();
            let (code, details) = node.call("ADD", &conf, &a.container).run().failure();
            assert!([11, 102].contains(&code), "{code}: {details}");
            assert!(begin.elapsed() < Duration::from_secs(20));
            assert_eq!((elements(), journals(&node)), (vec![], vec![]));
            // DEL of what was never added needs nobody.
            node.call("DEL", &with(&conf, json!({ "prevResult": null })), &a.container)
                .run()
                .success();
        }
        // Where nftables is asked for, the bus is not.
        let conf = firewall(&a.former, json!({ "backend": "nftables" }));
        node.add(&conf, &a.container);
        node.del(&conf, &a.container);
    });
}
