//! The configuration: what each key may say, and what it is when it says nothing.

use serde::Deserialize;
use wasmcni_sdk::Error;
use wasmcni_sdk::shaping::Bucket;

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Raw {
    ingress_rate: Option<u64>,
    ingress_burst: Option<u64>,
    egress_rate: Option<u64>,
    egress_burst: Option<u64>,
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuntimeConfig {
    bandwidth: Limits,
}

/// Bits, and bits per second; 0 is no limit. (CONVENTIONS.md, "bandwidth")
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Limits {
    ingress_rate: Option<u64>,
    ingress_burst: Option<u64>,
    egress_rate: Option<u64>,
    egress_burst: Option<u64>,
}

/// What is wanted, checked.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Conf {
    /// Of what the container gets.
    pub(crate) ingress: Option<Bucket>,
    /// Of what the container sends.
    pub(crate) egress: Option<Bucket>,
}

impl Limits {
    fn says_something(&self) -> bool {
        self.ingress_rate.is_some()
            || self.ingress_burst.is_some()
            || self.egress_rate.is_some()
            || self.egress_burst.is_some()
    }
}

impl Conf {
    /// Checks what is written. If the configuration itself has any of the keys, the runtime's count for
    /// nothing.
    pub(crate) fn read(raw: Raw) -> Result<Self, Error> {
        let own = Limits {
            ingress_rate: raw.ingress_rate,
            ingress_burst: raw.ingress_burst,
            egress_rate: raw.egress_rate,
            egress_burst: raw.egress_burst,
        };
        let (limits, place) = match own.says_something() {
            true => (own, ""),
            false => (raw.runtime_config.bandwidth, "runtimeConfig.bandwidth."),
        };
        let key = |name: &str| format!("{place}{name}");
        Ok(Self {
            ingress: bucket(
                (&key("ingressRate"), limits.ingress_rate),
                (&key("ingressBurst"), limits.ingress_burst),
            )?,
            egress: bucket(
                (&key("egressRate"), limits.egress_rate),
                (&key("egressBurst"), limits.egress_burst),
            )?,
        })
    }

    /// Whether it limits nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.ingress.is_none() && self.egress.is_none()
    }
}

/// A rate and its burst: both or neither.
fn bucket(
    (rate_key, rate): (&str, Option<u64>),
    (burst_key, burst): (&str, Option<u64>),
) -> Result<Option<Bucket>, Error> {
    const OCTET: u64 = 8;
    let (rate, burst) = (rate.unwrap_or(0), burst.unwrap_or(0));
    match (rate, burst) {
        (0, 0) => return Ok(None),
        (0, _) => {
            let why = format!("with \"{burst_key}\" it is set too, in bits per second");
            return Err(Error::missing(rate_key, &why));
        }
        (_, 0) => {
            let why = format!("with \"{rate_key}\" it is set too, in bits");
            return Err(Error::missing(burst_key, &why));
        }
        _ => {}
    }
    if rate < OCTET {
        return Err(Error::config(rate_key, rate, "a rate is at least 8 bits per second"));
    }
    if burst < OCTET {
        return Err(Error::config(burst_key, burst, "a burst is at least 8 bits"));
    }
    if burst / OCTET >= u32::MAX.into() {
        return Err(Error::config(burst_key, burst, "a burst is less than 4 GiB"));
    }
    Ok(Some(Bucket { rate_bits: rate, burst_bits: burst }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::testing::request;

    fn read(text: &str) -> Result<Conf, Error> {
        request(text).configuration().and_then(Conf::read)
    }

    fn bucket(rate_bits: u64, burst_bits: u64) -> Option<Bucket> {
        Some(Bucket { rate_bits, burst_bits })
    }

    #[test]
    fn nothing_said_is_no_limit() {
        for text in [
            "{}",
            r#"{"runtimeConfig": {}}"#,
            r#"{"runtimeConfig": {"bandwidth": null}}"#,
            r#"{"ingressRate": 0, "ingressBurst": 0}"#,
            r#"{"runtimeConfig": null, "egressRate": null}"#,
        ] {
            assert!(read(text).unwrap().is_empty(), "{text}");
        }
    }

    #[test]
    fn each_key_is_read() {
        let conf = read(
            r#"{"ingressRate": 8000, "ingressBurst": 80, "egressRate": 16000, "egressBurst": 160}"#,
        );
        let expected = Conf { ingress: bucket(8000, 80), egress: bucket(16000, 160) };
        assert_eq!(conf.unwrap(), expected);
    }

    /// As containerd sends it.
    #[test]
    fn the_runtimes_are_read_in_any_case() {
        let conf = read(
            r#"{"runtimeConfig": {"bandwidth": {"IngressRate": 8000, "IngressBurst": 4294967295,
                "EgressRate": 0, "EgressBurst": 0}}}"#,
        );
        assert_eq!(conf.unwrap(), Conf { ingress: bucket(8000, 4_294_967_295), egress: None });
    }

    #[test]
    fn the_configurations_own_win_as_a_whole() {
        let runtime = r#""runtimeConfig": {"bandwidth": {"ingressRate": 1, "egressRate": 9}}"#;
        let conf = read(&format!(r#"{{"egressRate": 80, "egressBurst": 8, {runtime}}}"#));
        assert_eq!(conf.unwrap(), Conf { ingress: None, egress: bucket(80, 8) });
        assert!(read(&format!(r#"{{"ingressRate": 0, {runtime}}}"#)).unwrap().is_empty());
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (text, key) in [
            (r#"{"ingressRate": 8}"#, "ingressBurst"),
            (r#"{"ingressBurst": 8}"#, "ingressRate"),
            (r#"{"egressRate": 8, "egressBurst": 0}"#, "egressBurst"),
            (r#"{"egressBurst": 8}"#, "egressRate"),
            (r#"{"ingressRate": 7, "ingressBurst": 8}"#, "ingressRate"),
            (r#"{"ingressRate": 8, "ingressBurst": 7}"#, "ingressBurst"),
            (r#"{"ingressRate": 8, "ingressBurst": 34359738360}"#, "ingressBurst"),
            (r#"{"ingressRate": -1}"#, "ingressRate"),
            (r#"{"ingressRate": 1.5}"#, "ingressRate"),
            (r#"{"egressRate": "8"}"#, "egressRate"),
            (r#"{"runtimeConfig": {"bandwidth": {"EgressRate": 8}}}"#, "bandwidth.egressBurst"),
            (r#"{"runtimeConfig": {"bandwidth": []}}"#, "bandwidth"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code, 7, "{text}");
            assert!(error.details.contains(key), "{text}: {}", error.details);
        }
        assert!(read(r#"{"ingressRate": 8, "ingressBurst": 34359738359}"#).is_ok());
    }
}
