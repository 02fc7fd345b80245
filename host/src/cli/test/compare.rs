//! What was expected against what was seen, as lines that say the difference.

use serde_json::Value;

/// Whether a text is meant by a pattern: `*` stands for any characters, the rest for itself.
pub(super) fn means(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// Where lines are not those that the patterns mean, one and all: `missing` patterns that mean no line,
/// lines `not expected`.
pub(super) fn lines(patterns: &[String], seen: &[String]) -> Vec<String> {
    let unmet = patterns.iter().filter(|pattern| !seen.iter().any(|line| means(pattern, line)));
    let unmet = unmet.map(|pattern| format!("missing:      {pattern}"));
    let more = seen.iter().filter(|line| !patterns.iter().any(|pattern| means(pattern, line)));
    unmet.chain(more.map(|line| format!("not expected: {line}"))).collect()
}

/// Where a document is not what is expected of it. Objects may hold more keys; texts may be patterns.
pub(super) fn document(at: &str, expected: &Value, seen: &Value) -> Vec<String> {
    match (expected, seen) {
        (Value::Object(expected), Value::Object(seen)) => {
            let each = expected.iter().flat_map(|(key, value)| {
                let at = format!("{at}.{key}");
                match seen.get(key) {
                    Some(seen) => document(&at, value, seen),
                    None => vec![format!("{at}: expected {value}, and there is none")],
                }
            });
            each.collect()
        }
        (Value::Array(expected), Value::Array(seen)) if expected.len() == seen.len() => {
            let pairs = expected.iter().zip(seen).enumerate();
            pairs.flat_map(|(i, (e, s))| document(&format!("{at}[{i}]"), e, s)).collect()
        }
        (Value::String(pattern), Value::String(text)) if means(pattern, text) => Vec::new(),
        (expected, seen) if expected == seen => Vec::new(),
        (expected, seen) => vec![format!("{at}: expected {expected}, was {seen}")],
    }
}

/// How one text became another, line by line: ` ` in both, `-` in the first, `+` in the second. Equal lines
/// far from others are left out.
pub(in super::super) fn texts(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.lines().collect(), after.lines().collect());
    let mut marked = Vec::new();
    let (mut i, mut j) = (0, 0);
    let common = longest_common(&before, &after);
    let length =
        |i: usize, j: usize| common.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0);
    loop {
        match (before.get(i), after.get(j)) {
            (None, None) => break,
            (Some(one), Some(other)) if one == other => {
                marked.push((' ', *one));
                (i, j) = (i + 1, j + 1);
            }
            (Some(one), other) if other.is_none() || length(i + 1, j) >= length(i, j + 1) => {
                marked.push(('-', *one));
                i += 1;
            }
            (_, Some(other)) => {
                marked.push(('+', *other));
                j += 1;
            }
            (Some(_), None) => break,
        }
    }
    around_changes(&marked)
}

/// Lines that are shown on either side of one that changed.
const AROUND: usize = 2;

fn around_changes(marked: &[(char, &str)]) -> Vec<String> {
    let changed = |at: usize| marked.get(at).is_some_and(|(sign, _)| *sign != ' ');
    let near = |at: usize| (at.saturating_sub(AROUND)..=at + AROUND).any(changed);
    let shown = marked.iter().enumerate().filter(|(at, _)| near(*at));
    shown.map(|(_, (sign, line))| format!("{sign} {line}")).collect()
}

/// At `[i][j]`: how many lines the longest common sequence of the texts from there on has.
fn longest_common(before: &[&str], after: &[&str]) -> Vec<Vec<usize>> {
    let mut rows = vec![vec![0; after.len() + 1]];
    for one in before.iter().rev() {
        let below = rows.last().cloned().unwrap_or_default();
        let mut row = vec![0; after.len() + 1];
        for (j, other) in after.iter().enumerate().rev() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(0);
            let best = if one == other {
                at(&below, j + 1) + 1
            } else {
                at(&below, j).max(at(&row, j + 1))
            };
            if let Some(cell) = row.get_mut(j) {
                *cell = best;
            }
        }
        rows.push(row);
    }
    rows.reverse();
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "abc"),
            ("a*c", "abc"),
            ("a*c", "ac"),
            ("*b*", "abc"),
            ("a*b*c", "axbxbc"),
        ] {
            assert!(means(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", "ab"), ("a*", "b"), ("*a", "ab"), ("a*b*c", "acb")]
        {
            assert!(!means(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn lines_are_those_expected_one_and_all() {
        let of = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert_eq!(lines(&of(&["a *", "b"]), &of(&["a 1", "a 2", "b"])), [""; 0]);
        let expected = ["missing:      c", "not expected: b"];
        assert_eq!(lines(&of(&["a *", "c"]), &of(&["a 1", "b"])), expected);
    }

    #[test]
    fn a_document_may_hold_more() {
        let seen =
            json!({ "ips": [{ "address": "10.0.0.2/24", "gateway": "10.0.0.1" }], "dns": {} });
        assert_eq!(
            document("result", &json!({ "ips": [{ "address": "10.0.0.*" }] }), &seen),
            [""; 0]
        );
        let expected = [
            "result.ips[0].address: expected \"10.0.1.*\", was \"10.0.0.2/24\"",
            "result.routes: expected [], and there is none",
        ];
        let asked = json!({ "ips": [{ "address": "10.0.1.*" }], "routes": [] });
        assert_eq!(document("result", &asked, &seen), expected);
        let asked = json!({ "ips": [] });
        assert_eq!(document("result", &asked, &seen).len(), 1);
    }

    #[test]
    fn texts_differ_by_lines() {
        let difference = texts("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\nx\nf\n");
        assert_eq!(difference, ["  c", "  d", "- e", "+ x", "  f"]);
        assert_eq!(texts("a\n", "a\n"), [""; 0]);
        assert_eq!(texts("", "a\n"), ["+ a"]);
    }
}
