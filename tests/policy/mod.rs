//! The policy language, as its users see it: files, and what they allow.
//!
//! `accept/*.toml` are read; the comments at their head say what they allow and deny, and why. Each
//! `refuse/NAME--WHY.toml` is the nearest thing to `accept/NAME.toml` that is not read; its first line
//! says with which error.

mod imports;
mod neighbours;
mod page;
mod properties;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use wasmcni::kernel::Role;
use wasmcni::policy::{Facts, Grants, OPS, Op, check, parse};

/// What the variables of all files here stand for: network `net`, `eth0` in the container, a
/// configuration with `bridge = "br0"`, `ipam.type = "host-local"` and no `ipam.dataDir`; the attachment
/// made `veth1`; `veth3` is the node's end of the container's veth, `prevResult` has 10.1.2.5/24 and
/// 10.9.0.7/24, and the default route leaves by `ens3`; CNI_ARGS has
/// K8S_POD_NAMESPACE=team-a, TWICE=a, TWICE=b and EMPTY=.
fn with_facts<T>(run: impl Fn(&Facts<'_>) -> T) -> T {
    let config = |path: &str| match path {
        "bridge" => Some("br0".to_owned()),
        "ipam.type" => Some("host-local".to_owned()),
        _ => None,
    };
    let ipam = ["10.1.2.5/24", "10.1.2.1/32", "fd00:1::5/64"].map(|net| net.parse().unwrap());
    let prev = ["10.1.2.5/24", "10.9.0.7/24"].map(|net| net.parse().unwrap());
    let own = |name: &str| name == "veth1";
    let peer = || Some("veth3".to_owned());
    let leads_out = |name: &str| name == "ens3";
    let args = |key: &str| {
        let values: &[&str] = match key {
            "K8S_POD_NAMESPACE" => &["team-a"],
            "TWICE" => &["a", "b"],
            "EMPTY" => &[""],
            _ => &[],
        };
        values.iter().map(|value| (*value).to_owned()).collect()
    };
    run(&Facts {
        ifname: "eth0",
        config: &config,
        own: &own,
        peer: &peer,
        default_route: &leads_out,
        prev: &prev,
        ipam: &ipam,
        network: "net",
        args: &args,
    })
}

#[test]
fn accepted_files_allow_what_they_say() {
    for path in files("accept") {
        let name = path.display();
        let text = fs::read_to_string(&path).unwrap();
        let grants = parse(&text, "policy.toml").unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut lines = text.lines();
        let mut denials = 0;
        let mut wrong = Vec::new();
        while let Some(line) = lines.next() {
            if let Some(op) = line.strip_prefix("# allows ") {
                let allowed = with_facts(|facts| grants.allow(&read_op(op), facts).map(|_| ()));
                assert_eq!(allowed, Ok(()), "{name}: {op}");
            } else if let Some(op) = line.strip_prefix("# denies ") {
                let expected = lines.next().and_then(|line| line.strip_prefix("#   because "));
                let because = reason(&grants, op);
                if Some(because.as_str()) != expected {
                    wrong.push(format!("{op}\n  is denied because {because}"));
                }
                denials += 1;
            }
        }
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
        assert!(
            denials > 0,
            "{name} denies nothing: the nearest thing that it does not allow is missing"
        );
    }
}

#[test]
fn refused_files_fail_with_what_they_say() {
    for path in files("refuse") {
        let name = path.display();
        let text = fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# "));
        let error = parse(&text, "policy.toml").err().unwrap_or_else(|| panic!("{name} is read"));
        assert_eq!(Some(error.to_string().as_str()), expected, "{name}");
        assert!(!error.text.is_empty() && !error.problem.is_empty() && !error.instead.is_empty());
        let all = check(&text, "policy.toml").unwrap_err();
        assert!(all.contains(&error), "{name}: {all:?}");
    }
}

#[test]
fn every_accept_has_its_refuse() {
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let accepted: BTreeSet<String> = files("accept").into_iter().map(stem).collect();
    let refused: BTreeSet<String> = files("refuse")
        .into_iter()
        .map(stem)
        .map(|stem| {
            stem.split_once("--").unwrap_or_else(|| panic!("{stem}: NAME--WHY")).0.to_owned()
        })
        .collect();
    assert_eq!(accepted, refused);
}

#[test]
fn no_file_is_forgotten() {
    let known =
        ["accept", "imports.rs", "mod.rs", "neighbours.rs", "page.rs", "properties.rs", "refuse"];
    let known = known.map(PathBuf::from);
    let here = directory(&repository().join("tests/policy"));
    let names: Vec<&Path> = here.iter().map(|path| Path::new(path.file_name().unwrap())).collect();
    assert_eq!(names, known.each_ref().map(PathBuf::as_path));
}

#[test]
fn no_damage_makes_the_parser_panic() {
    for path in files("accept") {
        let text = fs::read_to_string(path).unwrap();
        let text = text.split_at(text.find("component").unwrap()).1;
        for (at, octet) in text.char_indices() {
            let (before, after) = text.split_at(at);
            let _ =
                parse(&format!("{before}{}", after.split_at(octet.len_utf8()).1), "policy.toml");
            let _ = parse(&format!("{before}@{after}"), "policy.toml");
        }
    }
}

/// What a refusal says of policy: `line 5 allows …`, `no rule`.
fn reason(grants: &Grants, op: &str) -> String {
    let asked = read_op(op);
    let denied = with_facts(|facts| grants.allow(&asked, facts).map(|_| ()).unwrap_err());
    assert_eq!(denied.wanted, op);
    match &denied.nearest {
        Some(nearest) => {
            let sentence = format!("{op}; policy policy.toml:{} {}", nearest.line, nearest.text);
            assert_eq!(denied.to_string(), sentence);
            format!("line {} {}", nearest.line, nearest.text)
        }
        None => {
            assert!(
                denied.to_string().starts_with(&format!("{op}; policy policy.toml has no rule"))
            );
            "no rule".to_owned()
        }
    }
}

/// Reads what an [`Op`] writes.
fn read_op(text: &str) -> Op {
    let mut words = text.split(' ');
    let name = leak(words.next().unwrap());
    assert!(name == "log.write" || OPS.iter().any(|op| op.name == name), "{name}");
    let mut op = Op::new(name);
    while let Some(word) = words.next() {
        if word == "in" {
            op = op.in_netns(match words.next() {
                Some("host-netns") => Role::Host,
                Some("container-netns") => Role::Container,
                other => panic!("{other:?}"),
            });
            continue;
        }
        let (key, value) = word.split_once('=').unwrap();
        let key = leak(key);
        op = if let Some(text) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
            op.text(key, text)
        } else if let Ok(net) = value.parse() {
            op.net(key, net)
        } else if let Ok(number) = value.parse() {
            op.number(key, number)
        } else if let Some((first, last)) = value.split_once('-') {
            op.range(key, first.parse().unwrap(), last.parse().unwrap())
        } else {
            op.text(key, value)
        };
    }
    op
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// The policies of a directory, which holds nothing else.
fn files(directory_name: &str) -> Vec<PathBuf> {
    let files = directory(&repository().join("tests/policy").join(directory_name));
    assert!(!files.is_empty());
    for file in &files {
        assert_eq!(file.extension().and_then(|e| e.to_str()), Some("toml"), "{}", file.display());
    }
    files
}

fn directory(path: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// The directory that holds `wit/` and `tests/`.
fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().find(|path| path.join("wit/world.wit").exists());
    root.expect("the package lies in the repository").to_owned()
}
