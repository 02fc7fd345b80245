//! What the reference plugins leave in nftables when a node is switched with its containers running, and
//! what DEL removes of it.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use wasmcni::kernel::Owner;

use super::container;
use crate::harness::netns::nft_json;
use crate::harness::node::{Container, Node, on_a_node, with};
use crate::harness::programs::require_reference;

/// `nft -f -`.
fn nft(script: &str) {
    let mut child = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{script}");
}

/// Sixteen digits of a SHA-512, by another program.
fn h16(text: &str) -> String {
    let mut child =
        Command::new("sha512sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..16].to_owned()
}

/// `commentForInstance` of the reference's pkg/ip/ipmasq_nftables_linux.go.
fn comment(network: &str, ifname: &str, id: &str) -> String {
    let hashes = format!("{}-{}", h16(network), h16(&format!("{ifname}:{id}")));
    let mut comment = format!("{hashes}, net: {network}, if: {ifname}, id: {id}");
    comment.truncate(128);
    comment
}

/// What `setupIPMasqNFTablesWithInterface` of the same file adds.
fn masquerade(address: &str, network: &str, comment: &str) {
    let ip = if address.contains(':') { "ip6" } else { "ip" };
    nft(&format!(
        "add table inet cni_plugins_masquerade {{ comment \"Masquerading for plugins from \
         github.com/containernetworking/plugins\" ; }}\n\
         add chain inet cni_plugins_masquerade masq_checks {{ comment \"Masquerade traffic from \
         certain IPs to any (non-multicast) IP outside their subnet\" ; }}\n\
         add chain inet cni_plugins_masquerade postrouting {{ type nat hook postrouting priority 100 ; }}\n\
         flush chain inet cni_plugins_masquerade postrouting\n\
         add rule inet cni_plugins_masquerade postrouting ip daddr == 224.0.0.0/4 return\n\
         add rule inet cni_plugins_masquerade postrouting ip6 daddr == ff00::/8 return\n\
         add rule inet cni_plugins_masquerade postrouting goto masq_checks\n\
         add rule inet cni_plugins_masquerade masq_checks {ip} saddr == {address} {ip} daddr != {network} \
         masquerade comment \"{comment}\"\n"
    ));
}

/// The values at a key of all objects of a kind: `rule comment`.
fn all(kind: &str, key: &str) -> Vec<String> {
    let rules = nft_json();
    let objects = rules["nftables"].as_array().unwrap().iter().map(|object| &object[kind]);
    objects.filter_map(|object| Some(object[key].as_str()?.to_owned())).collect()
}

fn conf(node: &Node, more: Value) -> Value {
    let ipam =
        json!({ "type": "host-local", "subnet": "10.77.0.0/24", "dataDir": node.data_dir() });
    let conf = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true,
        "ipam": ipam,
    });
    with(&conf, more)
}

/// Both families, and names that the comment has no room for. Other attachments' rules stay.
#[test]
fn masquerade_goes_by_its_comment() {
    on_a_node(|node| {
        let long = "0123456789abcdef".repeat(4);
        for (plugin, network, id) in
            [("bridge", "net", "id-c"), ("ptp", "a-network-of-a-long-name", long.as_str())]
        {
            let mut container = container(plugin);
            container.id = id.to_owned();
            let mine = comment(network, "eth0", id);
            let others = [
                comment(network, "eth1", id),
                comment("other", "eth0", id),
                comment(network, "eth0", "id-d"),
                "somebody's own".to_owned(),
            ];
            masquerade("10.77.0.2", "10.77.0.0/24", &mine);
            for other in &others {
                masquerade("10.77.0.3", "10.77.0.0/24", other);
            }
            masquerade("fd77::2", "fd77::/64", &mine);
            assert_eq!(all("rule", "comment").len(), 6);
            let conf = conf(&node, json!({ "name": network, "type": plugin, "ipMasq": true }));
            // Another attachment's DEL, a check, and a DEL without ipMasq change nothing.
            let elsewhere = Container { id: "id-e".to_owned(), ..Container::new("e") };
            node.del(&conf, &elsewhere);
            node.del(&with(&conf, json!({ "ipMasq": false })), &container);
            assert_eq!(all("rule", "comment").len(), 6);
            node.call("DEL", &conf, &container).without("CNI_NETNS").run().success();
            assert_eq!(all("rule", "comment"), others, "{plugin}");
            node.del(&conf, &container);
            assert_eq!(all("rule", "comment"), others, "{plugin}");
            crate::harness::netns::flush_nft();
        }
    });
}

/// What wasmcni made itself is in its journal: of the reference's table nothing is asked.
#[test]
fn an_own_attachment_leaves_the_references_rules() {
    on_a_node(|node| {
        let container = container("c");
        let conf = conf(&node, json!({ "ipMasq": true }));
        node.add(&conf, &container);
        let foreign = comment("net", "eth0", &container.id);
        masquerade("10.77.0.2", "10.77.0.0/24", &foreign);
        node.del(&conf, &container);
        assert_eq!(all("rule", "comment"), [foreign]);
        // The next DEL finds no journal.
        node.del(&conf, &container);
        assert_eq!(all("rule", "comment"), [""; 0]);
    });
}

/// `macspoofchk` by the real reference plugin.
#[test]
fn spoof_guards_go_by_their_names() {
    on_a_node(|node| {
        if !require_reference() {
            return;
        }
        let theirs = node.reference();
        let conf = conf(&node, json!({ "macspoofchk": true }));
        for with_netns in [true, false] {
            let [a, b] = ["a", "b"].map(container);
            theirs.add(&conf, &a);
            theirs.add(&conf, &b);
            assert_eq!(all("chain", "name").len(), 5);
            assert_eq!(all("rule", "comment").len(), 8);
            let del = |container: &Container| {
                let call = node.call("DEL", &conf, container);
                let call = if with_netns { call } else { call.without("CNI_NETNS") };
                call.run().success();
            };
            del(&a);
            let left = all("chain", "name");
            assert_eq!(
                left,
                ["PREROUTING", "cni-br-iface-id-b-eth0", "cni-br-iface-id-b-eth0-mac"]
            );
            assert_eq!(all("rule", "comment"), ["macspoofchk-id-b-eth0"; 4]);
            del(&b);
            assert_eq!(all("chain", "name"), ["PREROUTING"]);
            assert_eq!(all("rule", "chain"), [""; 0]);
            for container in [&a, &b] {
                if !with_netns {
                    container.netns.exec("ip", &["link", "delete", "eth0"]);
                }
            }
        }
        assert_eq!(node.files(), [""; 0]);
    });
}

/// The same on the model.
#[test]
fn the_model_knows_them_too() {
    use wasmcni::kernel::Kernel;
    let node = wasmcni::kernel::sim::SimNode::new();
    let owner = |network: &str, ifname: &str| Owner {
        network: network.to_owned(),
        container_id: "c".to_owned(),
        ifname: ifname.to_owned(),
    };
    for (network, ifname) in [("net", "eth0"), ("net", "eth1"), ("other", "eth0")] {
        node.masquerade_and_guard_by_reference(&owner(network, ifname));
    }
    let mut kernel = node.kernel(None);
    kernel.reference_masquerade_delete(&owner("net", "eth0")).unwrap();
    let state = node.snapshot();
    assert_eq!(state.reference_masquerades, [owner("net", "eth1"), owner("other", "eth0")]);
    kernel.reference_spoof_guard_delete(&owner("net", "eth0")).unwrap();
    assert_eq!(node.snapshot().reference_spoof_guards, [owner("net", "eth1")]);
}
