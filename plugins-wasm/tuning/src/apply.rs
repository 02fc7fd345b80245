//! ADD: what the configuration says, done. How things were, the host writes down.

use wasmcni_sdk::net::{self, Link, Netns, Role, sysctl};
use wasmcni_sdk::{CniResult, Context, Error};

use crate::allowed;
use crate::conf::Conf;

pub(crate) fn add(conf: &Conf, ifname: &str, mut result: CniResult) -> Result<CniResult, Error> {
    let container = net::enter(Role::Container)?;
    set_sysctls(conf, &container)?;
    if conf.changes_link() {
        set_link(conf, &net::link(&container, ifname)?)?;
    }
    tell(conf, ifname, &mut result);
    Ok(result)
}

fn set_sysctls(conf: &Conf, container: &Netns) -> Result<(), Error> {
    if conf.sysctls.is_empty() {
        return Ok(());
    }
    allowed::check(sysctl::allow_list()?.as_deref(), &conf.sysctls)?;
    for wanted in &conf.sysctls {
        sysctl::write_until_del(container, &wanted.key, &wanted.value)
            .doing(|| format!("setting sysctl {:?}", wanted.written))?;
    }
    Ok(())
}

fn set_link(conf: &Conf, link: &Link) -> Result<(), Error> {
    if let Some(mac) = conf.mac {
        link.set_mac(mac.into())?;
    }
    // That it is not wanted does not say that nobody else wants it.
    if conf.promisc == Some(true) {
        link.set_promisc(net::switch(true))?;
    }
    if let Some(octets) = conf.mtu {
        link.set_mtu(octets)?;
    }
    if let Some(on) = conf.all_multicast {
        link.set_all_multicast(net::switch(on))?;
    }
    if let Some(packets) = conf.tx_queue_length {
        link.set_tx_queue_length(packets)?;
    }
    Ok(())
}

/// The result's interface as it is now.
fn tell(conf: &Conf, ifname: &str, result: &mut CniResult) {
    let Some((index, _)) = result.container_interface(ifname) else { return };
    let Some(entry) = usize::try_from(index).ok().and_then(|at| result.interfaces.get_mut(at))
    else {
        return;
    };
    if let Some(mac) = conf.mac {
        entry.mac = mac.to_string();
    }
    if conf.mtu.is_some() {
        entry.mtu = conf.mtu;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::{Interface, testing::request};

    #[test]
    fn the_result_tells_of_the_containers_interface() {
        let conf = r#"{"mac": "02:00:00:00:00:01", "mtu": 1400}"#;
        let conf = Conf::read(&request(conf)).unwrap();
        let before = CniResult {
            interfaces: vec![Interface::host("eth0", None), Interface::container("eth0", None)],
            ..CniResult::default()
        };
        let mut result = before.clone();
        tell(&conf, "eth0", &mut result);
        assert_eq!(result.interfaces[0], before.interfaces[0], "the node's link of the same name");
        assert_eq!(result.interfaces[1].mac, "02:00:00:00:00:01");
        assert_eq!(result.interfaces[1].mtu, Some(1400));
        let mut same = before.clone();
        tell(&Conf::read(&request("{}")).unwrap(), "eth0", &mut same);
        tell(&conf, "eth1", &mut same);
        assert_eq!(same, before);
    }
}
