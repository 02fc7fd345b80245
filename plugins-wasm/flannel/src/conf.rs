//! The configuration: what each key may say, and what it is when it says nothing.

use serde::Deserialize;
use wasmcni_sdk::conf::RouteConf;
use wasmcni_sdk::go_json::Node;
use wasmcni_sdk::{Error, Request, log};

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Raw {
    cni_version: String,
    subnet_file: String,
    data_dir: String,
    delegate: Option<Node>,
    ipam: Option<Node>,
    runtime_config: Option<Node>,
}

/// What is wanted, checked.
#[derive(Debug, PartialEq)]
pub(crate) struct Conf {
    /// As it is written, for what is saved; the host sees to it in what the delegate gets.
    pub(crate) version: String,
    /// The file that flanneld writes; none: the usual one.
    pub(crate) subnet_file: Option<String>,
    /// Where the delegate's configuration is saved for DEL; none: the usual directory.
    pub(crate) data_dir: Option<String>,
    /// The delegate's configuration, as far as it is written: an object.
    pub(crate) delegate: Node,
    /// The delegate's name.
    pub(crate) kind: String,
    /// The delegate's `ipam`, as far as it is written: an object.
    pub(crate) ipam: Node,
    /// Routes of `ipam`.
    pub(crate) routes: Vec<Node>,
    /// Passed on to the delegate.
    pub(crate) runtime_config: Option<Node>,
}

impl Conf {
    /// Checks what is written.
    pub(crate) fn read(raw: Raw) -> Result<Self, Error> {
        let delegate = object("delegate", raw.delegate)?;
        for key in ["name", "ipam"] {
            if let Some(value) = delegate.get(key).filter(|value| !value.is_null()) {
                let key = format!("delegate.{key}");
                return Err(Error::config(&key, value, "flannel sets it; leave it out"));
            }
        }
        let kind = match delegate.get("type") {
            None | Some(Node::Null) => "bridge".to_owned(),
            Some(Node::String(kind)) if !kind.is_empty() => kind.clone(),
            Some(other) => {
                return Err(Error::config("delegate.type", other, "it is the name of a plugin"));
            }
        };
        let ipam = object("ipam", raw.ipam)?;
        let routes = match ipam.get("routes") {
            None | Some(Node::Null) => Vec::new(),
            Some(routes) => {
                routes.to::<Vec<RouteConf>>().map_err(|e| {
                    Error::config("ipam.routes", routes, &format!("it is a list of routes: {e}"))
                })?;
                routes.as_array().unwrap_or_default().to_vec()
            }
        };
        Ok(Self {
            version: raw.cni_version,
            subnet_file: Some(raw.subnet_file).filter(|path| !path.is_empty()),
            data_dir: Some(raw.data_dir).filter(|path| !path.is_empty()),
            delegate,
            kind,
            ipam,
            routes,
            runtime_config: raw.runtime_config,
        })
    }

    /// What a DEL knows of it. A broken configuration keeps nothing from being removed that was saved
    /// where it says, or else in the usual directory.
    pub(crate) fn lenient(request: &Request) -> (Option<String>, Option<Self>) {
        let whole = request.configuration().and_then(Self::read);
        match whole {
            Ok(conf) => (conf.data_dir.clone(), Some(conf)),
            Err(error) => {
                log::warn(&format!("going on with what was saved: {error}"));
                let part = request.configuration::<DataDir>().unwrap_or_default();
                (Some(part.data_dir).filter(|path| !path.is_empty()), None)
            }
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DataDir {
    data_dir: String,
}

/// The object at a key; an empty one if there is none.
fn object(key: &str, value: Option<Node>) -> Result<Node, Error> {
    match value {
        None | Some(Node::Null) => Ok(Node::Object(Vec::new())),
        Some(object @ Node::Object(_)) => Ok(object),
        Some(other) => Err(Error::config(key, other, "it is an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::testing::request;

    fn read(text: &str) -> Result<Conf, Error> {
        request(text).configuration().and_then(Conf::read)
    }

    #[test]
    fn nothing_said_is_the_default() {
        for text in ["{}", r#"{"subnetFile": "", "dataDir": null, "delegate": null, "ipam": {}}"#] {
            let conf = read(text).unwrap();
            assert_eq!((conf.subnet_file, conf.data_dir), (None, None), "{text}");
            assert_eq!((conf.kind.as_str(), conf.routes.len()), ("bridge", 0), "{text}");
            assert_eq!(conf.runtime_config, None);
        }
    }

    #[test]
    fn each_key_is_read() {
        let conf = read(
            r#"{"SubnetFile": "/a/b", "datadir": "/c", "delegate": {"type": "ptp", "mtu": 1},
                "ipam": {"type": "x", "routes": [{"dst": "10.0.0.0/8"}]}, "runtimeConfig": {"a": 1}}"#,
        )
        .unwrap();
        assert_eq!(
            (conf.subnet_file.as_deref(), conf.data_dir.as_deref()),
            (Some("/a/b"), Some("/c"))
        );
        assert_eq!((conf.kind.as_str(), conf.routes.len()), ("ptp", 1));
        assert_eq!(conf.runtime_config.unwrap().to_json_string(), r#"{"a":1}"#);
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (text, key) in [
            (r#"{"subnetFile": 1}"#, "subnetFile"),
            (r#"{"dataDir": []}"#, "dataDir"),
            (r#"{"delegate": "bridge"}"#, "delegate"),
            (r#"{"delegate": {"type": 1}}"#, "delegate.type"),
            (r#"{"delegate": {"type": ""}}"#, "delegate.type"),
            (r#"{"delegate": {"name": "x"}}"#, "delegate.name"),
            (r#"{"delegate": {"NAME": "x"}}"#, "delegate.name"),
            (r#"{"delegate": {"ipam": {}}}"#, "delegate.ipam"),
            (r#"{"ipam": []}"#, "ipam"),
            (r#"{"ipam": {"routes": {}}}"#, "ipam.routes"),
            (r#"{"ipam": {"routes": [{"dst": "x"}]}}"#, "ipam.routes"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code, 7, "{text}");
            assert!(error.details.contains(&format!("\"{key}\"")), "{text}: {}", error.details);
        }
    }

    #[test]
    fn a_broken_configuration_still_tells_where_it_was_saved() {
        let lenient = |text: &str| {
            let (data_dir, conf) = Conf::lenient(&request(text));
            (data_dir, conf.is_some())
        };
        let c = Some("/c".to_owned());
        assert_eq!(lenient(r#"{"dataDir": "/c"}"#), (c.clone(), true));
        assert_eq!(lenient(r#"{"dataDir": "/c", "delegate": 1}"#), (c, false));
        assert_eq!(lenient(r#"{"dataDir": 1}"#), (None, false));
    }
}
