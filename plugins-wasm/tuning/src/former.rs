//! DEL of an attachment that the reference plugin made: its file tells how the interface was.

use serde::Deserialize;
use wasmcni_sdk::net::{self, Link, Role, link_backup};
use wasmcni_sdk::{Error, Mac, Steps, conf, log};

/// The file. What is `None` was not changed.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
struct Former {
    mac: String,
    promisc: Option<bool>,
    mtu: u32,
    allmulti: Option<bool>,
    #[serde(rename = "txQLen")]
    tx_queue_length: Option<u32>,
}

/// Sets the interface back, and removes the file once that is done or has become pointless.
pub(crate) fn restore(data_dir: Option<&str>, ifname: &str) -> Result<(), Error> {
    let Some(text) = link_backup::read(data_dir)? else { return Ok(()) };
    let link = match net::enter_if_there(Role::Container)? {
        Some(container) => container.find_link(ifname)?,
        None => None,
    };
    if let Some(link) = link {
        match conf::read(&text) {
            Ok(former) => set_back(&former, &link)?,
            Err(error) => log::warn(&format!("leaving {ifname:?} as it is: {error}")),
        }
    }
    Ok(link_backup::remove(data_dir)?)
}

fn set_back(former: &Former, link: &Link) -> Result<(), Error> {
    let mut steps = Steps::default();
    if former.mtu != 0 {
        steps.took(link.set_mtu(former.mtu));
    }
    if let Ok(mac) = former.mac.parse::<Mac>() {
        steps.took(link.set_mac(mac.into()));
    }
    if let Some(on) = former.promisc {
        steps.took(link.set_promisc(net::switch(on)));
    }
    if let Some(on) = former.allmulti {
        steps.took(link.set_all_multicast(net::switch(on)));
    }
    if let Some(packets) = former.tx_queue_length {
        steps.took(link.set_tx_queue_length(packets));
    }
    steps.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_reference_writes_is_read() {
        let text = r#"{
 "mac": "02:00:00:00:00:01",
 "promisc": false,
 "mtu": 1500,
 "allmulti": true,
 "txQLen": 1000
}"#;
        let expected = Former {
            mac: "02:00:00:00:00:01".to_owned(),
            promisc: Some(false),
            mtu: 1500,
            allmulti: Some(true),
            tx_queue_length: Some(1000),
        };
        assert_eq!(conf::read::<Former>(text).unwrap(), expected);
        assert_eq!(conf::read::<Former>("{}").unwrap(), Former::default());
        assert!(conf::read::<Former>("").is_err());
    }
}
