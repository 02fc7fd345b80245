//! What a call is about.

use serde::de::DeserializeOwned;

use crate::bindings::wasmcni::cni::types;
use crate::error::code;
use crate::{CniResult, Error};

/// How many addresses the configuration's version can tell.
pub use crate::bindings::wasmcni::cni::types::Addresses;
/// An attachment of a network.
pub use crate::bindings::wasmcni::cni::types::AttachmentId;

/// ADD, DEL and CHECK: one container's one interface on one network.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name of the network.
    pub network: String,
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// The result of the plugins before this one; on DEL and CHECK, of the whole ADD.
    pub prev_result: Option<CniResult>,
    /// How many addresses the result may have.
    pub addresses: Addresses,
    /// The plugin's configuration, a JSON object. Read it with [`Request::configuration`].
    pub configuration: String,
    /// `CNI_ARGS`, or what is wrong with them. Read them with [`Request::arguments`].
    pub arguments: Result<Vec<(String, String)>, String>,
}

impl Request {
    /// The configuration, read the way Go's JSON reads it: keys without regard to case, `null` as if
    /// it were not there, unknown keys ignored. Give keys that may be left out `#[serde(default)]`.
    ///
    /// # Errors
    /// Code 7, naming the key, when a value is not of the kind that `T` wants.
    pub fn configuration<T: DeserializeOwned>(&self) -> Result<T, Error> {
        crate::conf::read(&self.configuration)
    }

    /// The result of the plugins before this one; on CHECK, of the whole ADD.
    ///
    /// # Errors
    /// Code 7 when there is none.
    pub fn prev_result(&self) -> Result<&CniResult, Error> {
        self.prev_result
            .as_ref()
            .ok_or_else(|| Error::missing("prevResult", "it must tell what was made before"))
    }

    /// The result of the plugins before this one, which a chained plugin cannot do without.
    ///
    /// # Errors
    /// Code 7 when there is none.
    pub fn chained(&self) -> Result<&CniResult, Error> {
        self.prev_result.as_ref().ok_or_else(|| {
            let why = "this plugin changes what others made: it must be chained, after the plugin \
                       that makes the interface";
            Error::missing("prevResult", why)
        })
    }

    /// `CNI_ARGS`, of which the plugin knows the keys `known` (case matters).
    ///
    /// A plugin that does not call this takes any arguments, as the reference plugins do.
    ///
    /// # Errors
    /// Code 4 when they are malformed, or when there is another key and `IgnoreUnknown` is not `1` or
    /// `true`.
    pub fn arguments(&self, known: &[&str]) -> Result<Arguments, Error> {
        let all = self.arguments.as_ref().map_err(|why| bad_arguments(why))?;
        let mut unknown = Vec::new();
        let mut ignore = false;
        for (key, value) in all {
            if key == "IgnoreUnknown" {
                ignore = boolean(value).ok_or_else(|| {
                    bad_arguments(&format!("IgnoreUnknown={value:?} is none of 1, true, 0, false"))
                })?;
            } else if !known.contains(&key.as_str()) {
                unknown.push(key.as_str());
            }
        }
        if unknown.is_empty() || ignore {
            Ok(Arguments(all.clone()))
        } else {
            Err(bad_arguments(&format!(
                "unknown keys \"{}\"; add IgnoreUnknown=1, or leave them out",
                unknown.join("\", \"")
            )))
        }
    }
}

fn bad_arguments(why: &str) -> Error {
    Error::new(code::ENVIRONMENT, format!("reading CNI_ARGS: {why}"))
}

fn boolean(text: &str) -> Option<bool> {
    if text == "1" || text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text == "0" || text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// `CNI_ARGS` whose keys have been checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments(Vec<(String, String)>);

impl Arguments {
    /// The last value given for `key`; an empty one is none.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.iter().rev().find(|(k, _)| k == key)?;
        Some(value.1.as_str()).filter(|v| !v.is_empty())
    }
}

/// GC and STATUS: a network without an attachment.
#[derive(Clone, Debug)]
pub struct NetworkRequest {
    /// Name of the network.
    pub network: String,
    /// The plugin's configuration, a JSON object.
    pub configuration: String,
}

impl NetworkRequest {
    /// The configuration, as [`Request::configuration`] reads it.
    ///
    /// # Errors
    /// Code 7, naming the key, when a value is not of the kind that `T` wants.
    pub fn configuration<T: DeserializeOwned>(&self) -> Result<T, Error> {
        crate::conf::read(&self.configuration)
    }
}

impl TryFrom<types::Request> for Request {
    type Error = Error;

    fn try_from(request: types::Request) -> Result<Self, Error> {
        Ok(Self {
            network: request.network,
            container_id: request.container_id,
            ifname: request.ifname,
            prev_result: request.prev_result.map(CniResult::try_from).transpose()?,
            addresses: request.addresses,
            configuration: request.configuration,
            arguments: request.arguments,
        })
    }
}

impl From<types::NetworkRequest> for NetworkRequest {
    fn from(request: types::NetworkRequest) -> Self {
        Self { network: request.network, configuration: request.configuration }
    }
}

#[cfg(test)]
mod tests {
    use crate::Request;
    use crate::testing::{arguments, request};

    fn with(text: &str) -> Request {
        Request { arguments: arguments(text), ..request("{}") }
    }

    #[test]
    fn known_arguments_are_read() {
        let args = with("MAC=02:00:00:00:00:01;IP=").arguments(&["MAC", "IP"]).unwrap();
        assert_eq!(args.get("MAC"), Some("02:00:00:00:00:01"));
        assert_eq!(args.get("IP"), None, "empty");
        assert_eq!(args.get("mac"), None, "case matters");
        assert_eq!(with("MAC=a;MAC=b").arguments(&["MAC"]).unwrap().get("MAC"), Some("b"));
    }

    #[test]
    fn unknown_arguments_need_ignore_unknown() {
        for text in ["A=b;IgnoreUnknown=1", "IgnoreUnknown=TRUE;A=b", "", "IgnoreUnknown=0"] {
            assert!(with(text).arguments(&["MAC"]).is_ok(), "{text}");
        }
        for text in
            ["A=b", "A=b;IgnoreUnknown=0", "A=b;IgnoreUnknown=no", "IgnoreUnknown=", "mac=x"]
        {
            let error = with(text).arguments(&["MAC"]).unwrap_err();
            assert_eq!(error.code, 4, "{text}");
            assert!(error.details.contains("CNI_ARGS"), "{text}: {}", error.details);
        }
    }

    #[test]
    fn malformed_arguments_are_an_error_where_they_are_read() {
        let request = Request { arguments: Err("\"A\" has no \"=\"".to_owned()), ..request("{}") };
        assert_eq!(request.arguments(&[]).unwrap_err().code, 4);
    }

    #[test]
    fn a_wrong_kind_names_its_key() {
        #[derive(Debug, serde::Deserialize)]
        struct Conf {
            #[serde(default)]
            mtu: u32,
        }
        assert_eq!(request(r#"{"MTU": 1400}"#).configuration::<Conf>().unwrap().mtu, 1400);
        let error = request(r#"{"mtu": "x"}"#).configuration::<Conf>().unwrap_err();
        assert_eq!(error.code, 7);
        assert!(error.details.contains("mtu"), "{}", error.details);
    }
}
