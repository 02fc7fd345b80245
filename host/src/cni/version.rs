//! The spec's versions: which there are, what each can do, and when a configuration's is accepted.

use std::fmt;

use go_json::Node;

use super::Verb;
use super::error::{CniError, Code};

/// A version of the CNI spec. Ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpecVersion {
    /// 0.1.0, also meant by a configuration that names no version.
    V0_1_0,
    /// 0.2.0 brought VERSION.
    V0_2_0,
    /// 0.3.0 brought chains of plugins and results with several addresses.
    V0_3_0,
    /// 0.3.1 corrected the text of 0.3.0.
    V0_3_1,
    /// 0.4.0 brought CHECK.
    V0_4_0,
    /// 1.0.0 dropped `version` from a result's addresses.
    V1_0_0,
    /// 1.1.0 brought GC and STATUS.
    V1_1_0,
}

/// Versions whose results have one shape. Named for the CNI library's packages `types020`,
/// `types040` and `types100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// 0.1.0 and 0.2.0: `ip4` and `ip6`.
    V020,
    /// 0.3.0 to 0.4.0: `ips` with `version`.
    V040,
    /// 1.0.0 and 1.1.0: `ips` without `version`.
    V100,
}

impl SpecVersion {
    /// All versions, oldest first.
    pub const ALL: [Self; 7] = [
        Self::V0_1_0,
        Self::V0_2_0,
        Self::V0_3_0,
        Self::V0_3_1,
        Self::V0_4_0,
        Self::V1_0_0,
        Self::V1_1_0,
    ];

    /// The newest version.
    pub const LATEST: Self = Self::V1_1_0;

    /// The version that a configuration without one means (CNI library, `version.ParseVersion`).
    pub const UNSTATED: Self = Self::V0_1_0;

    /// The versions that a plugin supports: a chained one makes no sense in those without chains. The
    /// reference plugins refuse the same.
    #[must_use]
    pub fn of_plugin(plugin: &str) -> &'static [Self] {
        static SINCE: [(&str, SpecVersion); 2] =
            [("bandwidth", SpecVersion::V0_3_0), ("firewall", SpecVersion::V0_4_0)];
        let since = SINCE.iter().find(|(name, _)| *name == plugin).map(|(_, since)| *since);
        let first = Self::ALL.iter().position(|version| Some(*version) == since).unwrap_or(0);
        Self::ALL_IN_ORDER.get(first..).unwrap_or_default()
    }

    const ALL_IN_ORDER: &'static [Self] = &Self::ALL;

    const fn facts(self) -> (&'static str, Family) {
        match self {
            Self::V0_1_0 => ("0.1.0", Family::V020),
            Self::V0_2_0 => ("0.2.0", Family::V020),
            Self::V0_3_0 => ("0.3.0", Family::V040),
            Self::V0_3_1 => ("0.3.1", Family::V040),
            Self::V0_4_0 => ("0.4.0", Family::V040),
            Self::V1_0_0 => ("1.0.0", Family::V100),
            Self::V1_1_0 => ("1.1.0", Family::V100),
        }
    }

    /// As it stands in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.facts().0
    }

    /// The shape of this version's results.
    #[must_use]
    pub const fn family(self) -> Family {
        self.facts().1
    }

    /// The version that is spelled exactly so: "1.0" is not 1.0.0.
    #[must_use]
    pub fn known(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// Whether this version has the verb.
    #[must_use]
    pub fn has(self, verb: Verb) -> bool {
        self >= verb.since()
    }

    /// Whether this version has chains of plugins, `prevResult`, and results with several
    /// addresses.
    #[must_use]
    pub fn has_chains(self) -> bool {
        self >= Self::V0_3_0
    }
}

impl fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The `cniVersion` of a configuration as it is written.
///
/// # Errors
/// It is not a string (code 6).
pub fn stated(conf: &Node) -> Result<Option<&str>, CniError> {
    match conf.get_scalar("cniVersion") {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            None => Err(CniError::new(
                Code::DecodingFailure,
                format!("reading \"cniVersion\": {value} is not a string"),
            )),
        },
    }
}

/// The version to answer in: the configuration's, if the plugin supports it and it has the verb.
///
/// Equality decides, as in the CNI library. CHECK, GC and STATUS compare by number first, so that a
/// version that has no numbers is undecodable for them and merely unsupported for ADD and DEL.
///
/// # Errors
/// The version is not supported, or older than the verb (code 1); it cannot be compared (code 6).
pub fn accept(
    stated: Option<&str>,
    verb: Verb,
    supported: &[SpecVersion],
) -> Result<SpecVersion, CniError> {
    let text = stated.unwrap_or(SpecVersion::UNSTATED.as_str());
    if verb.since() > SpecVersion::V0_2_0 {
        let older = numbers(text)? < numbers(verb.since().as_str())?;
        if older {
            return Err(CniError::new(
                Code::IncompatibleVersion,
                format!("config version {text:?} does not allow {verb}"),
            ));
        }
    }
    SpecVersion::known(text).filter(|version| supported.contains(version)).ok_or_else(|| {
        let supported: Vec<_> = supported.iter().map(|version| version.as_str()).collect();
        CniError::new(
            Code::IncompatibleVersion,
            format!("config is {text:?}, plugin supports {supported:?}"),
        )
    })
}

/// The version of a network that names several (`cniVersions`, 1.1.0): the highest that is known
/// here, `cniVersion` among them. Versions from the future are passed over, as the CNI library
/// does.
///
/// # Errors
/// One is not a version (code 6), or versions are given and none is known (code 1).
pub fn choose(stated: Option<&str>, offered: &[&str]) -> Result<SpecVersion, CniError> {
    let all: Vec<&str> = offered.iter().copied().chain(stated).collect();
    if all.is_empty() {
        return Ok(SpecVersion::UNSTATED);
    }
    for text in &all {
        numbers(text)?;
    }
    all.iter().filter_map(|text| SpecVersion::known(text)).max().ok_or_else(|| {
        let known = SpecVersion::ALL.map(SpecVersion::as_str);
        CniError::new(
            Code::IncompatibleVersion,
            format!("configuration offers {all:?}, supported are {known:?}"),
        )
    })
}

/// Up to three dotted numbers; those left out are 0 (CNI library, `version.ParseVersion`).
fn numbers(text: &str) -> Result<[i64; 3], CniError> {
    let undecodable = || {
        CniError::new(Code::DecodingFailure, format!("reading version {text:?}: not numbers a.b.c"))
    };
    let mut numbers = [0; 3];
    let mut parts = text.split('.');
    for (number, part) in numbers.iter_mut().zip(&mut parts) {
        *number = part.parse().map_err(|_| undecodable())?;
    }
    if parts.next().is_none() { Ok(numbers) } else { Err(undecodable()) }
}
