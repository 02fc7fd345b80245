//! `wasmcni policy check`, as a process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;
use wasmcni::component::{BUNDLED, find};

use super::{COMMANDS, Scratch, run_as};
use crate::harness::exec::{Outcome, wasmcni_binary};

/// A node with files of the operator's.
struct Node {
    scratch: Scratch,
}

impl Node {
    fn new(name: &str) -> Self {
        Self { scratch: Scratch::new(&format!("policy-{name}")) }
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.scratch.path.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    fn grants(&self, plugin: &str, text: &str) -> PathBuf {
        self.write(&format!("etc/wasmcni/plugins/{plugin}.toml"), text)
    }

    fn check(&self, words: &[&str]) -> Outcome {
        let words: Vec<&str> = ["policy", "check"].iter().chain(words).copied().collect();
        run_as(&wasmcni_binary(), &self.scratch.path, &words)
    }

    /// The lines of stdout but for the last, which counts; the file's name is cut off.
    #[track_caller]
    fn told(&self, file: &std::path::Path, status: i32) -> Vec<String> {
        let outcome = self.check(&[]);
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(status), ""), "{outcome:?}");
        let mut lines: Vec<String> = outcome
            .stdout
            .lines()
            .map(|line| line.replace(&format!("{}:", file.display()), ""))
            .collect();
        assert!(lines.pop().unwrap().contains(" file"), "{outcome:?}");
        lines
    }
}

#[test]
fn it_is_a_command() {
    assert!(COMMANDS.contains(&"policy"));
    let node = Node::new("help");
    let help = node.check(&["--help"]);
    assert_eq!(help.status, Some(0));
    assert!(help.stdout.contains("--as") && help.stdout.contains("Exit status:"), "{help:?}");
    assert_eq!(run_as(&wasmcni_binary(), &node.scratch.path, &["policy"]).status, Some(2));
    assert_eq!(node.check(&["--as", "bridge"]).status, Some(2), "of which file?");
}

#[test]
fn a_node_without_files_has_nothing_to_check() {
    let outcome = Node::new("nothing").check(&[]);
    assert_eq!(outcome.status, Some(0));
    assert!(outcome.stdout.starts_with("nothing to check"), "{outcome:?}");
}

/// The shipped files are as good as any: nothing in them is wrong, too much, or never asked for.
#[test]
fn shipped_grants_give_no_cause_for_complaint() {
    let node = Node::new("shipped");
    for plugin in &BUNDLED {
        node.grants(plugin.name, plugin.grants);
    }
    let outcome = node.check(&[]);
    let expected = format!("{} files: 0 errors, 0 warnings\n", BUNDLED.len());
    assert_eq!((outcome.status, outcome.stdout), (Some(0), expected));
}

#[test]
fn every_error_is_told_by_line() {
    let node = Node::new("errors");
    let file = node.grants(
        "bridge",
        r#"component = "bundeld"
colour = "red"

[limits]
memory = "16MB"
deadline = "5s"
log = "1GiB"

[[grant]]
op = "link.creat"

[[grant]]
op = "addr.add"
netns = "hst"
name = "@ifname"
within = ["10.22.0.1/16", "10.23.0.0/16", "fd00::1"]
neworks = "net"

[[grant]]
op = "link.read"
netns = "host"
"#,
    );
    let lines = node.told(&file, 1);
    let starts = [
        (1, r#"component = "bundeld" is no digest; write "#),
        (2, r#""colour" is no key here; write component, "#),
        (5, r#"memory = "16MB" is no size; write "#),
        (7, r#"log = "1GiB" is out of bounds; write "0KiB" to "16MiB""#),
        (10, r#"op = "link.creat" is no act that can be granted; write link.read, "#),
        (14, r#"netns = "hst" is no netns of a call; write "#),
        (16, r#"within = "10.22.0.1/16" has bits beyond its prefix length; write "10.22.0.0/16""#),
        (16, r#"within = "fd00::1" has no prefix length; write "fd00::1/128""#),
        (17, r#""neworks" is no key here; write op, netns, name, within, networks or args"#),
        (19, r#"grant of link.read leaves out "name"; write name = "#),
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for (line, (number, start)) in lines.iter().zip(starts) {
        assert!(line.starts_with(&format!("{number}: {start}")), "{line}, not {start}");
    }
    // The first of them by the order of reading is what a call stops at.
    let call = run_as(&wasmcni_binary(), &node.scratch.path, &["grants", "bridge"]);
    let stopped = call.stderr.lines().next().unwrap();
    assert!(lines.iter().any(|line| stopped.ends_with(line.as_str())), "{stopped}");

    let json: Value = serde_json::from_str(&node.check(&["--json"]).stdout).unwrap();
    assert_eq!((&json["errors"], &json["warnings"]), (&10.into(), &0.into()));
    let first = &json["files"][0]["errors"][0];
    assert_eq!(json["files"][0]["file"], file.display().to_string());
    assert_eq!((&first["line"], &first["problem"]), (&1.into(), &"is no digest".into()));
    assert!(first["instead"].as_str().unwrap().starts_with("\"sha256:"), "{first}");
}

#[test]
fn what_is_no_toml_is_told_once() {
    let node = Node::new("toml");
    let file = node.grants("bridge", "component = \"bundled\"\nx y\n[[grant]]\nop = \"x\"\n");
    let lines = node.told(&file, 1);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("2: x y is no TOML: "), "{lines:?}");
}

#[test]
fn a_file_that_others_can_write_is_an_error_where_calls_read_it() {
    let node = Node::new("mode");
    let shipped = find("loopback").unwrap().grants;
    let file = node.grants("loopback", shipped);
    let draft = node.write("draft/loopback.toml", shipped);
    for path in [&file, &draft] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o664)).unwrap();
    }
    let lines = node.told(&file, 1);
    assert!(lines[0].starts_with("1: the file is refused by every call: "), "{lines:?}");
    assert!(
        lines[0].ends_with(
            "mode 664; it must be root's, and writable by nobody else; write chown root, chmod go-w"
        ),
        "{lines:?}"
    );
    let drafts = node.check(&[draft.to_str().unwrap()]);
    assert_eq!(drafts.status, Some(0));
    assert!(drafts.stdout.contains(":1: warning: where calls read it"), "{drafts:?}");
}

#[test]
fn a_pin_goes_with_the_files_name() {
    let digest = format!("component = \"sha256:{}\"\n", "0".repeat(64));
    let node = Node::new("pin");
    let bridge = node.grants("bridge", &format!("# mine\n{digest}"));
    let lines = node.told(&bridge, 1);
    let told =
        r#"is for another component: bridge is part of wasmcni; write component = "bundled""#;
    assert!(
        lines[0].starts_with("2: component = \"sha256:000") && lines[0].ends_with(told),
        "{lines:?}"
    );
    fs::remove_file(bridge).unwrap();

    let other = node.grants("brigde", "component = \"bundled\"\n");
    let lines = node.told(&other, 1);
    let told =
        "1: component = \"bundled\" is for a plugin of wasmcni, and none is called \"brigde\"";
    assert!(lines[0].starts_with(told), "{lines:?}");
    assert_eq!(node.check(&["--as", "static", other.to_str().unwrap()]).status, Some(0));
    assert_eq!(node.check(&["--as", "brigde", other.to_str().unwrap()]).status, Some(1));
    fs::remove_file(other).unwrap();

    let third = node.grants("acme", &digest);
    assert_eq!(node.told(&third, 0), [""; 0]);
}

#[test]
fn what_would_keep_the_plugin_from_starting_is_an_error() {
    let node = Node::new("imports");
    let shipped = find("loopback").unwrap().grants;
    let (head, grants) = shipped.split_once("[[grant]]\n").unwrap();
    let without: String = grants
        .split("[[grant]]\n")
        .filter(|grant| !grant.contains("link.set-down"))
        .map(|grant| format!("[[grant]]\n{grant}"))
        .collect();
    let file = node.grants("loopback", &format!("{head}{without}"));
    assert_eq!(
        node.told(&file, 1),
        [
            r#"1: the file has no grant for link.set-down or link.create: loopback imports "wasmcni:net/link@0.1.0#[method]link.set-down", and is refused before it starts; write a [[grant]] with op = "link.set-down""#
        ]
    );
}

/// That is how a plugin is switched off.
#[test]
fn a_file_without_grants_is_no_mistake() {
    let node = Node::new("off");
    let file = node.grants("bridge", "component = \"bundled\"\n");
    let told = "1: warning: no grants: every call of bridge fails with code 103";
    assert_eq!(node.told(&file, 0), [told]);
    // One that needs none is whole.
    let file = node.grants("static", "component = \"bundled\"\n");
    let outcome = node.check(&[file.to_str().unwrap()]);
    assert_eq!(outcome.stdout, "1 file: 0 errors, 0 warnings\n");
}

#[test]
fn what_changes_nothing_is_a_warning() {
    let node = Node::new("warnings");
    let shipped = find("loopback").unwrap().grants;
    let lines = shipped.lines().count() as u32;
    let more = r#"[[grant]]
op = "nat.masquerade"
within = "any"
[[grant]]
op = "link.read"
netns = "container"
name = "lo"
networks = "net"
"#;
    let file = node.grants("loopback", &format!("{shipped}{more}"));
    let told = node.told(&file, 0);
    let (never, covered) = (lines + 1, lines + 4);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        told[0],
        format!(
            "{never}: warning: grant of nat.masquerade is never asked for: loopback imports nothing that does"
        )
    );
    assert!(
        told[1].starts_with(&format!(
            "{covered}: warning: grant of link.read adds nothing to that of line "
        )),
        "{told:?}"
    );
    let json: Value = serde_json::from_str(&node.check(&["--json"]).stdout).unwrap();
    assert_eq!((&json["errors"], &json["warnings"]), (&0.into(), &2.into()));
    assert_eq!(json["files"][0]["warnings"][0]["line"], never);
}

#[test]
fn the_nodes_configuration_is_checked_too() {
    let node = Node::new("node");
    let file = node.write("etc/wasmcni/wasmcni.toml", "natives = [\"dhcp\"]\n");
    assert_eq!(node.told(&file, 0), [""; 0]);
    for (text, start) in [
        ("natives = [\"dhcp\",\n  \"a/b\"]\n", "2: \"a/b\"] is not understood: natives: \"a/b\": "),
        (
            "natives = []\nnative = \"dhcp\"\n",
            "2: native = \"dhcp\" is not understood: unknown field",
        ),
    ] {
        node.write("etc/wasmcni/wasmcni.toml", text);
        let lines = node.told(&file, 1);
        assert!(lines.len() == 1 && lines[0].starts_with(start), "{lines:?}, not {start}");
    }
}

#[test]
fn files_and_directories_can_be_named() {
    let node = Node::new("named");
    let good = node.write("mine/loopback.toml", find("loopback").unwrap().grants);
    node.write("mine/plugins/static.toml", find("static").unwrap().grants);
    node.write("mine/notes.txt", "no grants");
    let dir = good.parent().unwrap().to_str().unwrap();
    let outcome = node.check(&[dir, good.to_str().unwrap()]);
    assert_eq!(
        (outcome.status, outcome.stdout.as_str()),
        (Some(0), "2 files: 0 errors, 0 warnings\n")
    );
    for missing in ["/nonexistent/bridge.toml", "/nonexistent"] {
        let outcome = node.check(&[missing]);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(1), ""));
        assert!(outcome.stderr.contains("there is no such file"), "{outcome:?}");
    }
    let large = node.write("mine/bridge.toml", &"# a comment\n".repeat(100_000));
    let outcome = node.check(&[large.to_str().unwrap()]);
    assert_eq!(outcome.status, Some(1));
    assert!(outcome.stdout.contains("1200000 octets; at most 1048576 are read"), "{outcome:?}");
}
