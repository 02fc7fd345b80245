//! CHECK: all that ADD made is there, as it was made. What others added does not matter.

use wasmcni_sdk::iface::{self, Iface};
use wasmcni_sdk::net::{self, Role};
use wasmcni_sdk::{CniResult, Error};

use crate::conf::Conf;

pub(crate) fn check(conf: &Conf, ifname: &str, result: &CniResult) -> Result<(), Error> {
    let container = net::enter(Role::Container)?;
    let Some((index, entry)) = result.container_interface(ifname) else {
        let why =
            format!("finding interface {ifname:?} of the container in prevResult: it is not there");
        return Err(Error::changed(why));
    };
    let (link, info) = iface::check_link(&container, "tun", entry)?;
    iface::check_up(&info)?;
    if let Some(name) = &conf.bridge {
        let bridge = container.find_link(name)?.map(|bridge| bridge.info()).transpose()?;
        if bridge.is_none_or(|bridge| info.master != Some(bridge.index)) {
            let why = format!("checking link {ifname:?}: it is no port of bridge {name:?}");
            return Err(Error::changed(why));
        }
    }
    Iface { netns: &container, link: &link, name: ifname, index }.check(result)
}
