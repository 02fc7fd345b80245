//! `docs/grants.md` against what there is: its tables and examples cannot rot.

use std::fs;

use wasmcni::policy::{Key, Need, OPS, OpKind, check, parse};

use super::repository;

fn page() -> String {
    fs::read_to_string(repository().join("docs/grants.md")).unwrap()
}

/// The rows of the section's first table, by their cells.
fn rows(section: &str) -> Vec<Vec<String>> {
    let page = page();
    let (_, rest) = page.split_once(&format!("\n## {section}\n")).expect("a section");
    let rows = rest.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = |row: &str| {
        let inner = row.trim_matches('|').split('|');
        inner.map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

/// A key as the page has it.
fn written(key: &Key) -> String {
    let name = format!("`{}`", key.name);
    match key.need {
        Need::Always => name,
        Need::Else(number) => format!("{name} = {number}"),
        Need::OfKinds(kinds) => format!("{name} ({})", kinds.join(", ")),
        Need::IfAsked([]) => format!("[{name}]"),
        Need::IfAsked(kinds) => format!("[{name}] ({})", kinds.join(", ")),
    }
}

fn keys(kind: &OpKind) -> String {
    let all: Vec<String> = kind.keys.iter().map(written).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

#[test]
fn every_act_stands_there_with_its_keys() {
    let expected: Vec<[String; 3]> = OPS
        .iter()
        .map(|kind| {
            let place = if kind.in_netns { "`netns`" } else { "no netns" };
            [format!("`{}`", kind.name), place.to_owned(), keys(kind)]
        })
        .collect();
    let rows = rows("Operations");
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row[..3], expected[..]);
        assert!(row[3].len() > 3, "{row:?} says nothing");
    }
    assert_eq!(rows.len(), expected.len());
}

#[test]
fn every_limit_stands_there_with_its_bounds() {
    let rows = rows("Limits");
    let read = |key: &str, value: &str| {
        parse(&format!("component = \"bundled\"\nlimits.{key} = {value}\n"), "policy.toml")
    };
    let known = read("x", "1").unwrap_err().instead.replace(" or ", ", ");
    let known: Vec<String> = known.split(", ").map(|key| format!("`{key}`")).collect();
    assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), known);
    let nothing = parse("component = \"bundled\"\n", "policy.toml").unwrap();
    for row in rows {
        let key = row[0].trim_matches('`');
        let value = |text: &str| text.trim_matches('`').to_owned();
        assert_eq!(read(key, &value(&row[1])).unwrap().limits(), nothing.limits(), "{row:?}");
        let (low, high) = row[2].split_once(" to ").unwrap();
        let (low, high) = (value(low), value(high));
        assert!(read(key, &low).is_ok() && read(key, &high).is_ok(), "{row:?}");
        let beyond = read(key, &larger(&high)).unwrap_err();
        let quoted = |text: &str| text.trim_matches('"').to_owned();
        assert_eq!(quoted(&beyond.instead), quoted(&format!("{low} to {high}")), "{row:?}");
    }
}

/// One more of the same unit.
fn larger(value: &str) -> String {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let more = (digits.parse::<u64>().unwrap() + 1).to_string();
    value.replace(&digits, &more)
}

#[test]
fn its_examples_are_good() {
    let page = page();
    let mut examples = 0;
    for block in page.split("```toml\n").skip(1) {
        let (text, _) = block.split_once("```").unwrap();
        let text = match text.contains("component") {
            true => text.to_owned(),
            false => format!("component = \"bundled\"\n{text}"),
        };
        let checked = check(&text, "policy.toml");
        assert!(checked.is_ok(), "{checked:?}\n{text}");
        examples += 1;
    }
    assert!(examples >= 3);
}
