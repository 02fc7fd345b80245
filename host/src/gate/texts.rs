//! The texts of a network configuration.

use go_json::Node;

/// Keys of a configuration that say nothing of what a plugin acts on.
const NOT_MEANT: [&str; 5] = ["cniVersion", "name", "type", "prevResult", "runtimeConfig"];
/// How deep a configuration is looked into.
const MAX_DEPTH: usize = 8;

/// The text at `a.b.0` of a configuration, keys matched as Go's JSON does; in an array, the entry of that
/// number, from 0.
pub(super) fn text(configuration: &Node, path: &str) -> Option<String> {
    let mut node = configuration;
    for key in path.split('.') {
        node = match node.as_array() {
            Some(entries) => entries.get(key.parse::<usize>().ok()?)?,
            None => node.get(key)?,
        };
    }
    node.as_str().map(str::to_owned)
}

/// The texts of a configuration, each with its path: `ipam.type`, `ranges.0.subnet`.
pub(super) fn texts(configuration: &Node) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(configuration, String::new(), MAX_DEPTH, &mut found);
    found
}

fn walk(node: &Node, path: String, depth: usize, found: &mut Vec<(String, String)>) {
    if let Some(text) = node.as_str() {
        found.push((path, text.to_owned()));
        return;
    }
    if depth == 0 {
        return;
    }
    let below = |key: &str| match path.is_empty() {
        true => key.to_owned(),
        false => format!("{path}.{key}"),
    };
    for (number, item) in node.as_array().into_iter().flatten().enumerate() {
        walk(item, below(&number.to_string()), depth - 1, found);
    }
    for (key, value) in node.as_object().into_iter().flatten() {
        let top = path.is_empty() && NOT_MEANT.iter().any(|name| name.eq_ignore_ascii_case(key));
        if !top && !key.contains('.') {
            walk(value, below(key), depth - 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_paths() {
        let text = r#"{ "name": "n", "type": "x", "bridge": "cni0", "mtu": 1, "a.b": "c",
            "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.0.0.0/24" }]] } }"#;
        let expected = [
            ("bridge", "cni0"),
            ("ipam.type", "host-local"),
            ("ipam.ranges.0.0.subnet", "10.0.0.0/24"),
        ];
        let expected = expected.map(|(path, text)| (path.to_owned(), text.to_owned()));
        assert_eq!(texts(&Node::parse(text).unwrap()), expected);
    }
}
