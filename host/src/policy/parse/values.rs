//! The values of a policy file, and what is said of wrong ones.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::super::grant::{ArgRule, Rule};
use super::super::op::{Holds, Key};
use super::super::pattern::{BadPattern, NetPattern, NumberPattern, Pattern, TextPattern};
use super::{NETNS, PolicyError, Reader, entries};
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
            let read = TextPattern::network(text).map_err(|bad| self.bad("networks", item, bad));
            all.extend(self.keep(read)?);
        }
        self.no_repeats("networks", value, &all)?;
        Ok(Rule { key: "networks", pattern: Pattern::Text(all), span: value.span() })
    }

    /// What CNI_ARGS has to say, by key: all of it.
    pub(super) fn args(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<ArgRule>, PolicyError> {
        const WANT: &str = r#"args.K8S_POD_NAMESPACE = "team-a", or another key of CNI_ARGS"#;
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.wrong_type("args", value, WANT));
        };
        if table.is_empty() {
            let bad = BadPattern { problem: "says nothing".to_owned(), instead: WANT.to_owned() };
            return Err(self.bad("args", value, bad));
        }
        let mut all = Vec::with_capacity(table.len());
        for (name, span, value) in entries(table) {
            let shown = format!("args.{name}");
            let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/');
            if name.is_empty() || !name.bytes().all(word) {
                let text = format!("args.{name:?}");
                let problem = "is no key of CNI_ARGS";
                self.keep::<()>(Err(self.error(span.start, text, problem, WANT)))?;
                continue;
            }
            if name == "IgnoreUnknown" {
                let problem = "says nothing of the call: it is for plugins that know no other key";
                self.keep::<()>(Err(self.error(span.start, shown, problem, WANT)))?;
                continue;
            }
            let mut any = Vec::new();
            for item in self.items(&shown, value)? {
                let text = self.string(&shown, item, r#"a text in quotes, as "team-a""#)?;
                let read = TextPattern::arg(text).map_err(|bad| self.bad(&shown, item, bad));
                any.extend(self.keep(read)?);
            }
            self.no_repeats(&shown, value, &any)?;
            let name = Cow::Owned(name.to_owned());
            all.push(ArgRule { name, any, span: value.span() });
        }
        Ok(all)
    }

    /// `None`: an error that was kept.
    pub(super) fn pattern(
        &self,
        key: &Key,
        in_container: Option<bool>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Option<Pattern>, PolicyError> {
        let bad = |item| move |bad| self.bad(key.name, item, bad);
        let of_key = self.items(key.name, value)?;
        let items = of_key.len();
        match key.holds {
            Holds::Net | Holds::Destination => {
                let want = r#"prefixes as ["10.22.0.0/16"]"#;
                let destination = key.holds == Holds::Destination;
                let mut all = Vec::with_capacity(items);
                for item in of_key {
                    let text = self.string(key.name, item, want)?;
                    all.extend(self.keep(NetPattern::parse(text, destination).map_err(bad(item)))?);
                }
                self.no_repeats(key.name, value, &all)?;
                Ok((all.len() == items).then_some(Pattern::Net(all)))
            }
            Holds::Number(low, high) => {
                let want = r#"a number, a range as "100-199" or "any""#;
                let mut all = Vec::with_capacity(items);
                for item in of_key {
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
                    all.extend(self.keep(read.map_err(bad(item)))?);
                }
                self.no_repeats(key.name, value, &all)?;
                Ok((all.len() == items).then_some(Pattern::Number(all)))
            }
            Holds::Link
            | Holds::Plugin
            | Holds::Word(_)
            | Holds::SysctlKey
            | Holds::Mac
            | Holds::Text
            | Holds::Path => {
                let mut all = Vec::with_capacity(items);
                for item in of_key {
                    let text = self.string(key.name, item, "a text in quotes")?;
                    let read = TextPattern::parse(text, key.holds, in_container);
                    all.extend(self.keep(read.map_err(bad(item)))?);
                }
                self.no_repeats(key.name, value, &all)?;
                Ok((all.len() == items).then_some(Pattern::Text(all)))
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
