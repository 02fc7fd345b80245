//! The delegate's configuration, out of flannel's own and of what flanneld says.

use wasmcni_sdk::go_json::Node;
use wasmcni_sdk::{Error, code};

use crate::conf::Conf;
use crate::subnet::Subnet;

/// A delegate and its configuration, a JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// Its CNI type.
    pub(crate) kind: String,
    /// Its configuration; what CNI says of the call, the host adds.
    pub(crate) text: String,
}

impl Rendered {
    /// What was saved for DEL, if that is a configuration.
    pub(crate) fn saved(text: String) -> Result<Self, String> {
        let document = Node::parse(&text).map_err(|e| e.to_string())?;
        match document.get("type").and_then(Node::as_str) {
            Some(kind) if !kind.is_empty() => Ok(Self { kind: kind.to_owned(), text }),
            Some(_) | None => Err("it names no \"type\"".to_owned()),
        }
    }
}

/// Renders it. Without a subnet (GC, when flanneld's file is gone) it says nothing of one.
pub(crate) fn render(
    conf: &Conf,
    network: &str,
    subnet: Option<&Subnet>,
) -> Result<Rendered, Error> {
    let mut to = conf.delegate.clone();
    set(&mut to, "name", network.into())?;
    set(&mut to, "type", conf.kind.as_str().into())?;
    if !conf.version.is_empty() {
        set(&mut to, "cniVersion", conf.version.as_str().into())?;
    }
    if let Some(subnet) = subnet {
        // One of both masquerades.
        default(&mut to, "ipMasq", (!subnet.ip_masq).into())?;
        default(&mut to, "mtu", subnet.mtu.into())?;
    }
    if conf.kind == "bridge" {
        default(&mut to, "isGateway", true.into())?;
    }
    if let Some(arguments) = &conf.runtime_config {
        set(&mut to, "runtimeConfig", arguments.clone())?;
    }
    set(&mut to, "ipam", ipam(conf, subnet)?)?;
    Ok(Rendered { kind: conf.kind.clone(), text: to.to_json_string() })
}

fn ipam(conf: &Conf, subnet: Option<&Subnet>) -> Result<Node, Error> {
    let mut ipam = conf.ipam.clone();
    default(&mut ipam, "type", "host-local".into())?;
    let Some(subnet) = subnet else { return Ok(ipam) };
    let one = |key: &'static str, net: String| Node::object([(key, Node::from(net))]);
    let ranges = subnet.subnets.iter().map(|net| vec![one("subnet", net.to_string())].into());
    let own = conf.routes.iter().cloned();
    let routes = own.chain(subnet.networks.iter().map(|net| one("dst", net.to_string())));
    let routes: Vec<Node> = routes.collect();
    set(&mut ipam, "ranges", ranges.collect::<Vec<Node>>().into())?;
    set(&mut ipam, "routes", routes.into())?;
    Ok(ipam)
}

/// Sets a key that is not there.
fn default(object: &mut Node, key: &str, value: Node) -> Result<(), Error> {
    match object.get(key) {
        None | Some(Node::Null) => set(object, key, value),
        Some(_) => Ok(()),
    }
}

fn set(object: &mut Node, key: &str, value: Node) -> Result<(), Error> {
    object.set(key, value).map_err(|e| Error::new(code::INTERNAL, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subnet::tests::variables;
    use wasmcni_sdk::testing::request;

    fn subnet(v6: bool, ip_masq: &str) -> Subnet {
        let (network, subnet) = if v6 { ("fd00::/56", "fd00:0:0:1::1/64") } else { ("-", "-") };
        let values = ["10.244.0.0/16", "10.244.1.1/24", network, subnet, "1410", ip_masq];
        Subnet::of(&variables(values)).unwrap()
    }

    fn rendered(conf: &str, subnet: Option<&Subnet>) -> String {
        let conf = request(conf).configuration().and_then(Conf::read).unwrap();
        render(&conf, "cbr0", subnet).unwrap().text
    }

    #[test]
    fn the_field_configuration() {
        let conf = r#"{"delegate": {"hairpinMode": true, "isDefaultGateway": true}}"#;
        assert_eq!(
            rendered(conf, Some(&subnet(false, "true"))),
            r#"{"hairpinMode":true,"isDefaultGateway":true,"name":"cbr0","type":"bridge","ipMasq":false,"mtu":1410,"isGateway":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.244.1.0/24"}]],"routes":[{"dst":"10.244.0.0/16"}]}}"#
        );
    }

    #[test]
    fn what_the_delegate_says_wins() {
        let conf =
            r#"{"delegate": {"type": "bridge", "IPMASQ": false, "mtu": 9000, "isGateway": false}}"#;
        let text = rendered(conf, Some(&subnet(false, "false")));
        for part in [r#""IPMASQ":false"#, r#""mtu":9000"#, r#""isGateway":false"#] {
            assert_eq!(text.matches(part).count(), 1, "{text}");
        }
        assert!(!text.contains("ipMasq") && !text.contains("true"), "{text}");
    }

    #[test]
    fn only_a_bridge_is_told_to_be_a_gateway() {
        let text = rendered(r#"{"delegate": {"type": "ptp"}}"#, Some(&subnet(false, "false")));
        assert!(!text.contains("isGateway") && text.contains(r#""ipMasq":true"#), "{text}");
    }

    #[test]
    fn ranges_are_overwritten_and_routes_appended() {
        let conf = r#"{"ipam": {"type": "x", "ranges": [[{"subnet": "1.0.0.0/8"}]], "dataDir": "/d",
            "routes": [{"dst": "192.168.0.0/16", "gw": "10.244.1.9", "mtu": 5}]},
            "runtimeConfig": {"mac": "02:00:00:00:00:01"}, "delegate": {"runtimeConfig": {"a": 1}}}"#;
        let text = rendered(conf, Some(&subnet(true, "true")));
        let want = [
            r#""runtimeConfig":{"mac":"02:00:00:00:00:01"}"#,
            r#""ipam":{"type":"x","dataDir":"/d","ranges":[[{"subnet":"10.244.1.0/24"}],[{"subnet":"fd00:0:0:1::/64"}]],"routes":[{"dst":"192.168.0.0/16","gw":"10.244.1.9","mtu":5},{"dst":"10.244.0.0/16"},{"dst":"fd00::/56"}]}"#,
        ];
        assert!(want.iter().all(|part| text.contains(part)), "{text}");
    }

    #[test]
    fn without_a_subnet_nothing_is_said_of_one() {
        let text = rendered("{}", None);
        assert_eq!(
            text,
            r#"{"name":"cbr0","type":"bridge","isGateway":true,"ipam":{"type":"host-local"}}"#
        );
    }

    #[test]
    fn what_was_saved_needs_a_type() {
        let saved = |text: &str| Rendered::saved(text.to_owned());
        assert_eq!(saved(r#"{"Type": "ptp"}"#).unwrap().kind, "ptp");
        for text in ["", "{", "[]", "{}", r#"{"type": ""}"#, r#"{"type": 1}"#] {
            assert!(saved(text).is_err(), "{text}");
        }
    }
}
