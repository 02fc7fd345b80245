//! Network namespaces of tests, and `ip` as a witness. Only for tests in a sandbox.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use serde_json::Value;

/// A network namespace with a name, gone when this is dropped. Its `lo` is down, as that of a container.
#[derive(Debug)]
pub(crate) struct Netns {
    path: PathBuf,
}

impl Netns {
    /// Equivalent: `ip netns add NAME`.
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new("/run/netns").join(name);
        File::create_new(&path).unwrap_or_else(|error| panic!("creating {path:?}: {error}"));
        // A thread born for it: it has the namespace, and ends.
        thread::scope(|scope| {
            scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).expect("a sandbox may make namespaces");
                let own = Some("/proc/thread-self/ns/net");
                let flags = MsFlags::MS_BIND;
                mount(own, &path, None::<&str>, flags, None::<&str>).expect("and mount them");
            });
        });
        Self { path }
    }

    /// The same namespace under another name.
    pub(crate) fn alias(of: &Self, name: &str) -> Self {
        let path = Path::new("/run/netns").join(name);
        File::create_new(&path).unwrap_or_else(|error| panic!("creating {path:?}: {error}"));
        let flags = MsFlags::MS_BIND;
        mount(Some(&of.path), &path, None::<&str>, flags, None::<&str>)
            .expect("a sandbox may mount");
        Self { path }
    }

    /// `/run/netns/NAME`.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A command that will run in the namespace. Equivalent: `ip netns exec NAME PROGRAM`, without its
    /// mounts.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path.display())).arg("--").arg(program);
        command
    }

    /// Runs something in a thread that has entered the namespace, and ends with it.
    pub(crate) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let entered = scope.spawn(|| {
                let netns = File::open(&self.path).expect("it is mounted there");
                setns(netns, CloneFlags::CLONE_NEWNET).expect("a sandbox may enter namespaces");
                act()
            });
            entered.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Whether this address answers from here.
    pub(crate) fn reaches(&self, address: &str) -> bool {
        ping(|| self.command("ping"), address)
    }

    /// Runs a command in the namespace, which must succeed. Its standard output.
    pub(crate) fn exec(&self, program: &str, arguments: &[&str]) -> String {
        succeed(self.command(program).args(arguments))
    }

    /// `ip -json ARGUMENT…` in the namespace.
    pub(crate) fn ip_json(&self, arguments: &[&str]) -> Value {
        json(&self.exec("ip", &[&["-json"], arguments].concat()))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // The sandbox's end takes away what stays.
        let _ = umount2(&self.path, MntFlags::MNT_DETACH);
        let _ = fs::remove_file(&self.path);
    }
}

/// `ip ARGUMENT…` in the calling thread's namespace, which must succeed. Its standard output.
pub(crate) fn ip(arguments: &[&str]) -> String {
    succeed(Command::new("ip").args(arguments))
}

/// `ip -json ARGUMENT…` in the calling thread's namespace.
pub(crate) fn ip_json(arguments: &[&str]) -> Value {
    json(&ip(&[&["-json"], arguments].concat()))
}

/// Whether the kernel has links of this kind. One is made, if it needs nothing else, and deleted.
pub(crate) fn has_kind(kind: &str) -> bool {
    let made = Command::new("ip").args(["link", "add", "probe", "type", kind]).output();
    let made = made.expect("ip was there");
    if made.status.success() {
        ip(&["link", "delete", "probe"]);
    }
    // What the kernel lacks it says before it misses a parent.
    !String::from_utf8_lossy(&made.stderr).contains("Unknown device type")
}

/// Whether this address answers in the calling thread's namespace.
pub(crate) fn reaches(address: &str) -> bool {
    ping(|| Command::new("ping"), address)
}

/// One echo, and a second one if the first gets lost.
fn ping(program: impl Fn() -> Command, address: &str) -> bool {
    (0..2).any(|_| {
        let mut command = program();
        command.args(["-n", "-q", "-c", "1", "-W", "0.5", address]);
        let output = command.output().unwrap_or_else(|e| panic!("starting {command:?}: {e}"));
        // 2: ping itself failed. With no route that is an answer as well, with nonsense it is none.
        let no_route = output.stderr.starts_with(b"ping: connect");
        assert!(output.status.code() != Some(2) || no_route, "{output:?}");
        output.status.success()
    })
}

/// The links of `ip -json link`.
pub(crate) fn names(links: &Value) -> Vec<String> {
    let links = links.as_array().expect("a list of links").iter();
    links.map(|link| link["ifname"].as_str().expect("a name").to_owned()).collect()
}

/// The addresses of a link of `ip -json addr`, link-local ones left out: `10.0.0.2/24`, sorted.
pub(crate) fn addresses(link: &Value) -> Vec<String> {
    let all = link["addr_info"].as_array().into_iter().flatten();
    let ours = all.filter(|a| a["scope"] != "link");
    let text = |a: &Value| format!("{}/{}", a["local"].as_str().unwrap(), a["prefixlen"]);
    let mut addresses: Vec<String> = ours.map(text).collect();
    addresses.sort();
    addresses
}

/// The elements of all nftables sets and maps of the calling thread's namespace: `table set element`.
pub(crate) fn nft_elements() -> Vec<String> {
    let rules = nft_json();
    let sets = rules["nftables"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|object| [&object["set"], &object["map"]]);
    let elements = |set: &Value| {
        let at = format!("{} {}", set["table"].as_str().unwrap(), set["name"].as_str().unwrap());
        let all = set["elem"].as_array().cloned().unwrap_or_default();
        all.into_iter().map(move |element| format!("{at} {element}")).collect::<Vec<_>>()
    };
    sets.filter(|set| set.is_object()).flat_map(elements).collect()
}

/// `nft -j list ruleset` in the calling thread's namespace.
pub(crate) fn nft_json() -> Value {
    json(&succeed(Command::new("nft").args(["-j", "list", "ruleset"])))
}

/// `nft ARGUMENT…` in the calling thread's namespace, which must succeed.
pub(crate) fn nft(arguments: &[&str]) -> String {
    succeed(Command::new("nft").args(arguments))
}

/// Every rule and set of the calling thread's namespace goes.
pub(crate) fn flush_nft() {
    succeed(Command::new("nft").args(["flush", "ruleset"]));
}

/// `bridge -json -details ARGUMENT…` in the calling thread's namespace.
pub(crate) fn bridge_json(arguments: &[&str]) -> Value {
    json(&succeed(Command::new("bridge").args(["-json", "-details"]).args(arguments)))
}

/// `tc ARGUMENT…` in the calling thread's namespace, which must succeed.
pub(crate) fn tc(arguments: &[&str]) -> String {
    succeed(Command::new("tc").args(arguments))
}

/// `tc -json ARGUMENT…` in the calling thread's namespace.
pub(crate) fn tc_json(arguments: &[&str]) -> Value {
    json(&tc(&[&["-json"], arguments].concat()))
}

/// A sysctl of the calling thread's namespace: its path below `/proc/sys/`.
pub(crate) fn sysctl(key: &str) -> String {
    let value = fs::read_to_string(Path::new("/proc/sys").join(key));
    value.unwrap_or_else(|error| panic!("reading {key}: {error}")).trim().to_owned()
}

fn succeed(command: &mut Command) -> String {
    let output: Output =
        command.output().unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {stderr}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// iproute2 writes nothing at all for an empty list.
fn json(text: &str) -> Value {
    let text = if text.trim().is_empty() { "[]" } else { text };
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}
