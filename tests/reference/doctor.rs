//! `wasmcni doctor` on a node that was switched: what the real reference plugins left is listed, and the
//! commands that are printed remove it, and nothing else.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::container;
use crate::harness::exec::{Exec, wasmcni_binary};
use crate::harness::netns::{flush_nft, nft_json};
use crate::harness::node::{Container, Node, on_a_node, with};
use crate::harness::programs::require_reference;
use crate::harness::sandbox::notice;

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// `wasmcni doctor ARGUMENT…`: its exit status, and what it says.
fn doctor(node: &Node, arguments: &[&str], path: &str) -> (Option<i32>, String, String) {
    let program = node.below("wasmcni");
    if !program.exists() {
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(wasmcni_binary(), &program).unwrap();
    }
    let mut command = Command::new(program);
    command.arg("doctor").args(arguments).env_clear().env("PATH", path);
    let output: Output = command.env("WASMCNI_ROOT", node.below("")).output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), stdout, stderr)
}

fn report(node: &Node, status: i32) -> Value {
    let (code, stdout, stderr) = doctor(node, &["--json"], PATH);
    assert_eq!((code, stderr.as_str()), (Some(status), ""), "{stdout}");
    serde_json::from_str(&stdout).unwrap()
}

/// What one of its lists says of a key, sorted, once each.
fn told(report: &Value, list: &str, key: &str) -> Vec<String> {
    let items = report[list].as_array().unwrap().iter();
    let mut all: Vec<String> =
        items.filter_map(|item| Some(item[key].as_str()?.to_owned())).collect();
    all.sort();
    all.dedup();
    all
}

/// Executes the whole output, as the help says; each command must succeed.
fn execute(node: &Node) {
    let (code, script, _) = doctor(node, &[], PATH);
    assert_eq!(code, Some(1), "{script}");
    shell(&script);
}

fn shell(script: &str) {
    let mut child = Command::new("sh").args(["-ex"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{script}");
}

fn save(back_end: &str) -> String {
    let mut text = String::new();
    for family in ["iptables", "ip6tables"] {
        let output = Command::new(format!("{family}-{back_end}-save")).output().unwrap();
        assert!(output.status.success());
        text += &String::from_utf8(output.stdout).unwrap();
    }
    text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

/// Rules without their counters.
fn rules(saved: &str) -> Vec<&str> {
    saved.lines().filter(|line| line.starts_with("-A")).collect()
}

/// A bridge with masquerade, host ports, a firewall: a chain of the reference's plugins.
struct Chain<'a> {
    node: &'a Node,
    path: String,
    port: u32,
}

impl Chain<'_> {
    fn bridge(&self) -> Value {
        let ranges = json!([[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }]]);
        json!({
            "cniVersion": "1.0.0", "name": "net $(reboot)", "type": "bridge", "bridge": "br0",
            "isGateway": true, "ipMasq": true,
            "ipam": { "type": "host-local", "ranges": ranges, "dataDir": self.node.data_dir() },
        })
    }

    fn run(&self, call: Exec) -> Value {
        call.env("PATH", &self.path).run().success()
    }

    fn add(&mut self, container: &Container) {
        let theirs = self.node.reference();
        let bridge = with(&self.bridge(), json!({ "name": "net" }));
        let result = self.run(theirs.call("ADD", &bridge, container));
        self.port += 1;
        let mapping = json!({ "hostPort": self.port, "containerPort": 80, "protocol": "tcp" });
        for further in [
            json!({ "type": "portmap", "runtimeConfig": { "portMappings": [mapping] } }),
            json!({ "type": "firewall", "ingressPolicy": "same-bridge" }),
        ] {
            let conf = with(&bridge, json!({ "prevResult": result, "ipam": null }));
            self.run(theirs.call("ADD", &with(&conf, further), container));
        }
    }

    fn del(&self, container: &Container) {
        let bridge = with(&self.bridge(), json!({ "name": "net" }));
        self.node.del(&bridge, container);
    }
}

fn on_a_switched_node(back_end: &str) {
    on_a_node(|node| {
        if !require_reference() {
            return;
        }
        // The reference calls the program of this name.
        let programs = Path::new("/run/programs");
        fs::create_dir_all(programs).unwrap();
        for family in ["iptables", "ip6tables"] {
            let program = format!("/usr/sbin/{family}-{back_end}");
            let works = Command::new(&program).args(["-t", "nat", "-S"]).output();
            if !works.is_ok_and(|output| output.status.success()) {
                return notice(&format!(
                    "doctor on {back_end} iptables: {program} does not work here"
                ));
            }
            std::os::unix::fs::symlink(program, programs.join(family)).unwrap();
        }
        let path = format!("{}:{PATH}", programs.display());
        // What others have there.
        let foreign = format!(
            "iptables-{back_end} -t nat -N MINE\niptables-{back_end} -t nat -A POSTROUTING -s 10.1.0.0/16 -j MINE\n\
             iptables-{back_end} -t nat -A MINE -m comment --comment 'not CNI' -j MASQUERADE\n\
             ip6tables-{back_end} -A FORWARD -s fd01::/16 -j ACCEPT\niptables-{back_end} -P FORWARD DROP\n"
        );
        shell(&foreign);
        let before = save(back_end);
        assert_eq!(report(&node, 0)["found"], json!([]));

        let mut chain = Chain { node: &node, path, port: 8000 };
        let [a, b] = ["a", "b"].map(container);
        chain.add(&a);
        chain.add(&b);
        // They run: nothing is to be removed.
        let running = report(&node, 0);
        assert_eq!(running["found"], json!([]));
        assert_eq!(told(&running, "inUse", "container"), ["id-a", "id-b"]);

        chain.del(&a);
        let one = report(&node, 1);
        assert_eq!(told(&one, "found", "container"), ["id-a"]);
        assert_eq!(told(&one, "found", "network"), ["net"]);
        assert_eq!(told(&one, "inUse", "container"), ["id-b"]);
        for place in ["nat", "filter"] {
            for family in ["iptables", "ip6tables"] {
                let place = format!("{family}-{back_end}, table {place}");
                assert!(told(&one, "found", "place").contains(&place), "{place}: {one:#}");
            }
        }
        execute(&node);
        let saved = save(back_end);
        assert!(!saved.contains("id-a") && !saved.contains("10.77.0.2/32"), "{saved}");
        assert!(
            saved.contains("id-b") && saved.contains("--to-destination 10.77.0.3:80"),
            "{saved}"
        );
        assert!(saved.contains("-d fd77::3/128"), "{saved}");
        assert_eq!(report(&node, 0)["found"], json!([]));

        chain.del(&b);
        assert_eq!(told(&report(&node, 1), "found", "container"), ["id-b"]);
        execute(&node);
        let after = save(back_end);
        assert!(!after.replace("not CNI", "").contains("CNI"), "{after}");
        assert_eq!(rules(&after), rules(&before));
        assert!(after.contains(":FORWARD DROP") && after.contains(":MINE"), "{after}");
        let none = report(&node, 0);
        assert_eq!((&none["found"], &none["inUse"]), (&json!([]), &json!([])));
        let (_, text, _) = doctor(&node, &[], PATH);
        assert!(text.ends_with("# 0 left, 0 in use\n"), "{text}");
    });
}

#[test]
fn iptables_of_the_nft_back_end() {
    on_a_switched_node("nft");
}

#[test]
fn iptables_of_the_legacy_back_end() {
    on_a_switched_node("legacy");
}

/// Names are data: what looks like a command in one is none.
#[test]
fn a_name_is_no_command() {
    on_a_node(|node| {
        if !require_reference() {
            return;
        }
        let comment =
            "name: \"$(touch /run/pwned)`touch /run/pwned`\\n\" id: \"x'; touch /run/pwned\"";
        let hash = "CNI-0123456789abcdef01234567";
        for words in [
            vec!["-t", "nat", "-N", hash],
            vec![
                "-t",
                "nat",
                "-A",
                "POSTROUTING",
                "-m",
                "comment",
                "--comment",
                comment,
                "-j",
                hash,
            ],
        ] {
            assert!(Command::new("iptables-nft").args(words).status().unwrap().success());
        }
        let found = report(&node, 1);
        assert_eq!(told(&found, "found", "container"), ["x'; touch /run/pwned"]);
        execute(&node);
        assert!(!Path::new("/run/pwned").exists());
        assert_eq!(report(&node, 0)["found"], json!([]));
    });
}

/// Without comments, an address tells whose a chain is.
#[test]
fn chains_without_comments() {
    on_a_node(|node| {
        let reservations = node.below("var/lib/cni/networks/net");
        fs::create_dir_all(&reservations).unwrap();
        fs::write(reservations.join("10.77.0.2"), "id-a\r\neth0").unwrap();
        shell(
            "iptables-nft -t nat -N CNI-DN-0a\niptables-nft -t nat -N CNI-DN-0b\n\
             iptables-nft -t nat -A CNI-DN-0a -p tcp --dport 1 -j DNAT --to-destination 10.77.0.2:80\n\
             iptables-nft -t nat -A CNI-DN-0b -p tcp --dport 2 -j DNAT --to-destination 10.77.0.3:80\n",
        );
        execute(&node);
        let saved = save("nft");
        assert!(saved.contains("CNI-DN-0a") && !saved.contains("CNI-DN-0b"), "{saved}");
        fs::remove_file(reservations.join("10.77.0.2")).unwrap();
        execute(&node);
        assert!(!save("nft").contains("CNI-DN"));
    });
}

/// The operator's own chain of the firewall plugin is the operator's.
#[test]
fn an_admins_rules_stay() {
    on_a_node(|node| {
        shell(
            "iptables-nft -N CNI-FORWARD\niptables-nft -N CNI-ADMIN\n\
             iptables-nft -A FORWARD -m comment --comment 'CNI firewall plugin rules' -j CNI-FORWARD\n\
             iptables-nft -A CNI-FORWARD -m comment --comment 'CNI firewall plugin admin overrides' -j CNI-ADMIN\n\
             iptables-nft -A CNI-FORWARD -s 10.77.0.2/32 -j ACCEPT\n\
             iptables-nft -A CNI-ADMIN -s 10.77.0.66 -j DROP\n",
        );
        execute(&node);
        let saved = save("nft");
        assert!(saved.contains("-A CNI-ADMIN -s 10.77.0.66/32 -j DROP"), "{saved}");
        assert!(saved.contains("-j CNI-ADMIN") && !saved.contains("10.77.0.2/32"), "{saved}");
        let left = report(&node, 0);
        assert!(left["inUse"][0]["needed"].as_str().unwrap().contains("your own"), "{left}");
    });
}

/// Tables and chains of the nftables back end, as a crash leaves them.
#[test]
fn nftables() {
    on_a_node(|node| {
        if !require_reference() {
            return;
        }
        let conf = json!({
            "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0",
            "macspoofchk": true,
            "ipam": { "type": "host-local", "subnet": "10.77.0.0/24", "dataDir": node.data_dir() },
        });
        let [gone, runs] = ["gone", "runs"].map(container);
        node.reference().add(&conf, &gone);
        node.reference().add(&conf, &runs);
        fs::remove_file(node.below("var/lib/cni/networks/net/10.77.0.2")).unwrap();
        let masquerade = |id: &str| {
            format!(
                "add rule inet cni_plugins_masquerade masq_checks ip saddr == 10.77.0.2 ip daddr != \
                 10.77.0.0/24 masquerade comment \"0a-1b, net: net, if: eth0, id: {id}\"\n"
            )
        };
        let port = |id: &str| {
            format!(
                "add rule ip cni_hostport hostports tcp dport 80 dnat to 10.77.0.2:80 comment \"{id}\"\n"
            )
        };
        let script = format!(
            "add table inet cni_plugins_masquerade\nadd chain inet cni_plugins_masquerade masq_checks\n{}{}\
             add table ip cni_hostport\nadd chain ip cni_hostport hostports\n{}\
             add table ip6 cni_hostport\nadd table inet mine\nadd chain inet mine c\nadd rule inet mine c accept comment \"id-gone\"\n\
             add chain bridge nat others\nadd rule bridge nat PREROUTING iifname \"v9\" jump others comment \"macspoofchk-not\"\n",
            masquerade("id-gone"),
            masquerade("id-runs"),
            port("id-gone"),
        );
        shell(&format!("nft -f - <<'END'\n{script}END\n"));
        let found = report(&node, 1);
        assert_eq!(told(&found, "found", "container"), ["id-gone", "id-gone-eth0"], "{found:#}");
        assert_eq!(told(&found, "inUse", "container"), ["id-runs", "id-runs-eth0"], "{found:#}");
        execute(&node);
        let text = nft_json().to_string();
        assert!(!text.contains("cni-br-iface-id-gone") && !text.contains("id: id-gone"), "{text}");
        assert!(!text.contains("cni_hostport"), "{text}");
        for kept in ["cni-br-iface-id-runs-eth0-mac", "id: id-runs", "macspoofchk-not", "\"mine\""]
        {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        assert_eq!(report(&node, 0)["found"], json!([]));
        flush_nft();
        assert_eq!(report(&node, 0)["inUse"], json!([]));
    });
}

/// Not to have looked is not to have found nothing.
#[test]
fn what_cannot_be_looked_at_is_told() {
    on_a_node(|node| {
        use std::os::unix::fs::PermissionsExt;
        let program = Path::new("/run/fail/iptables-nft-save");
        fs::create_dir_all("/run/fail").unwrap();
        fs::write(program, "#!/bin/sh\necho no such luck >&2\nexit 4\n").unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        let (code, stdout, stderr) = doctor(&node, &[], &format!("/run/fail:{PATH}"));
        assert_eq!(code, Some(3), "{stdout}");
        assert!(stderr.contains("\"iptables-nft-save\": exit status: 4: no such luck"), "{stderr}");
    });
}
