//! Packets between containers and to the node, for each family and both.

use serde_json::{Value, json};

use super::{bridge, ptp};
use crate::harness::netns::reaches;
use crate::harness::node::{Container, on_a_node, with};

const V4: [&str; 2] = ["10.77.0.2", "10.77.0.3"];
const V6: [&str; 2] = ["fd77::2", "fd77::3"];

#[test]
fn containers_and_node_reach_each_other() {
    on_a_node(|node| {
        let v4 = json!([[{ "subnet": "10.77.0.0/24" }]]);
        let v6 = json!([[{ "subnet": "fd77::/64" }]]);
        let both = json!([[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }]]);
        for conf in [bridge(json!({ "isDefaultGateway": true })), ptp(json!({}))] {
            for (ranges, pairs, gateways) in [
                (&v4, &[V4][..], &["10.77.0.1"][..]),
                (&v6, &[V6], &["fd77::1"]),
                (&both, &[V4, V6], &["10.77.0.1", "fd77::1"]),
            ] {
                let ipam: Value = json!({ "type": "host-local", "ranges": ranges });
                let conf = with(&conf, json!({ "ipam": ipam, "name": "n" }));
                let at = format!("{} {ranges}", conf["type"]);
                let [a, b] = ["a", "b"].map(Container::new);
                node.add(&conf, &a);
                node.add(&conf, &b);
                for pair in pairs {
                    assert!(a.netns.reaches(pair[1]), "{at}: {pair:?}");
                    assert!(b.netns.reaches(pair[0]), "{at}: {pair:?}");
                    assert!(reaches(pair[0]) && reaches(pair[1]), "{at}: {pair:?} from the node");
                }
                for gateway in gateways {
                    assert!(
                        a.netns.reaches(gateway) && b.netns.reaches(gateway),
                        "{at}: {gateway}"
                    );
                }
                node.del(&conf, &a);
                node.del(&conf, &b);
                let network = std::path::PathBuf::from(node.data_dir()).join("n");
                std::fs::remove_dir_all(network).unwrap();
                if conf["type"] == "bridge" {
                    crate::harness::netns::ip(&["link", "delete", "br0"]);
                }
                assert_eq!(node.leftovers(&[]), [""; 0], "{at}");
            }
        }
    });
}
