//! A call, understood: the verb, and exactly what CNI gives it.

use std::path::PathBuf;

use go_json::Node;

use super::args::CniArgs;
use super::conf::{NetworkConf, ValidAttachment, stated_version};
use super::env::{self, Env, Variables};
use super::error::CniError;
use super::result::CniResult;
use super::{Plugin, SpecVersion, Verb};
use crate::names::Attachment;

/// A call, understood. Each verb has exactly what CNI gives it.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Make an attachment.
    Add(Add),
    /// Remove an attachment.
    Del(Del),
    /// Check an attachment.
    Check(Check),
    /// Remove what belongs to no valid attachment.
    Gc(Gc),
    /// Say whether ADD can be served.
    Status(Status),
    /// Write this line to stdout.
    Version(String),
    /// No verb: write this text to stderr, and nothing to stdout.
    About(String),
}

/// ADD.
#[derive(Clone, Debug, PartialEq)]
pub struct Add {
    /// What to make.
    pub attachment: Attachment,
    /// The container's netns.
    pub netns: PathBuf,
    /// Whether that may be the plugin's own netns.
    pub netns_override: bool,
    /// CNI_ARGS.
    pub args: CniArgs,
    /// Where plugins are.
    pub path: Vec<PathBuf>,
    /// The configuration.
    pub conf: NetworkConf,
    /// The former plugin's result; none for the first plugin of a chain.
    pub prev_result: Option<CniResult>,
}

/// DEL.
#[derive(Clone, Debug, PartialEq)]
pub struct Del {
    /// What to remove.
    pub attachment: Attachment,
    /// The container's netns; none when it is gone.
    pub netns: Option<PathBuf>,
    /// Whether that may be the plugin's own netns.
    pub netns_override: bool,
    /// CNI_ARGS.
    pub args: CniArgs,
    /// Where plugins are.
    pub path: Vec<PathBuf>,
    /// The configuration.
    pub conf: NetworkConf,
    /// ADD's result, if the runtime has it.
    pub prev_result: Option<CniResult>,
    /// Why `prev_result` is none though the runtime gave one. Not an error: what can be removed
    /// without it must be removed.
    pub damage: Option<CniError>,
}

/// CHECK.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What to check.
    pub attachment: Attachment,
    /// The container's netns.
    pub netns: PathBuf,
    /// Whether that may be the plugin's own netns.
    pub netns_override: bool,
    /// CNI_ARGS.
    pub args: CniArgs,
    /// Where plugins are.
    pub path: Vec<PathBuf>,
    /// The configuration.
    pub conf: NetworkConf,
    /// ADD's result.
    pub prev_result: Option<CniResult>,
}

/// GC.
#[derive(Clone, Debug, PartialEq)]
pub struct Gc {
    /// CNI_ARGS.
    pub args: CniArgs,
    /// Where plugins are.
    pub path: Vec<PathBuf>,
    /// The configuration.
    pub conf: NetworkConf,
    /// What to leave alone; see [`NetworkConf::valid_attachments`].
    pub valid: Option<Vec<ValidAttachment>>,
}

/// STATUS.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// CNI_ARGS.
    pub args: CniArgs,
    /// Where plugins are.
    pub path: Vec<PathBuf>,
    /// The configuration.
    pub conf: NetworkConf,
}

impl Request {
    /// Understands a call of `plugin`.
    ///
    /// # Errors
    /// The environment (code 4), the version (1) or the configuration (6, 7) is wrong. On DEL a
    /// damaged `prevResult` is no error.
    pub fn parse(env: Env<'_>, stdin: &[u8], plugin: &Plugin<'_>) -> Result<Self, CniError> {
        let read = |verb| Call::read(env, stdin, verb, plugin.supported);
        Ok(match Verb::from_env(env)? {
            None => Self::About(about(plugin)),
            Some(Verb::Add) => Self::Add(read(Verb::Add)?.add()?),
            Some(Verb::Del) => Self::Del(read(Verb::Del)?.del()?),
            Some(Verb::Check) => Self::Check(read(Verb::Check)?.check()?),
            Some(Verb::Gc) => Self::Gc(read(Verb::Gc)?.gc()?),
            Some(Verb::Status) => Self::Status(read(Verb::Status)?.status()),
            // Neither the rest of the environment nor a broken stdin keeps VERSION from its answer.
            Some(Verb::Version) => Self::Version(versions(stdin, plugin)),
        })
    }
}

/// What all verbs but VERSION read, before each takes its own.
struct Call {
    variables: Variables,
    conf: NetworkConf,
}

impl Call {
    fn read(
        env: Env<'_>,
        stdin: &[u8],
        verb: Verb,
        supported: &[SpecVersion],
    ) -> Result<Self, CniError> {
        let variables = env::read(env, verb)?;
        Ok(Self { variables, conf: NetworkConf::parse(stdin, verb, supported)? })
    }

    fn add(self) -> Result<Add, CniError> {
        Ok(Add {
            attachment: self.attachment()?,
            prev_result: self.conf.prev_result()?,
            netns: self.variables.netns.ok_or_else(|| env::missing(&[env::NETNS]))?,
            netns_override: self.variables.netns_override,
            args: self.variables.args,
            path: self.variables.path,
            conf: self.conf,
        })
    }

    fn del(self) -> Result<Del, CniError> {
        let (prev_result, damage) = match self.conf.prev_result() {
            Ok(prev_result) => (prev_result, None),
            Err(error) => (None, Some(error)),
        };
        Ok(Del {
            attachment: self.attachment()?,
            netns: self.variables.netns,
            netns_override: self.variables.netns_override,
            args: self.variables.args,
            path: self.variables.path,
            conf: self.conf,
            prev_result,
            damage,
        })
    }

    fn check(self) -> Result<Check, CniError> {
        Ok(Check {
            attachment: self.attachment()?,
            prev_result: self.conf.prev_result()?,
            netns: self.variables.netns.ok_or_else(|| env::missing(&[env::NETNS]))?,
            netns_override: self.variables.netns_override,
            args: self.variables.args,
            path: self.variables.path,
            conf: self.conf,
        })
    }

    fn gc(self) -> Result<Gc, CniError> {
        Ok(Gc {
            valid: self.conf.valid_attachments()?,
            args: self.variables.args,
            path: self.variables.path,
            conf: self.conf,
        })
    }

    fn status(self) -> Status {
        Status { args: self.variables.args, path: self.variables.path, conf: self.conf }
    }

    fn attachment(&self) -> Result<Attachment, CniError> {
        let missing = |variable| move || env::missing(&[variable]);
        let Variables { container_id, if_name, .. } = &self.variables;
        Ok(Attachment {
            network: self.conf.name.clone(),
            container_id: container_id.clone().ok_or_else(missing(env::CONTAINER_ID))?,
            ifname: if_name.clone().ok_or_else(missing(env::IF_NAME))?,
        })
    }
}

/// What a person reads who calls a plugin by hand (the CNI library's wording).
fn about(plugin: &Plugin<'_>) -> String {
    let versions: Vec<_> = plugin.supported.iter().map(|version| version.as_str()).collect();
    format!(
        "CNI {} plugin v{}\nCNI protocol versions supported: {}\n",
        plugin.name,
        plugin.version,
        versions.join(", ")
    )
}

/// The answer to VERSION. The spec wants the request's `cniVersion` back; the CNI library always
/// says its newest, which serves where the request has none.
fn versions(stdin: &[u8], plugin: &Plugin<'_>) -> String {
    let version = stated_version(stdin).unwrap_or(SpecVersion::LATEST);
    let supported: Vec<_> =
        plugin.supported.iter().map(|version| Node::from(version.as_str())).collect();
    let answer = Node::object([
        ("cniVersion", Node::from(version.as_str())),
        ("supportedVersions", Node::from(supported)),
    ]);
    format!("{answer}\n")
}
