//! A plugin that means harm. It makes an attachment as an honest one would, and at the step that the
//! configuration says does what the configuration's `attack` names. Only the suite runs it.

mod answer;
mod attach;
mod attack;
mod reach;
mod sequence;

use serde::Deserialize;
use wasmcni_sdk::ipam::Ipam;
use wasmcni_sdk::{CniResult, Error, NetworkRequest, Plugin, Request};

/// What to do, and when.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Conf {
    /// One word of [`attack::run`]; empty: none.
    attack: String,
    /// The verb that attacks; empty: ADD.
    verb: String,
    /// Steps of the honest ADD that come before the attack: see [`attach`].
    at: u32,
    /// Go on as if the attack had not been refused.
    swallow: bool,
    /// One word of [`answer::instead`]; empty: what an honest plugin answers.
    answer: String,
    /// What the attack is about.
    target: String,
    /// The same.
    value: String,
    /// The same.
    number: u32,
    /// Acts, for the attack `sequence`.
    acts: Vec<sequence::Act>,
    /// Name of the bridge.
    bridge: String,
    /// Who gives addresses.
    ipam: Ipam,
}

/// The plugin.
#[derive(Debug)]
pub struct Hostile;

impl Plugin for Hostile {
    fn add(request: Request) -> Result<CniResult, Error> {
        let conf: Conf = request.configuration()?;
        let result = attach::attach(&conf, &request.ifname)?;
        answer::instead(&conf, result)
    }

    /// Leaves everything to the host.
    fn del(request: Request) -> Result<(), Error> {
        attack_of("DEL", &request.configuration()?)
    }

    fn check(request: Request) -> Result<(), Error> {
        attack_of("CHECK", &request.configuration()?)
    }

    fn gc(request: NetworkRequest, _: Vec<wasmcni_sdk::AttachmentId>) -> Result<(), Error> {
        attack_of("GC", &request.configuration()?)
    }

    fn status(request: NetworkRequest) -> Result<(), Error> {
        attack_of("STATUS", &request.configuration()?)
    }
}

fn attack_of(verb: &str, conf: &Conf) -> Result<(), Error> {
    if conf.verb == verb { attack::run(conf, &attach::Made::default()) } else { Ok(()) }
}

wasmcni_sdk::export_plugin!(Hostile);
