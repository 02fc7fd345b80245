//! For native tests: requests as the host makes them. Host calls work only in a component; keep what
//! decides apart from what calls, and test it with these.

use crate::{Addresses, NetworkRequest, Request};

/// A request with this configuration, for `eth0` of container `c1` on network `net`. Change what
/// matters:
///
/// ```
/// use wasmcni_sdk::{Request, testing};
/// let request = Request { ifname: "net1".to_owned(), ..testing::request("{}") };
/// ```
#[must_use]
pub fn request(configuration: &str) -> Request {
    Request {
        network: "net".to_owned(),
        container_id: "c1".to_owned(),
        ifname: "eth0".to_owned(),
        prev_result: None,
        addresses: Addresses::Any,
        configuration: configuration.to_owned(),
        arguments: Ok(Vec::new()),
    }
}

/// A GC or STATUS request with this configuration, for network `net`.
#[must_use]
pub fn network_request(configuration: &str) -> NetworkRequest {
    NetworkRequest { network: "net".to_owned(), configuration: configuration.to_owned() }
}

/// `CNI_ARGS` as the host splits them: `IP=10.0.0.1;IgnoreUnknown=1`.
///
/// # Errors
/// A piece does not have exactly one `=`.
pub fn arguments(text: &str) -> Result<Vec<(String, String)>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(';')
        .map(|piece| match piece.split_once('=') {
            Some((key, value)) if !value.contains('=') => Ok((key.to_owned(), value.to_owned())),
            _ => Err(format!("{piece:?} is not of the form key=value")),
        })
        .collect()
}
