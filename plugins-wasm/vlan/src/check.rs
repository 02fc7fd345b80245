//! CHECK: all that ADD made is there, as it was made. What others added does not matter.

use wasmcni_sdk::{CniResult, Error, child};

use crate::conf::Conf;

pub(crate) fn check(conf: &Conf, ifname: &str, result: &CniResult) -> Result<(), Error> {
    let info = child::check("vlan", ifname, conf.mtu, result)?;
    conf.parent.check(&info)?;
    if info.vlan_id == Some(conf.id) {
        return Ok(());
    }
    let seen = info.vlan_id.map(|id| id.to_string()).unwrap_or_default();
    let id = conf.id;
    Err(Error::changed(format!("checking link {ifname:?}: its VLAN is {seen:?}, not {id}")))
}
