//! The values of a policy file, and what is said of wrong ones.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::super::grant::Rule;
use super::super::op::{Holds, Key};
use super::super::pattern::{BadPattern, NetPattern, NumberPattern, Pattern, TextPattern};
use super::{NETNS, PolicyError, Reader};
use crate::kernel::Role;

impl Reader<'_> {
    /// `None`: either.
    pub(super) fn netns(&self, value: &Spanned<DeValue<'_>>) -> Result<Option<Role>, PolicyError> {
        match self.string("netns", value, NETNS)? {
            "container" => Ok(Some(Role::Container)),
            "host" => Ok(Some(Role::Host)),
            "*" => Ok(None),
            _ => {
                let problem = "is no netns of a call".to_owned();
                let bad = BadPattern { problem, instead: NETNS.to_owned() };
                Err(self.bad("netns", value, bad))
            }
        }
    }

    pub(super) fn networks(&self, value: &Spanned<DeValue<'_>>) -> Result<Rule, PolicyError> {
        let mut all = Vec::new();
        for item in self.items("networks", value)? {
            let text = self.string("networks", item, r#"names as ["backend", "db-*"]"#)?;
            all.push(TextPattern::network(text).map_err(|bad| self.bad("networks", item, bad))?);
        }
        self.no_repeats("networks", value, &all)?;
        Ok(Rule { key: "networks", pattern: Pattern::Text(all), span: value.span() })
    }

    pub(super) fn pattern(
        &self,
        key: &Key,
        in_container: bool,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Pattern, PolicyError> {
        let bad = |item| move |bad| self.bad(key.name, item, bad);
        let items = self.items(key.name, value)?;
        match key.holds {
            Holds::Net | Holds::Destination => {
                let want = r#"prefixes as ["10.22.0.0/16"]"#;
                let destination = key.holds == Holds::Destination;
                let mut all = Vec::with_capacity(items.len());
                for item in items {
                    let text = self.string(key.name, item, want)?;
                    all.push(NetPattern::parse(text, destination).map_err(bad(item))?);
                }
                self.no_repeats(key.name, value, &all)?;
                Ok(Pattern::Net(all))
            }
            Holds::Number(low, high) => {
                let want = r#"a number, a range as "100-199" or "any""#;
                let mut all = Vec::with_capacity(items.len());
                for item in items {
                    let read = match item.get_ref() {
                        DeValue::Integer(number) => {
                            let number = u32::from_str_radix(number.as_str(), number.radix());
                            number.map_or_else(
                                |_| NumberPattern::parse(self.at(&item.span()), (low, high)),
                                |number| NumberPattern::one(number, (low, high)),
                            )
                        }
                        DeValue::String(text) => NumberPattern::parse(text, (low, high)),
                        DeValue::Float(_)
                        | DeValue::Boolean(_)
                        | DeValue::Datetime(_)
                        | DeValue::Array(_)
                        | DeValue::Table(_) => {
                            return Err(self.wrong_type(key.name, item, want));
                        }
                    };
                    all.push(read.map_err(bad(item))?);
                }
                self.no_repeats(key.name, value, &all)?;
                Ok(Pattern::Number(all))
            }
            Holds::Link
            | Holds::Plugin
            | Holds::Word(_)
            | Holds::SysctlKey
            | Holds::Text
            | Holds::Path => {
                let mut all = Vec::with_capacity(items.len());
                for item in items {
                    let text = self.string(key.name, item, "a text in quotes")?;
                    all.push(TextPattern::parse(text, key.holds, in_container).map_err(bad(item))?);
                }
                self.no_repeats(key.name, value, &all)?;
                Ok(Pattern::Text(all))
            }
        }
    }

    /// A value, or the values of a list that is not empty.
    pub(super) fn items<'v, 'i>(
        &self,
        name: &str,
        value: &'v Spanned<DeValue<'i>>,
    ) -> Result<Vec<&'v Spanned<DeValue<'i>>>, PolicyError> {
        let DeValue::Array(array) = value.get_ref() else { return Ok(vec![value]) };
        if array.is_empty() {
            let problem = "is an empty list".to_owned();
            let instead = "the values that are meant, or no grant".to_owned();
            return Err(self.bad(name, value, BadPattern { problem, instead }));
        }
        Ok(array.iter().collect())
    }

    pub(super) fn no_repeats<T: PartialEq>(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        all: &[T],
    ) -> Result<(), PolicyError> {
        let repeated = |(i, item)| all.iter().take(i).any(|other| other == item);
        if all.iter().enumerate().any(repeated) {
            let problem = "says one thing twice".to_owned();
            let bad = BadPattern { problem, instead: "it once".to_owned() };
            return Err(self.bad(name, value, bad));
        }
        Ok(())
    }

    pub(super) fn string<'v>(
        &self,
        name: &str,
        value: &'v Spanned<DeValue<'_>>,
        want: &str,
    ) -> Result<&'v str, PolicyError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => Err(self.wrong_type(name, value, want)),
        }
    }
}

/// Errors.
impl Reader<'_> {
    pub(super) fn error(
        &self,
        at: usize,
        text: String,
        problem: impl Into<String>,
        instead: impl Into<String>,
    ) -> PolicyError {
        PolicyError {
            file: self.file.to_owned(),
            line: self.line(at),
            text,
            problem: problem.into(),
            instead: instead.into(),
        }
    }

    pub(super) fn syntax(&self, error: &toml::de::Error) -> PolicyError {
        let at = error.span().map_or(0, |span| span.start);
        let line = self.text.get(..at).map_or(at, |before| before.rfind('\n').map_or(0, |n| n + 1));
        let text = self.text.get(line..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let problem = format!("is no TOML: {}", error.message());
        self.error(at, one_line(text), problem, "[limits], [[grant]] or key = \"value\"")
    }

    pub(super) fn unknown(&self, name: &str, key: &Range<usize>, known: &str) -> PolicyError {
        self.error(key.start, format!("{name:?}"), "is no key here", known)
    }

    pub(super) fn wrong_type(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        want: &str,
    ) -> PolicyError {
        let kind = value.get_ref().type_str();
        self.error(value.span().start, name.to_owned(), format!("has a value of type {kind}"), want)
    }

    pub(super) fn bad(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        bad: BadPattern,
    ) -> PolicyError {
        let text = format!("{name} = {}", one_line(self.at(&value.span())));
        self.error(value.span().start, text, bad.problem, bad.instead)
    }

    pub(super) fn grant_error(
        &self,
        header: &Range<usize>,
        problem: String,
        instead: &str,
    ) -> PolicyError {
        self.error(header.start, "grant".to_owned(), problem, instead)
    }

    pub(super) fn at(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// The line of an octet, from 1.
    pub(super) fn line(&self, at: usize) -> u32 {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let lines = before.iter().filter(|b| **b == b'\n').count();
        u32::try_from(lines).unwrap_or(u32::MAX - 1) + 1
    }
}

/// A text of the file for a message: on one line, without control characters, not too long.
pub(super) fn one_line(text: &str) -> String {
    const MOST: usize = 120;
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ").replace(char::is_control, "\u{fffd}");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
