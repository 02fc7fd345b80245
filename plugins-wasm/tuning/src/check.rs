//! CHECK: what the configuration says is so. What it does not speak of may be as it is.

use wasmcni_sdk::net::{self, ErrorCode, LinkInfo, Netns, Role, Switch, sysctl};
use wasmcni_sdk::{Error, Mac};

use crate::conf::Conf;
use crate::sysctls::Sysctl;

pub(crate) fn check(conf: &Conf, ifname: &str) -> Result<(), Error> {
    let container = net::enter(Role::Container)?;
    let Some(link) = container.find_link(ifname)? else {
        return Err(Error::changed(format!("finding link {ifname:?}: there is none")));
    };
    check_link(conf, &link.info()?)?;
    conf.sysctls.iter().try_for_each(|wanted| check_sysctl(&container, wanted))
}

/// The kernel may show a value with other blanks than it was given.
fn check_sysctl(container: &Netns, wanted: &Sysctl) -> Result<(), Error> {
    let seen = match sysctl::read(container, &wanted.key) {
        Ok(seen) => seen,
        // What can only be written, such as route/flush, cannot be compared.
        Err(e) if matches!(e.code, ErrorCode::Invalid | ErrorCode::NotPermitted) => return Ok(()),
        Err(e) if e.code == ErrorCode::NotFound => return Err(Error::changed(e.detail)),
        Err(e) => return Err(e.into()),
    };
    if seen.split_whitespace().eq(wanted.value.split_whitespace()) {
        return Ok(());
    }
    let (key, value) = (&wanted.written, &wanted.value);
    Err(Error::changed(format!("checking sysctl {key:?}: it is {seen:?}, not {value:?}")))
}

fn check_link(conf: &Conf, seen: &LinkInfo) -> Result<(), Error> {
    let on = |switch| if switch == Switch::On { "on" } else { "off" };
    let switch = |wanted: Option<bool>| wanted.map(|wanted| on(net::switch(wanted)).to_owned());
    let mac = seen.mac.map(|mac| Mac::from(mac).to_string()).unwrap_or_default();
    let facts = [
        ("MAC", conf.mac.map(|mac| mac.to_string()), mac),
        ("MTU", conf.mtu.map(|mtu| mtu.to_string()), seen.mtu.to_string()),
        ("promiscuous mode", switch(conf.promisc), on(seen.promisc).to_owned()),
        ("all-multicast mode", switch(conf.all_multicast), on(seen.all_multicast).to_owned()),
        (
            "transmit queue length",
            conf.tx_queue_length.map(|packets| packets.to_string()),
            seen.tx_queue_length.to_string(),
        ),
    ];
    for (what, wanted, seen_value) in facts {
        if let Some(wanted) = wanted
            && wanted != seen_value
        {
            let name = &seen.name;
            return Err(Error::changed(format!(
                "checking link {name:?}: its {what} is {seen_value}, not {wanted}"
            )));
        }
    }
    Ok(())
}
