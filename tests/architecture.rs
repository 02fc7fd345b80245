//! The module tree is the trust boundary: what may import what, where unsafe code is, and that no file of
//! the suite is forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules of the host a module may import, by the first name of the path. `names`,
/// `directories` and `trust` are for all; `call` and `cli` know everything.
const ARROWS: [(&str, &[&str]); 14] = [
    ("names", &[]),
    ("directories", &[]),
    ("trust", &[]),
    ("cni", &[]),
    ("kernel", &[]),
    ("ipam", &[]),
    ("flannel", &[]),
    ("config", &[]),
    ("policy", &["kernel"]),
    ("journal", &["kernel"]),
    ("gate", &["policy", "journal", "kernel", "ipam", "flannel"]),
    ("component", &["policy"]),
    ("audit", &["config", "cni", "gate", "policy"]),
    ("hostcalls", &["bindings", "gate", "kernel", "ipam", "flannel", "cni", "policy", "component"]),
];

/// Files that may hold unsafe code, each with its reason at its head.
const UNSAFE: [&str; 4] =
    ["component/aot.rs", "component/bundled.rs", "kernel/linux/deferred.rs", "kernel/linux/tun.rs"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every Rust file below a directory, with its text.
fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// The product's part of a file: its tests may look everywhere.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

#[test]
fn modules_import_only_what_their_arrows_allow() {
    let root = repository().join("host/src");
    let mut wrong = Vec::new();
    for (module, allowed) in ARROWS {
        let (file, dir) = (root.join(format!("{module}.rs")), root.join(module));
        let files = match dir.is_dir() {
            true => sources(&dir),
            false => vec![(file.clone(), fs::read_to_string(&file).unwrap())],
        };
        for (path, text) in files {
            if path.components().any(|part| part.as_os_str() == "tests") {
                continue;
            }
            for (number, line) in product(&text).lines().enumerate() {
                for rest in line.split("crate::").skip(1) {
                    let name: String =
                        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    let known = ["names", "directories", "trust", module];
                    let comment = line.trim_start().starts_with("//");
                    if !comment
                        && !known.contains(&name.as_str())
                        && !allowed.contains(&name.as_str())
                    {
                        wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "against the arrows of lib.rs:\n{}", wrong.join("\n"));
}

#[test]
fn netlink_is_spoken_in_one_place() {
    let root = repository().join("host/src");
    for (path, text) in sources(&root) {
        let inside = path.starts_with(root.join("kernel/linux"));
        assert!(inside || !text.contains("netlink_"), "{} speaks netlink", path.display());
    }
}

#[test]
fn host_calls_hold_a_gate_and_never_a_kernel() {
    for (path, text) in sources(&repository().join("host/src/hostcalls")) {
        for word in ["Kernel", ".kernel()", "LinuxKernel", "Sim"] {
            // `Refusal::Kernel` is an error that the gate gives.
            let text = text.replace("Refusal::Kernel", "");
            assert!(!product(&text).contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn unsafe_code_is_where_it_is_argued() {
    let root = repository().join("host/src");
    let mut found = BTreeSet::new();
    for (path, text) in sources(&root) {
        let code = product(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
        if code.clone().any(|line| line.contains("unsafe {") || line.contains("unsafe fn")) {
            assert!(text.contains("SAFETY:"), "{} argues nothing", path.display());
            found.insert(path.strip_prefix(&root).unwrap().display().to_string());
        }
    }
    assert_eq!(found, UNSAFE.map(str::to_owned).into());
}

/// Every item of the contract is gated, so that a component can be told what is too new for a host.
#[test]
fn contract_items_are_gated() {
    let mut items = 0;
    for file in wit_files(&repository().join("wit")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains('%'), "{} has a name that needs an escape", file.display());
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            let words = line.trim();
            if words.is_empty() || words.starts_with("//") {
                continue;
            }
            if is_item(words) {
                items += 1;
                let gated =
                    before.starts_with("@since(version = ") || before.starts_with("@unstable(");
                assert!(gated, "{}:{}: no gate before {words:?}", file.display(), number + 1);
            }
            before = words;
        }
    }
    assert!(items > 150, "only {items} items were found");
}

/// Whether a line of WIT begins an item that a gate stands before.
fn is_item(line: &str) -> bool {
    const BEGINNINGS: [&str; 12] = [
        "interface ",
        "world ",
        "record ",
        "variant ",
        "enum ",
        "flags ",
        "resource ",
        "type ",
        "use ",
        "import ",
        "export ",
        "include ",
    ];
    BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)) || line.contains(": func(")
}

fn wit_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(wit_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "wit") {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_file_of_the_suite_is_forgotten() {
    let root = repository().join("tests");
    let owners = |path: &Path| -> Vec<PathBuf> {
        let dir = path.parent().unwrap();
        match dir == root {
            true => vec![root.join("suite.rs")],
            false => vec![dir.join("mod.rs"), dir.with_extension("rs")],
        }
    };
    for (path, _) in sources(&root) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let (module, owned_by) = match name {
            "mod" => {
                let dir = path.parent().unwrap();
                (dir.file_name().unwrap().to_str().unwrap(), owners(dir))
            }
            _ => (name, owners(&path)),
        };
        let outside = path.starts_with(root.join("src")) || ["suite", "build"].contains(&name);
        let claimed = owned_by.iter().any(|owner| {
            fs::read_to_string(owner).is_ok_and(|text| text.contains(&format!("mod {module};")))
        });
        assert!(outside || claimed, "{} is no module of the suite", path.display());
    }
}
