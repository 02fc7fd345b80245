//! CHECK: the VRF is there with its table, and the interface is in it.

use wasmcni_sdk::net::{self, Role};
use wasmcni_sdk::{Error, Interface, iface};

use crate::apply::KIND;
use crate::conf::Conf;

pub(crate) fn check(conf: &Conf, ifname: &str) -> Result<(), Error> {
    let container = net::enter(Role::Container)?;
    let (_, vrf) = iface::check_link(&container, KIND, &Interface::container(&conf.name, None))?;
    iface::check_up(&vrf)?;
    if conf.table.is_some() && vrf.vrf_table != conf.table {
        let [seen, wanted] = [vrf.vrf_table, conf.table].map(Option::unwrap_or_default);
        let why = format!("checking VRF {:?}: its table is {seen}, not {wanted}", conf.name);
        return Err(Error::changed(why));
    }
    let Some(link) = container.find_link(ifname)? else {
        return Err(Error::changed(format!("finding link {ifname:?}: there is none")));
    };
    if link.info()?.master == Some(vrf.index) {
        return Ok(());
    }
    Err(Error::changed(format!("checking link {ifname:?}: it is not in VRF {:?}", conf.name)))
}
