//! A node as a runtime sees it: plugins in a directory, and the calls it makes to them.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::exec::{Exec, Outcome, plugin_dir};
use super::netns::{self, Netns};
use super::programs::{REFERENCE, require};
use super::sandbox;

/// Where programs are that plugins of the reference call (`iptables`).
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A node: a directory of plugins, and a root below which they keep their files.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    plugins: PathBuf,
    root: PathBuf,
}

impl Node {
    /// A node with wasmcni, its files below `dir`.
    pub(crate) fn new(dir: &Path) -> Self {
        let plugins = plugin_dir(&dir.join("bin"));
        Self { plugins, root: dir.join("root") }
    }

    /// A node with the plugins of a directory, its files below `root`.
    pub(crate) fn at(plugins: &Path, root: &Path) -> Self {
        Self { plugins: plugins.to_owned(), root: root.to_owned() }
    }

    /// The same node with the reference plugins. They know no other root, so configurations must name
    /// [`Node::data_dir`].
    pub(crate) fn reference(&self) -> Self {
        Self { plugins: REFERENCE.into(), ..self.clone() }
    }

    /// The directory of plugins.
    pub(crate) fn plugins(&self) -> &Path {
        &self.plugins
    }

    /// A path below the node's root.
    pub(crate) fn below(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Where reservations are when nothing else is said.
    pub(crate) fn data_dir(&self) -> String {
        self.below("var/lib/cni/networks").display().to_string()
    }

    /// Allows the execution of native delegates.
    pub(crate) fn allow_natives(&self, names: &[&str]) {
        let dir = self.below("etc/wasmcni");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("wasmcni.toml"), format!("natives = {names:?}\n")).unwrap();
    }

    /// Gives a plugin these grants in place of the ones that it was shipped with.
    pub(crate) fn grants(&self, plugin: &str, text: &str) {
        let dir = self.below("etc/wasmcni/plugins");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("{plugin}.toml")), text).unwrap();
    }

    /// A call of `plugin` that is about a network.
    pub(crate) fn network_call_of(&self, plugin: &str, verb: &str, conf: &Value) -> Exec {
        Exec::of(&self.plugins.join(plugin))
            .root(&self.root)
            .env("PATH", PATH)
            .env("CNI_COMMAND", verb)
            .env("CNI_PATH", self.plugins.display().to_string())
            .stdin(conf.to_string())
    }

    /// A call of the plugin that the configuration names.
    pub(crate) fn network_call(&self, verb: &str, conf: &Value) -> Exec {
        self.network_call_of(conf["type"].as_str().expect("a type"), verb, conf)
    }

    /// A call that is about an attachment.
    pub(crate) fn call(&self, verb: &str, conf: &Value, of: &Container) -> Exec {
        self.network_call(verb, conf)
            .env("CNI_CONTAINERID", &of.id)
            .env("CNI_NETNS", of.netns.path().display().to_string())
            .env("CNI_IFNAME", &of.ifname)
    }

    /// ADD, which must succeed.
    #[track_caller]
    pub(crate) fn add(&self, conf: &Value, of: &Container) -> Value {
        self.call("ADD", conf, of).run().success()
    }

    /// DEL, which must succeed.
    #[track_caller]
    pub(crate) fn del(&self, conf: &Value, of: &Container) {
        let result = self.call("DEL", conf, of).run().success();
        assert_eq!(result, Value::Null, "DEL writes nothing");
    }

    /// CHECK against ADD's result.
    pub(crate) fn check(&self, conf: &Value, of: &Container, result: &Value) -> Outcome {
        self.call("CHECK", &with(conf, json!({ "prevResult": result })), of).run()
    }

    /// ADD of each plugin of a list, each with the result of those before it, all of which must succeed;
    /// returns the last result.
    #[track_caller]
    pub(crate) fn add_list(&self, list: &Value, of: &Container) -> Value {
        let mut result = Value::Null;
        for plugin in plugins_of(list) {
            result = self.add(&with(&plugin, json!({ "prevResult": result })), of);
        }
        result
    }

    /// CHECK of each plugin of a list against the list's result; returns the first that fails, or the last.
    #[track_caller]
    pub(crate) fn check_list(&self, list: &Value, of: &Container, result: &Value) -> Outcome {
        let outcomes = plugins_of(list).into_iter().map(|conf| self.check(&conf, of, result));
        let mut last = None;
        for outcome in outcomes {
            let failed = outcome.status != Some(0);
            last = Some(outcome);
            if failed {
                break;
            }
        }
        last.expect("a list has plugins")
    }

    /// DEL of each plugin of a list, the last first, all of which must succeed.
    #[track_caller]
    pub(crate) fn del_list(&self, list: &Value, of: &Container, result: &Value) {
        for plugin in plugins_of(list).iter().rev() {
            self.del(&with(plugin, json!({ "prevResult": result })), of);
        }
    }

    /// All that attachments leave on a node, but for links named in `kept`: links, elements of nftables
    /// sets, reservations, journals.
    pub(crate) fn leftovers(&self, kept: &[&str]) -> Vec<String> {
        let mut left = self.files();
        let links = netns::names(&netns::ip_json(&["link"]));
        left.extend(
            links
                .into_iter()
                .filter(|l| l != "lo" && !kept.contains(&l.as_str()))
                .map(|l| format!("link {l}")),
        );
        left.extend(netns::nft_elements());
        left
    }

    /// Reservations, journals, saved configurations.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut left: Vec<String> =
            self.reservations().iter().map(|a| format!("reservation {a}")).collect();
        let journals = walk(&self.below("run/wasmcni/attachments"));
        left.extend(journals.iter().map(|file| format!("journal {}", file.display())));
        let saved = walk(&self.below("var/lib/cni/flannel"));
        left.extend(saved.iter().map(|file| format!("saved {}", file.display())));
        left
    }

    /// The addresses that files below the root reserve, in their order.
    pub(crate) fn reservations(&self) -> Vec<IpAddr> {
        let files = walk(&self.root);
        let name = |file: &PathBuf| file.file_name()?.to_str()?.parse().ok();
        let mut addresses: Vec<IpAddr> = files.iter().filter_map(name).collect();
        addresses.sort();
        addresses
    }
}

/// Runs a test in a sandbox, on a node of its own, if the witnesses are here.
pub(crate) fn on_a_node(test: impl FnOnce(Node)) {
    sandbox::run(|| {
        if ["ip", "bridge", "tc", "nft", "nsenter", "ping"].iter().all(|program| require(program)) {
            test(Node::new(Path::new("/run/node")));
        }
    });
}

/// Waits until something is so, as it must soon be.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Every file below a directory; none if there is no directory.
fn walk(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// A container's netns, and what the runtime calls the container and its interface.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) netns: Netns,
    pub(crate) id: String,
    pub(crate) ifname: String,
}

impl Container {
    /// A container of this name, to have `eth0`.
    pub(crate) fn new(name: &str) -> Self {
        Self { netns: Netns::new(name), id: format!("id-{name}"), ifname: "eth0".to_owned() }
    }

    /// The same container with another interface.
    pub(crate) fn with_interface(&self, ifname: &str) -> Self {
        let netns = Netns::alias(&self.netns, &format!("{}-{ifname}", self.id));
        Self { netns, id: self.id.clone(), ifname: ifname.to_owned() }
    }

    /// The container's interface, as `ip -json -details addr` tells it.
    pub(crate) fn interface(&self) -> Value {
        self.netns.ip_json(&["-details", "addr", "show", "dev", &self.ifname])[0].clone()
    }

    /// The container's addresses, link-local ones left out: `10.0.0.2/24`, sorted.
    pub(crate) fn addresses(&self) -> Vec<String> {
        netns::addresses(&self.interface())
    }

    /// The container's routes, link-local ones left out, as `default via 10.0.0.1 dev eth0`, sorted.
    pub(crate) fn routes(&self) -> Vec<String> {
        let mut routes: Vec<String> = ["-4", "-6"]
            .iter()
            .flat_map(|family| {
                let text = self.netns.exec("ip", &[family, "route"]);
                text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
            })
            .filter(|route| !route.starts_with("fe80::/64 "))
            .collect();
        routes.sort();
        routes
    }

    /// The routes of one of the container's tables, link-local ones left out, sorted. A table that never had a
    /// route is none.
    pub(crate) fn table(&self, table: &str) -> Vec<String> {
        let mut routes = Vec::new();
        for family in ["-4", "-6"] {
            let mut command = self.netns.command("ip");
            let output = command.args([family, "route", "show", "table", table]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            routes.extend(
                text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")),
            );
        }
        routes.retain(|route| !route.starts_with("fe80::/64"));
        routes.sort();
        routes
    }
}

/// The configurations of a list's plugins, as a runtime makes them.
pub(crate) fn plugins_of(list: &Value) -> Vec<Value> {
    let plugins = list["plugins"].as_array().expect("a list has plugins").iter();
    let own = json!({ "cniVersion": list["cniVersion"], "name": list["name"] });
    plugins.map(|plugin| with(plugin, own.clone())).collect()
}

/// The configuration with further keys, or other values of those it has. `null` takes a key away.
pub(crate) fn with(conf: &Value, more: Value) -> Value {
    let mut conf = conf.clone();
    let Value::Object(more) = more else { panic!("{more} is not an object") };
    for (key, value) in more {
        if value.is_null() {
            conf.as_object_mut().expect("a configuration is an object").remove(&key);
        } else {
            conf[key] = value;
        }
    }
    conf
}
