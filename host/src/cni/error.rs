//! What went wrong, as CNI says it: a code, a message fixed for that code, and details.

use std::borrow::Cow;
use std::fmt;

use go_json::Node;

use super::SpecVersion;

/// The codes of the CNI spec (0 to 99), of its Go library (8, 999), and ours (from 100).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// 0: nothing better is known.
    Unknown,
    /// 1: the version is not supported, or does not have the verb.
    IncompatibleVersion,
    /// 2: a field's value is not supported. The spec wants key and value named.
    UnsupportedField,
    /// 3: the container is unknown, and the runtime need not clean up.
    UnknownContainer,
    /// 4: an environment variable is missing or wrong. The spec wants it named.
    InvalidEnvironment,
    /// 5: reading or writing failed.
    IoFailure,
    /// 6: something is not JSON, or not of the kind it should be.
    DecodingFailure,
    /// 7: the network configuration is readable and wrong.
    InvalidConfiguration,
    /// 8: the network namespace cannot be used. Of the CNI library, not the spec.
    InvalidNetns,
    /// 11: a passing trouble; the runtime should try again.
    TryAgainLater,
    /// 50: the plugin cannot serve ADD.
    NotAvailable,
    /// 51: and containers that exist may have lost connections.
    LimitedConnectivity,
    /// 100, ours: no grant allows what the plugin asked for.
    Denied,
    /// 101, ours: the plugin trapped.
    GuestTrapped,
    /// 102, ours: the plugin used up its time, memory or calls.
    GuestOutOfLimits,
    /// 103, ours: the component was refused before it started.
    ComponentRefused,
    /// 999: the CNI library's code for any other error.
    Internal,
}

impl Code {
    /// All codes, in their order.
    pub const ALL: [Self; 17] = [
        Self::Unknown,
        Self::IncompatibleVersion,
        Self::UnsupportedField,
        Self::UnknownContainer,
        Self::InvalidEnvironment,
        Self::IoFailure,
        Self::DecodingFailure,
        Self::InvalidConfiguration,
        Self::InvalidNetns,
        Self::TryAgainLater,
        Self::NotAvailable,
        Self::LimitedConnectivity,
        Self::Denied,
        Self::GuestTrapped,
        Self::GuestOutOfLimits,
        Self::ComponentRefused,
        Self::Internal,
    ];

    const fn facts(self) -> (u32, &'static str) {
        match self {
            Self::Unknown => (0, "unknown error"),
            Self::IncompatibleVersion => (1, "incompatible CNI versions"),
            Self::UnsupportedField => (2, "unsupported field in network configuration"),
            Self::UnknownContainer => (3, "container unknown or does not exist"),
            Self::InvalidEnvironment => (4, "invalid environment variables"),
            Self::IoFailure => (5, "i/o failure"),
            Self::DecodingFailure => (6, "decoding failure"),
            Self::InvalidConfiguration => (7, "invalid network configuration"),
            Self::InvalidNetns => (8, "invalid network namespace"),
            Self::TryAgainLater => (11, "try again later"),
            Self::NotAvailable => (50, "plugin not available"),
            Self::LimitedConnectivity => (51, "plugin not available, limited connectivity"),
            Self::Denied => (100, "denied by policy"),
            Self::GuestTrapped => (101, "guest trapped"),
            Self::GuestOutOfLimits => (102, "guest out of limits"),
            Self::ComponentRefused => (103, "component refused"),
            Self::Internal => (999, "internal error"),
        }
    }

    /// The number, as it stands in JSON.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.facts().0
    }

    /// The message that goes with it.
    #[must_use]
    pub const fn msg(self) -> &'static str {
        self.facts().1
    }
}

/// A CNI error. A delegate's or a guest's may have any code and message, and is passed on as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CniError {
    /// See [`Code`].
    pub code: u32,
    /// Short, and the same for every error of the code.
    pub msg: Cow<'static, str>,
    /// The sentence that says what failed; may be empty.
    pub details: String,
}

impl CniError {
    /// An error of one of the known codes.
    #[must_use]
    pub fn new(code: Code, details: impl Into<String>) -> Self {
        Self { code: code.number(), msg: Cow::Borrowed(code.msg()), details: details.into() }
    }

    /// Whether the error has this code.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        self.code == code.number()
    }

    /// The error as a plugin writes it to stdout. The spec wants `cniVersion` in it, which is left
    /// out where the request's version could not be read.
    #[must_use]
    pub fn to_json(&self, version: Option<SpecVersion>) -> String {
        let mut entries = Vec::new();
        if let Some(version) = version {
            entries.push(("cniVersion", Node::from(version.as_str())));
        }
        entries.push(("code", Node::from(self.code)));
        entries.push(("msg", Node::from(&*self.msg)));
        if !self.details.is_empty() {
            entries.push(("details", Node::from(self.details.as_str())));
        }
        format!("{:#}", Node::object(entries))
    }

    /// Reads the error that a delegate wrote to stdout. None: it is no CNI error.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        let node = Node::parse(text).ok()?;
        let text = |key| match node.get(key) {
            None | Some(Node::Null) => Some(String::new()),
            Some(value) => value.as_str().map(str::to_owned),
        };
        Some(Self {
            code: node.get("code")?.to().ok()?,
            msg: Cow::Owned(text("msg")?),
            details: text("details")?,
        })
    }
}

impl From<go_json::Error> for CniError {
    fn from(error: go_json::Error) -> Self {
        Self::new(Code::DecodingFailure, error.to_string())
    }
}

impl fmt::Display for CniError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)?;
        if self.details.is_empty() { Ok(()) } else { write!(f, "; {}", self.details) }
    }
}

impl std::error::Error for CniError {}
