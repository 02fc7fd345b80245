//! The example of each page in `docs/plugins`, run as a runtime would.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use wasmcni::component::BUNDLED;

use crate::harness::netns::{Netns, ip};
use crate::harness::node::{Container, Node, on_a_node, plugins_of};
use crate::harness::programs::require_tun;
use crate::harness::sandbox::notice;

/// Kinds of links that a kernel may lack, with the words that make one.
const RARE: [(&str, &[&str]); 4] = [
    ("dummy", &["type", "dummy"]),
    ("ipvlan", &["link", "eth0", "type", "ipvlan"]),
    ("vlan", &["link", "eth0", "type", "vlan", "id", "5"]),
    ("vrf", &["type", "vrf", "table", "5"]),
];

fn pages() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins")
}

#[test]
fn each_plugin_has_a_page() {
    let name = |entry: fs::DirEntry| entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
    let pages: BTreeSet<String> =
        fs::read_dir(pages()).unwrap().map(|entry| name(entry.unwrap())).collect();
    let plugins: BTreeSet<String> = BUNDLED.iter().map(|plugin| plugin.name.to_owned()).collect();
    assert_eq!(pages, plugins);
}

/// What a page has before its grants and keys.
struct Example {
    /// Files that others write: path and text.
    files: Vec<(String, String)>,
    list: Value,
}

fn example(plugin: &str) -> Example {
    let path = pages().join(plugin).with_extension("md");
    let page = fs::read_to_string(&path).unwrap();
    let (_, rest) = page.split_once("## Example\n").expect("an example");
    let (text, _) = rest.split_once("\n## ").expect("its end");
    let mut files = Vec::new();
    let mut list = Value::Null;
    for (before, block) in blocks(text) {
        let (language, text) = block.split_once('\n').unwrap();
        if language == "json" {
            list = serde_json::from_str(text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        } else if let Some(file) = before.split('`').find(|word| word.starts_with('/')) {
            files.push((file.to_owned(), text.to_owned()));
        }
    }
    assert!(list["plugins"].is_array(), "{path:?} has no list of plugins");
    Example { files, list }
}

/// Fenced blocks, each with the text before it.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = text.split("```").collect();
    parts.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// `eth0` with an address and a default route, and something at its other end.
fn uplink() -> Netns {
    let outside = Netns::new("outside");
    ip(&["link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", "outside"]);
    ip(&["addr", "add", "192.0.2.2/24", "dev", "eth0"]);
    ip(&["link", "set", "eth0", "up"]);
    outside.exec("ip", &["addr", "add", "192.0.2.1/24", "dev", "eth0"]);
    outside.exec("ip", &["link", "set", "eth0", "up"]);
    ip(&["route", "add", "default", "via", "192.0.2.1"]);
    outside
}

/// What of the example's plugins the kernel lacks.
fn lacks(plugins: &[Value]) -> Option<&'static str> {
    let rare = RARE.iter().filter(|(kind, _)| plugins.iter().any(|p| p["type"] == *kind));
    rare.map(|(kind, words)| {
        let made = Command::new("ip").args(["link", "add", "probe"]).args(*words).output().unwrap();
        if made.status.success() {
            ip(&["link", "delete", "probe"]);
        }
        (*kind, made.status.success())
    })
    .find_map(|(kind, made)| (!made).then_some(kind))
}

#[test]
fn examples_run_as_they_stand() {
    for plugin in BUNDLED {
        let list = example(plugin.name).list.to_string();
        assert!(list.contains(&format!("\"type\":\"{}\"", plugin.name)), "{list}");
    }
    on_a_node(|node| {
        for plugin in BUNDLED {
            let outside = uplink();
            let example = example(plugin.name);
            let plugins = plugins_of(&example.list);
            match lacks(&plugins) {
                None if plugin.name == "tap" && !require_tun() => {}
                None => run(&node, plugin.name, &example),
                Some(kind) => notice(&format!(
                    "the example of {}: this kernel has no {kind}; run `just test-full-kernel`",
                    plugin.name
                )),
            }
            // Each page has networks of its own.
            for link in standing(&plugins) {
                let _ = Command::new("ip").args(["link", "delete", link]).output();
            }
            drop(outside);
        }
    });
}

fn run(node: &Node, name: &str, Example { files, list }: &Example) {
    eprintln!("the example of {name}");
    for (path, text) in files {
        let path = node.below(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let container = Container::new(name);
    let result = node.add_list(list, &container);
    node.check_list(list, &container, &result).success();
    node.del_list(list, &container, &result);
    assert_eq!(node.leftovers(&standing(&plugins_of(list))), [""; 0], "{name}");
}

/// Links that are there after DEL: the node's own, and bridges.
fn standing(plugins: &[Value]) -> Vec<&str> {
    let bridges = plugins.iter().filter_map(|plugin| plugin["bridge"].as_str());
    ["eth0", "cni0"].into_iter().chain(bridges).collect()
}
