//! `host-local` and `static`: the same answers, and the same files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::state::assert_same;
use super::{Side, VERSIONS, with_both};
use crate::harness::node::with;

/// What a network's directory holds.
fn files(side: &Side) -> BTreeMap<String, String> {
    let network = Path::new(&side.data_dir).join("net");
    let entries = fs::read_dir(network).into_iter().flatten().map(Result::unwrap);
    let read = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(read).collect()
}

/// One step: a verb, a container's number, CNI_ARGS.
type Step = (&'static str, u32, &'static str);

/// Both sides take the steps; each has the same answer, and leaves the same files.
fn take(conf: &Value, both: &dyn Fn() -> [Side; 2], steps: &[Step]) {
    take_in(&VERSIONS, conf, both, steps);
}

fn take_in(versions: &[&str], conf: &Value, both: &dyn Fn() -> [Side; 2], steps: &[Step]) {
    for version in versions {
        let conf =
            with(conf, json!({ "cniVersion": version, "name": "net", "type": "host-local" }));
        let sides = both();
        for (number, (verb, container, args)) in steps.iter().enumerate() {
            let at = format!("{version}: step {number}: {verb} {container} {args:?} of {conf}");
            let [ours, theirs] = sides.each_ref().map(|side| {
                let call = side.call(verb, &conf).env("CNI_CONTAINERID", format!("c{container}"));
                let outcome = side.run(&call.env("CNI_ARGS", *args));
                let result = if outcome.status == Some(0) {
                    super::state::result(side, &outcome.success())
                } else {
                    // Of a failure only that it is one: 1.1.1 says 999 to everything.
                    assert_ne!(outcome.failure().0, 0, "{at}: {outcome:?}");
                    json!("failed")
                };
                let mut files = files(side);
                if result == "failed" {
                    // 1.1.1 reserves before it looks at what is wrong, and takes back all but this.
                    files.retain(|name, _| !name.starts_with("last_reserved_ip"));
                }
                (result, files)
            });
            assert_same(&at, &ours.0, &theirs.0);
            assert_eq!(ours.1, theirs.1, "{at}");
        }
    }
}

const ADD: &str = "ADD";
const DEL: &str = "DEL";

#[test]
fn host_local_gives_the_same_addresses() {
    with_both(|both| {
        let small = json!({ "type": "host-local", "subnet": "10.77.0.0/29" });
        let steps = [
            (ADD, 1, ""),
            (ADD, 2, ""),
            (ADD, 3, ""),
            (DEL, 2, ""),
            (ADD, 4, ""),
            (ADD, 4, ""),
            (ADD, 5, ""),
            (ADD, 6, ""),
            (ADD, 7, ""),
            (DEL, 1, ""),
            (DEL, 1, ""),
            (ADD, 7, ""),
            (DEL, 9, ""),
            (DEL, 3, ""),
            (DEL, 4, ""),
            (ADD, 3, ""),
        ];
        take(&json!({ "ipam": small }), both, &steps);
        let pools = json!({ "type": "host-local", "ranges": [
            [{ "subnet": "10.77.0.0/24", "rangeStart": "10.77.0.10", "rangeEnd": "10.77.0.11" },
             { "subnet": "10.78.0.0/24", "rangeEnd": "10.78.0.3", "gateway": "10.78.0.2" }],
            [{ "subnet": "fd77::/64" }]],
            "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "fd09::/64", "gw": "fd77::9" }] });
        let steps = [
            (ADD, 1, ""),
            (ADD, 2, ""),
            (ADD, 3, ""),
            (ADD, 4, ""),
            (ADD, 5, ""),
            (DEL, 2, ""),
            (ADD, 6, ""),
            (DEL, 3, ""),
            (DEL, 6, ""),
            (ADD, 7, ""),
        ];
        take(&json!({ "ipam": pools }), both, &steps);
    });
}

#[test]
fn host_local_hears_the_same_requests() {
    with_both(|both| {
        let ranges = json!([[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }]]);
        let conf = json!({ "ipam": { "type": "host-local", "ranges": ranges } });
        let steps = [
            (ADD, 1, "IP=10.77.0.50"),
            (ADD, 2, ""),
            (ADD, 3, "IP=10.77.0.50"),
            (ADD, 3, "IP=fd77::50"),
            (ADD, 4, "IP=10.77.0.1"),
            (ADD, 4, "IP=10.77.0.60/24"),
            (ADD, 5, "A=b"),
            (ADD, 5, "A=b;IgnoreUnknown=1"),
            (DEL, 1, ""),
            (ADD, 6, "IP=10.77.0.50"),
            (ADD, 7, "IP=192.0.2.1"),
        ];
        take(&conf, both, &steps);
        let asked = json!({ "args": { "cni": { "ips": ["10.77.0.70"] } },
            "runtimeConfig": { "ips": ["fd77::70/64"], "ipRanges": [[{ "subnet": "192.0.2.0/24" }]] } });
        // Two addresses of a family: not in the oldest versions, in which 1.1.1 refuses the DEL as well.
        take_in(
            &VERSIONS[2..],
            &with(&conf, asked),
            both,
            &[(ADD, 1, ""), (ADD, 2, ""), (DEL, 1, ""), (ADD, 2, "")],
        );
    });
}

#[test]
fn host_local_reads_the_same_resolv_conf() {
    with_both(|both| {
        let text = "# c\n; c\nnameserver 192.0.2.1\n nameserver 192.0.2.9\nnameserver\t2001:db8::1\nnameserver\n\
            domain a.example\ndomain b.example extra\nsearch c.example  d.example\nsearch e.example\n\
            options ndots:2 edns0\nsortlist x\nnameserver 192.0.2.2 # why\n";
        fs::write("/run/resolv.conf", text).unwrap();
        let ipam = json!({ "type": "host-local", "subnet": "10.77.0.0/24", "resolvConf": "/run/resolv.conf" });
        take(&json!({ "ipam": ipam }), both, &[(ADD, 1, "")]);
    });
}

/// `GATEWAY` in CNI_ARGS is left to addresses of `IP`: 1.1.1 forgets those of the configuration, to which its
/// documentation says that it applies.
#[test]
fn static_gives_the_same_addresses() {
    with_both(|both| {
        let two = json!({ "type": "static", "addresses": [
            { "address": "10.77.0.9/24", "gateway": "10.77.0.1" }, { "address": "fd77::9/64" }
        ], "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "10.9.0.0/16", "gw": "10.77.0.3" }, { "dst": "::/0", "gw": "fd77::1" }],
            "dns": { "nameservers": ["192.0.2.1"], "domain": "d", "search": ["s"], "options": ["o"] } });
        let two = json!({ "type": "static", "name": "net", "ipam": two });
        for (more, args) in [
            (json!({}), ""),
            (json!({ "args": { "cni": { "ips": ["10.78.0.5/16"] } } }), ""),
            (json!({ "runtimeConfig": { "ips": ["10.78.0.5/16", "fd78::5/64"] } }), ""),
            (
                json!({ "args": { "cni": { "ips": ["10.79.0.5/16"] } }, "runtimeConfig": { "ips": ["10.78.0.5/16"] } }),
                "",
            ),
            (
                json!({ "ipam": { "type": "static", "addresses": [] } }),
                "IP=10.78.0.5/16,fd78::5/64;GATEWAY=10.78.0.1",
            ),
        ] {
            for version in VERSIONS {
                let conf = with(&with(&two, more.clone()), json!({ "cniVersion": version }));
                let sides = both();
                let [ours, theirs] = sides.each_ref().map(|side| {
                    let outcome = side.run(&side.call(ADD, &conf).env("CNI_ARGS", args));
                    super::state::result(side, &outcome.success())
                });
                assert_same(&format!("{conf} {args:?}"), &ours, &theirs);
            }
        }
    });
}
