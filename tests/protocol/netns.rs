//! The container's netns: rows E15 and E16.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use serde_json::json;

use super::{PLUGINS, code_naming, conf, versions};
use crate::harness::netns::{ip_json, names};
use crate::harness::node::{Container, on_a_node, with};

/// The netns of the process that reads it.
const OWN: [&str; 2] = ["/proc/self/ns/net", "/proc/thread-self/ns/net"];

/// Row E15. Nothing is done before it is known whose netns it is.
#[test]
fn the_nodes_own_netns_is_no_containers() {
    on_a_node(|node| {
        let container = Container::new("none");
        let before = ip_json(&["-details", "addr"]);
        for plugin in PLUGINS {
            for version in versions() {
                let conf = with(&conf(plugin), json!({ "cniVersion": version }));
                for netns in OWN {
                    for no in ["", "0", "yes"] {
                        for verb in ["ADD", "DEL"] {
                            let call = node.call(verb, &conf, &container).env("CNI_NETNS", netns);
                            let outcome = call.env("CNI_NETNS_OVERRIDE", no).run();
                            assert_eq!(
                                code_naming(&outcome, netns),
                                8,
                                "{plugin} {version} {verb}"
                            );
                        }
                    }
                }
            }
            assert_eq!(ip_json(&["-details", "addr"]), before, "{plugin}");
            assert_eq!(node.leftovers(&[]), [""; 0], "{plugin}");
        }
    });
}

/// Row E15, when it is meant.
#[test]
fn the_nodes_own_netns_may_be_meant() {
    on_a_node(|node| {
        let container = Container::new("none");
        for plugin in ["bridge", "host-local", "static", "loopback"] {
            for yes in ["1", "true", "TRUE"] {
                let conf = conf(plugin);
                let call = |verb| {
                    let call = node.call(verb, &conf, &container).env("CNI_NETNS", OWN[0]);
                    call.env("CNI_NETNS_OVERRIDE", yes).run()
                };
                call("ADD").success();
                let links = names(&ip_json(&["link"]));
                assert_eq!(links.contains(&"eth0".to_owned()), plugin == "bridge", "{links:?}");
                call("DEL").success();
                assert_eq!(node.leftovers(&["br0"]), [""; 0], "{plugin}");
            }
        }
    });
}

/// Row E16.
#[test]
fn what_is_no_netns_is_refused_before_anything_is_done() {
    on_a_node(|node| {
        let container = Container::new("c");
        let run = Path::new("/run");
        fs::write(run.join("file"), "").unwrap();
        // A namespace of another kind, kept as those of containers are.
        fs::write(run.join("uts"), "").unwrap();
        let bind = MsFlags::MS_BIND;
        mount(Some("/proc/self/ns/uts"), &run.join("uts"), None::<&str>, bind, None::<&str>)
            .unwrap();
        nix::unistd::mkfifo(&run.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        // What is left of a netns that was unmounted.
        fs::write(run.join("netns/gone"), "").unwrap();
        for plugin in PLUGINS {
            let conf = conf(plugin);
            for netns in [
                "/nonexistent",
                "/run/nonexistent/netns",
                "relative",
                "/run/file",
                "/run/netns/gone",
                "/run",
                "/run/fifo",
                "/dev/null",
                "/proc/self/ns/uts",
                "/proc/self/ns/mnt",
                "/proc/self/ns/user",
                "/run/uts",
            ] {
                let outcome = node.call("ADD", &conf, &container).env("CNI_NETNS", netns).run();
                // What kind of namespace is mounted somewhere, only who enters it sees.
                if netns == "/run/uts" {
                    if !matches!(plugin, "host-local" | "static") {
                        code_naming(&outcome, "no network namespace");
                        assert_eq!(node.leftovers(&[]), [""; 0], "{plugin} {netns}");
                    }
                    node.call("DEL", &conf, &container).without("CNI_NETNS").run().success();
                    continue;
                }
                assert_eq!(code_naming(&outcome, netns), 8, "{plugin} {netns}");
                assert_eq!(node.leftovers(&[]), [""; 0], "{plugin} {netns}");
                // Row E4: it keeps nothing from being removed.
                node.call("DEL", &conf, &container).env("CNI_NETNS", netns).run().success();
            }
            assert_eq!(node.leftovers(&[]), [""; 0], "{plugin}");
        }
    });
}
