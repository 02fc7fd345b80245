//! The configuration: what each key may say, where else it may be said, and what counts then.

use serde::Deserialize;
use wasmcni_sdk::{Error, Mac, Request, log};

use crate::sysctls::{self, Sysctl, Written};

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    sysctl: Written,
    mac: String,
    promisc: Option<bool>,
    mtu: i64,
    allmulti: Option<bool>,
    #[serde(rename = "txQLen")]
    tx_queue_length: Option<i64>,
    runtime_config: RuntimeConfig,
    args: Args,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuntimeConfig {
    mac: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Args {
    cni: CniArgs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CniArgs {
    sysctl: Written,
    mac: Option<String>,
    promisc: Option<bool>,
    mtu: Option<i64>,
    allmulti: Option<bool>,
    #[serde(rename = "txQLen")]
    tx_queue_length: Option<i64>,
}

/// What is wanted, checked. What is `None` stays as it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conf {
    pub(crate) sysctls: Vec<Sysctl>,
    pub(crate) mac: Option<Mac>,
    pub(crate) promisc: Option<bool>,
    /// Octets.
    pub(crate) mtu: Option<u32>,
    pub(crate) all_multicast: Option<bool>,
    /// Packets.
    pub(crate) tx_queue_length: Option<u32>,
}

impl Conf {
    /// Reads and checks what is written, and the other places that say the same.
    pub(crate) fn read(request: &Request) -> Result<Self, Error> {
        let raw: Raw = request.configuration()?;
        let arguments = request.arguments(&["MAC"])?;
        let Raw { args: Args { cni: args }, .. } = &raw;
        let mtu = match args.mtu {
            Some(mtu) => number("args.cni.mtu", mtu, "octets")?,
            None => number("mtu", raw.mtu, "octets")?,
        };
        let tx_queue_length = match (args.tx_queue_length, raw.tx_queue_length) {
            (Some(length), _) => Some(number("args.cni.txQLen", length, "packets")?),
            (None, Some(length)) => Some(number("txQLen", length, "packets")?),
            (None, None) => None,
        };
        Ok(Self {
            sysctls: sysctls::resolve(&raw.sysctl, &args.sysctl, &request.ifname)?,
            mac: mac(&raw, arguments.get("MAC"))?,
            promisc: args.promisc.or(raw.promisc),
            mtu: Some(mtu).filter(|octets| *octets != 0),
            all_multicast: args.allmulti.or(raw.allmulti),
            tx_queue_length,
        })
    }

    /// Whether anything of the link is to be changed.
    pub(crate) fn changes_link(&self) -> bool {
        self.mac.is_some()
            || self.promisc == Some(true)
            || self.mtu.is_some()
            || self.all_multicast.is_some()
            || self.tx_queue_length.is_some()
    }
}

/// The last place that says something counts; an empty text in `args.cni` says that there is none.
fn mac(raw: &Raw, argument: Option<&str>) -> Result<Option<Mac>, Error> {
    let read = |key: &str, text: &str| {
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| {
            Error::config(
                key,
                format_args!("{text:?}"),
                "an ethernet address is written as 0a:58:0a:00:00:01",
            )
        })
    };
    if let Some(text) = &raw.args.cni.mac {
        return read("args.cni.mac", text);
    }
    if !raw.runtime_config.mac.is_empty() {
        return read("runtimeConfig.mac", &raw.runtime_config.mac);
    }
    match argument {
        Some(_) => Mac::requested(argument, "", ""),
        None => read("mac", &raw.mac),
    }
}

fn number(key: &str, value: i64, unit: &str) -> Result<u32, Error> {
    u32::try_from(value)
        .map_err(|_| Error::config(key, value, &format!("it is a number of {unit}")))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DataDir {
    data_dir: String,
}

/// DEL: where the reference plugin kept former values; `None`: where it usually does. The rest of the
/// configuration may be broken.
pub(crate) fn data_dir(request: &Request) -> Option<String> {
    let part: DataDir = request.configuration().unwrap_or_else(|error| {
        log::warn(&format!("going on without dataDir: {error}"));
        DataDir::default()
    });
    Some(part.data_dir).filter(|dir| !dir.is_empty())
}

#[cfg(test)]
#[path = "conf_tests.rs"]
mod tests;
