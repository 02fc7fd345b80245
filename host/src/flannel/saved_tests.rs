#![allow(clippy::disallowed_methods, reason = "tests look at the files that are made")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;

struct Trial(PathBuf);

impl Trial {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("saved-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn put(&self, name: &str, text: &str) {
        fs::create_dir_all(&self.0).unwrap();
        fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn of(ifname: &str) -> Attachment {
    Attachment {
        network: "net".try_into().unwrap(),
        container_id: "c1".try_into().unwrap(),
        ifname: ifname.try_into().unwrap(),
    }
}

const CONF: &str = r#"{"name":"net","type":"bridge"}"#;
const OTHER: &str = r#"{"name":"net","type":"ptp"}"#;

#[test]
fn the_first_interface_has_the_references_name() {
    let trial = Trial::new("first");
    save(&trial.0, &of("eth0"), CONF).unwrap();
    assert_eq!(trial.files(), ["c1"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&trial.0), mode(&trial.0.join("c1"))), (0o700, 0o600));
    let text = fs::read_to_string(trial.0.join("c1")).unwrap();
    assert_eq!(text, r#"{"name":"net","type":"bridge","wasmcni/ifname":"eth0"}"#);
    assert_eq!(load(&trial.0, &of("eth0")).unwrap().as_deref(), Some(CONF));
    assert_eq!(load(&trial.0, &of("eth1")).unwrap(), None);
    // The same again replaces it.
    save(&trial.0, &of("eth0"), OTHER).unwrap();
    assert_eq!(trial.files(), ["c1"]);
    assert_eq!(load(&trial.0, &of("eth0")).unwrap().as_deref(), Some(OTHER));
    remove(&trial.0, &of("eth1"), Unmarked::Mine).unwrap();
    assert_eq!(trial.files(), ["c1"]);
    remove(&trial.0, &of("eth0"), Unmarked::Others).unwrap();
    assert_eq!(trial.files(), [""; 0]);
    remove(&trial.0, &of("eth0"), Unmarked::Mine).unwrap();
}

#[test]
fn a_further_interface_leaves_the_first_ones() {
    let trial = Trial::new("further");
    save(&trial.0, &of("eth0"), CONF).unwrap();
    save(&trial.0, &of("eth1"), OTHER).unwrap();
    assert_eq!(trial.files(), ["c1", "c1:eth1"]);
    assert_eq!(load(&trial.0, &of("eth0")).unwrap().as_deref(), Some(CONF));
    assert_eq!(load(&trial.0, &of("eth1")).unwrap().as_deref(), Some(OTHER));
    remove(&trial.0, &of("eth0"), Unmarked::Mine).unwrap();
    assert_eq!(trial.files(), ["c1:eth1"]);
    // Made again, it is the first: the older file does not count any more.
    save(&trial.0, &of("eth1"), CONF).unwrap();
    assert_eq!(trial.files(), ["c1"]);
    assert_eq!(load(&trial.0, &of("eth1")).unwrap().as_deref(), Some(CONF));
}

#[test]
fn the_references_file_is_of_any_interface_of_its_network() {
    let trial = Trial::new("reference");
    trial.put("c1", CONF);
    assert_eq!(load(&trial.0, &of("eth7")).unwrap().as_deref(), Some(CONF));
    let elsewhere = Attachment { network: "other".try_into().unwrap(), ..of("eth0") };
    assert_eq!(load(&trial.0, &elsewhere).unwrap(), None);
    save(&trial.0, &of("eth1"), OTHER).unwrap();
    assert_eq!(trial.files(), ["c1", "c1:eth1"], "it may be of a container that runs");
    remove(&trial.0, &of("eth1"), Unmarked::Others).unwrap();
    remove(&trial.0, &elsewhere, Unmarked::Mine).unwrap();
    assert_eq!(trial.files(), ["c1"]);
    remove(&trial.0, &of("eth0"), Unmarked::Mine).unwrap();
    assert_eq!(trial.files(), [""; 0]);
}

#[test]
fn what_a_crash_left_is_told_and_replaced() {
    let trial = Trial::new("crash");
    trial.put("c1", "");
    assert_eq!(load(&trial.0, &of("eth0")).unwrap().as_deref(), Some(""));
    trial.put(".new-c1:eth0", "{\"na");
    save(&trial.0, &of("eth0"), CONF).unwrap();
    assert_eq!(trial.files(), ["c1"]);
    trial.put("c1", "no json");
    trial.put(".new-c1:eth0", "{\"na");
    remove(&trial.0, &of("eth0"), Unmarked::Mine).unwrap();
    assert_eq!(trial.files(), [""; 0]);
}

#[test]
fn what_is_no_small_object_is_not_saved() {
    let trial = Trial::new("bounds");
    for text in ["", "[]", "null", "\"x\"", &format!("{{\"a\":\"{}\"}}", "x".repeat(256 * 1024))] {
        let error = save(&trial.0, &of("eth0"), text).unwrap_err();
        assert_eq!(error.errno(), None, "{error}");
    }
    assert_eq!(trial.files(), [""; 0]);
    let relative = save(Path::new("relative"), &of("eth0"), CONF).unwrap_err();
    assert!(relative.to_string().contains("absolute"), "{relative}");
}

#[test]
fn a_link_out_of_the_directory_is_not_followed() {
    let trial = Trial::new("links");
    fs::create_dir_all(trial.0.join("data")).unwrap();
    let (secret, data) = (trial.0.join("secret"), trial.0.join("data"));
    fs::write(&secret, CONF).unwrap();
    std::os::unix::fs::symlink(&secret, data.join("c1")).unwrap();
    assert!(load(&data, &of("eth0")).is_err());
    std::os::unix::fs::symlink(&secret, data.join(".new-c1:eth0")).unwrap();
    assert!(save(&data, &of("eth0"), OTHER).is_err());
    remove(&data, &of("eth0"), Unmarked::Mine).unwrap();
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(&secret).unwrap(), CONF);
}

#[test]
fn a_sweep_leaves_what_is_valid_or_of_other_networks() {
    let trial = Trial::new("sweep");
    let other = r#"{"name":"other","type":"bridge"}"#;
    for name in ["gone", "kept"] {
        let of = |ifname| Attachment { container_id: name.try_into().unwrap(), ..of(ifname) };
        save(&trial.0, &of("eth0"), CONF).unwrap();
        save(&trial.0, &of("eth1"), CONF).unwrap();
    }
    trial.put("reference-gone", CONF);
    trial.put("reference-kept", CONF);
    trial.put("elsewhere", other);
    trial.put("empty", "");
    let valid = [("kept", "eth0"), ("reference-kept", "eth0")];
    let valid = valid.map(|(id, ifname)| (id.to_owned(), ifname.to_owned())).into();
    sweep(&trial.0, &"net".try_into().unwrap(), &valid).unwrap();
    assert_eq!(trial.files(), ["elsewhere", "empty", "kept", "reference-kept"]);
    sweep(&trial.0.join("none"), &"net".try_into().unwrap(), &valid).unwrap();
}
