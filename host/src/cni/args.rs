//! CNI_ARGS: `K=V;K=V` (CNI library, `types.LoadArgs`).

use super::error::{CniError, Code};

/// The one key that every plugin knows.
const IGNORE_UNKNOWN: &str = "IgnoreUnknown";

/// What CNI_ARGS holds. Only a plugin that reads it may complain about it, so the text is kept as
/// it came and read on demand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CniArgs {
    raw: String,
}

impl CniArgs {
    /// The arguments in `raw`.
    #[must_use]
    pub fn new(raw: impl Into<String>) -> Self {
        Self { raw: raw.into() }
    }

    /// The text as it came, for a delegate's environment.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The pairs in their order. A key given twice is there twice; the later one counts.
    ///
    /// # Errors
    /// A piece has not exactly one `=` (code 4): an empty one, or one whose value holds another.
    pub fn pairs(&self) -> Result<Vec<(&str, &str)>, CniError> {
        if self.raw.is_empty() {
            return Ok(Vec::new());
        }
        self.raw.split(';').map(pair).collect()
    }
}

fn pair(piece: &str) -> Result<(&str, &str), CniError> {
    piece
        .split_once('=')
        .filter(|(_, value)| !value.contains('='))
        .ok_or_else(|| invalid(format!("{piece:?} is not one key and one value")))
}

/// Checks that a plugin which knows the keys `known` may go on with these pairs.
///
/// # Errors
/// A key is unknown and `IgnoreUnknown` is not true, or that is no truth value (code 4).
pub fn check_known(pairs: &[(&str, &str)], known: &[&str]) -> Result<(), CniError> {
    let mut ignore = false;
    let mut unknown = Vec::new();
    for (key, value) in pairs {
        if *key == IGNORE_UNKNOWN {
            ignore = truth(value)?;
        } else if !known.contains(key) {
            unknown.push(*key);
        }
    }
    if ignore || unknown.is_empty() {
        return Ok(());
    }
    Err(invalid(format!("unknown keys {unknown:?}, known are {known:?}")))
}

fn truth(value: &str) -> Result<bool, CniError> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(invalid(format!("{IGNORE_UNKNOWN}={value:?} is none of 1, true, 0, false"))),
    }
}

fn invalid(reason: String) -> CniError {
    CniError::new(Code::InvalidEnvironment, format!("reading CNI_ARGS: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row E17: what a plugin that knows `IP` says to these arguments.
    fn accepts(raw: &str) -> bool {
        CniArgs::new(raw).pairs().is_ok_and(|pairs| check_known(&pairs, &["IP"]).is_ok())
    }

    #[test]
    fn well_formed_arguments_pass() {
        for raw in [
            "",
            "IP=10.0.0.1",
            "IP=",
            "=x;IgnoreUnknown=1",
            "A=b;IgnoreUnknown=1",
            "IgnoreUnknown=TRUE;K8S_POD_NAME=x;IP=10.0.0.1",
            "A=b;IgnoreUnknown=0;IgnoreUnknown=true",
            "IgnoreUnknown=false",
        ] {
            assert!(accepts(raw), "{raw:?}");
        }
    }

    #[test]
    fn others_are_errors() {
        for raw in [
            "A=b",
            "A",
            "A=b=c",
            "IP=10.0.0.1;",
            ";IP=10.0.0.1",
            "A=b;;IgnoreUnknown=1",
            "A;IgnoreUnknown=1",
            "ip=10.0.0.1",
            "A=b;ignoreunknown=1",
            "IgnoreUnknown=yes",
            "A=b;IgnoreUnknown=0",
        ] {
            assert!(!accepts(raw), "{raw:?}");
        }
    }

    #[test]
    fn errors_name_the_variable_and_the_piece() {
        let error = CniArgs::new("A=b=c").pairs().unwrap_err();
        assert_eq!(error.code, 4);
        assert_eq!(error.details, "reading CNI_ARGS: \"A=b=c\" is not one key and one value");
        let error = check_known(&[("A", "b")], &["IP", "MAC"]).unwrap_err();
        assert_eq!(
            error.details,
            "reading CNI_ARGS: unknown keys [\"A\"], known are [\"IP\", \"MAC\"]"
        );
    }
}
