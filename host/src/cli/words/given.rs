//! Plugins of others on the command line.

use std::path::PathBuf;

/// `NAME=FILE.wasm`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct GivenPlugin {
    /// Its CNI type.
    pub(in super::super) name: String,
    /// The component.
    pub(in super::super) file: PathBuf,
}

/// As [`GivenPlugin`] is typed.
pub(super) const GIVEN_PLUGIN: &str = "NAME=FILE.wasm";

/// Reads one.
pub(super) fn given_plugin(text: &str) -> Result<GivenPlugin, String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok(GivenPlugin { name: name.to_owned(), file: file.into() })
        }
        Some(_) | None => Err(format!("write {GIVEN_PLUGIN}: a CNI type, and its component")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_has_a_name_and_a_file() {
        let given = given_plugin("acme=a=b.wasm").unwrap();
        assert_eq!((given.name.as_str(), given.file), ("acme", "a=b.wasm".into()));
        for text in ["", "acme", "=x", "acme="] {
            assert!(given_plugin(text).unwrap_err().contains("NAME=FILE.wasm"), "{text}");
        }
    }
}
