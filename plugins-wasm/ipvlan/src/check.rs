//! CHECK: all that ADD made is there, as it was made. What others added does not matter.

use wasmcni_sdk::{CniResult, Error, child};

use crate::conf::{Conf, word};

pub(crate) fn check(conf: &Conf, ifname: &str, result: &CniResult) -> Result<(), Error> {
    let info = child::check("ipvlan", ifname, conf.mtu, result)?;
    conf.parent.check(&info)?;
    child::check_mode(&info, word(conf.mode))
}
