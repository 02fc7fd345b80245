//! Policy files: TOML to [`Grants`], strictly.
//!
//! Nothing is guessed, cut or passed over: what is not understood is an error that says what to write.

mod values;

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::grant::{ComponentPin, Grant, Grants, Rule};
use super::limits::{LIMITS, Limits, Unit};
use super::op::{Holds, Key, Need, OPS, OpKind};
use super::pattern::{BadPattern, Pattern};
use crate::kernel::Role;
use values::one_line;

/// A policy file that is not to be relied on, so that nothing of it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The text that is wrong.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub instead: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, text, problem, instead } = self;
        write!(f, "{file}:{line}: {text} {problem}; write {instead}")
    }
}

impl std::error::Error for PolicyError {}

/// Reads a policy; `file` is its name, for messages.
///
/// # Errors
/// Whatever is not exactly as it should be, the first such thing.
pub fn parse(text: &str, file: &str) -> Result<Grants, PolicyError> {
    Reader::new(text, file, None).read()
}

/// Reads a policy, and goes on after an error as long as what follows can be told apart.
///
/// # Errors
/// Whatever is not exactly as it should be, by line. The one that [`parse`] stops at is among them. Of
/// what is no TOML there is only the first.
pub fn check(text: &str, file: &str) -> Result<Grants, Vec<PolicyError>> {
    let reader = Reader::new(text, file, Some(RefCell::default()));
    let read = reader.read();
    let mut errors = reader.errors.map(RefCell::into_inner).unwrap_or_default();
    match read {
        Ok(grants) if errors.is_empty() => Ok(grants),
        Ok(_) => {
            errors.sort_by_key(|error| error.line);
            Err(errors)
        }
        Err(last) => {
            errors.push(last);
            errors.sort_by_key(|error| error.line);
            Err(errors)
        }
    }
}

const NETNS: &str = r#""container", "host", or "*" for both"#;

/// Keys that every grant may have, beside those of its act.
const OF_EVERY_GRANT: &[&str] = &["networks", "args"];

type Entry<'a, 'i> = (&'a str, Range<usize>, &'a Spanned<DeValue<'i>>);

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    source: Arc<Cow<'static, str>>,
    /// Where errors are kept; `None`: the first one ends it.
    errors: Option<RefCell<Vec<PolicyError>>>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, file: &'a str, errors: Option<RefCell<Vec<PolicyError>>>) -> Self {
        Self { file, text, source: Arc::new(Cow::Owned(text.to_owned())), errors }
    }

    fn read(&self) -> Result<Grants, PolicyError> {
        let document = DeTable::parse(self.text).map_err(|error| self.syntax(&error))?;
        self.document(document.get_ref())
    }

    /// What was read; of an error that does not end it, `None`.
    fn keep<T>(&self, read: Result<T, PolicyError>) -> Result<Option<T>, PolicyError> {
        match (read, &self.errors) {
            (Ok(read), _) => Ok(Some(read)),
            (Err(error), None) => Err(error),
            (Err(error), Some(errors)) => {
                errors.borrow_mut().push(error);
                Ok(None)
            }
        }
    }

    /// How many errors there are so far that did not end it.
    fn kept(&self) -> usize {
        self.errors.as_ref().map_or(0, |errors| errors.borrow().len())
    }

    fn document(&self, table: &DeTable<'_>) -> Result<Grants, PolicyError> {
        let mut component = None;
        let mut limits = Limits::default();
        let mut grants = Vec::new();
        for (key, span, value) in entries(table) {
            let read = match key {
                "component" => self.component(value).map(|pin| component = Some(pin)),
                "limits" => self.limits(value, &mut limits),
                "grant" => self.grants(value, &mut grants),
                _ => Err(self.unknown(key, &span, "component, [limits] or [[grant]]")),
            };
            self.keep(read)?;
        }
        let component = match component {
            Some(component) => component,
            None if table.contains_key("component") => ComponentPin::Bundled,
            None => return Err(self.no_component()),
        };
        Ok(Grants { file: self.file.to_owned(), component, limits, grants })
    }

    fn no_component(&self) -> PolicyError {
        PolicyError {
            file: self.file.to_owned(),
            line: 1,
            text: "the file".to_owned(),
            problem: "does not say which component it is for".to_owned(),
            instead: r#"component = "sha256:…" with the digest of the component file"#.to_owned(),
        }
    }

    fn component(&self, value: &Spanned<DeValue<'_>>) -> Result<ComponentPin, PolicyError> {
        let text = self.string("component", value, "a text in quotes")?;
        if text == "bundled" {
            return Ok(ComponentPin::Bundled);
        }
        let digest = text.strip_prefix("sha256:").and_then(|hex| digest(hex.as_bytes()));
        digest.map(ComponentPin::Sha256).ok_or_else(|| {
            let bad = BadPattern {
                problem: "is no digest".to_owned(),
                instead:
                    r#""sha256:" and the 64 lower-case hexadecimal digits that sha256sum prints"#
                        .to_owned(),
            };
            self.bad("component", value, bad)
        })
    }

    fn limits(&self, value: &Spanned<DeValue<'_>>, limits: &mut Limits) -> Result<(), PolicyError> {
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.wrong_type("limits", value, "a table, [limits]"));
        };
        for entry in entries(table) {
            self.keep(self.limit(entry, limits))?;
        }
        Ok(())
    }

    fn limit(
        &self,
        (key, span, value): Entry<'_, '_>,
        limits: &mut Limits,
    ) -> Result<(), PolicyError> {
        let Some(limit) = LIMITS.iter().find(|limit| limit.key == key) else {
            let known: Vec<&str> = LIMITS.iter().map(|limit| limit.key).collect();
            return Err(self.unknown(key, &span, &one_of(&known)));
        };
        let read = match (limit.unit, value.get_ref()) {
            (Unit::Bytes | Unit::Time, DeValue::String(text)) => limit.read(text, limits),
            (Unit::Count, DeValue::Integer(number)) => {
                let number = u64::from_str_radix(number.as_str(), number.radix());
                limit.set(number.unwrap_or(u64::MAX), limits)
            }
            _ => return Err(self.wrong_type(key, value, limit.unit.example())),
        };
        read.map_err(|bad| self.bad(key, value, bad))
    }

    fn grants(
        &self,
        value: &Spanned<DeValue<'_>>,
        grants: &mut Vec<Grant>,
    ) -> Result<(), PolicyError> {
        const WANT: &str = "a table for each grant, [[grant]]";
        let DeValue::Array(tables) = value.get_ref() else {
            return Err(self.wrong_type("grant", value, WANT));
        };
        grants.reserve(tables.len());
        for value in tables {
            let DeValue::Table(table) = value.get_ref() else {
                self.keep::<()>(Err(self.wrong_type("grant", value, WANT)))?;
                continue;
            };
            let before = self.kept();
            let Some(grant) = self.keep(self.grant(&value.span(), table))? else { continue };
            if self.kept() > before {
                continue;
            }
            if let Some(first) = grants.iter().find(|other| grant.repeats(other)) {
                let problem = format!("repeats the grant of line {}", first.line);
                self.keep::<()>(Err(self.grant_error(&value.span(), problem, "it once")))?;
            }
            grants.push(grant);
        }
        Ok(())
    }

    fn grant(&self, header: &Range<usize>, table: &DeTable<'_>) -> Result<Grant, PolicyError> {
        let kind = self.op(header, table)?;
        let mut end = header.end;
        for (name, span, value) in entries(table) {
            end = end.max(value.span().end);
            let known = name == "op"
                || OF_EVERY_GRANT.contains(&name)
                || name == "netns" && kind.in_netns
                || kind.key(name).is_some();
            if !known {
                self.keep::<()>(Err(self.unknown(name, &span, &keys_of(kind))))?;
            }
        }
        let netns = match table.get("netns").filter(|_| kind.in_netns) {
            Some(value) => self.keep(self.netns(value))?,
            None if kind.in_netns => {
                let problem = format!("of {} leaves out \"netns\"", kind.name);
                let instead = format!("netns = {NETNS}");
                self.keep(Err(self.grant_error(header, problem, &instead)))?
            }
            None => Some(None),
        };
        let in_container = netns.map(|netns| netns == Some(Role::Container));
        let mut rules = Vec::with_capacity(kind.keys.len());
        for key in kind.keys {
            if let Some(value) = table.get(key.name)
                && let Some(pattern) = self.keep(self.pattern(key, in_container, value))?.flatten()
            {
                rules.push(Rule { key: key.name, pattern, span: value.span() });
            }
        }
        let networks = table.get("networks").map(|value| self.keep(self.networks(value)));
        let args = table.get("args").map(|value| self.keep(self.args(value)));
        let args = args.transpose()?.flatten().unwrap_or_default();
        // The span of a table that is written as `args.KEY = …` is that of its name.
        let end = args.iter().map(|arg| arg.span.end).fold(end, usize::max);
        let grant = Grant {
            kind,
            netns: netns.flatten(),
            rules,
            networks: networks.transpose()?.flatten(),
            args,
            line: self.line(header.start),
            source: Arc::clone(&self.source),
            span: header.start..end,
        };
        self.check_needs(header, table, &grant)?;
        Ok(grant)
    }

    fn op(
        &self,
        header: &Range<usize>,
        table: &DeTable<'_>,
    ) -> Result<&'static OpKind, PolicyError> {
        let Some(value) = table.get("op") else {
            let instead = r#"op = "link.create", or another act"#;
            return Err(self.grant_error(
                header,
                "does not say what it allows".to_owned(),
                instead,
            ));
        };
        let name = self.string("op", value, "the name of an act in quotes")?;
        OpKind::find(name).ok_or_else(|| {
            let family = name.split('.').next().unwrap_or_default();
            let all = || OPS.iter().map(|op| op.name);
            let near: Vec<&str> = all().filter(|op| op.split('.').next() == Some(family)).collect();
            let known = if near.is_empty() { all().collect() } else { near };
            let problem = "is no act that can be granted".to_owned();
            self.bad("op", value, BadPattern { problem, instead: one_of(&known) })
        })
    }

    /// Refuses a grant that leaves out what it has to say, or says what could never matter.
    fn check_needs(
        &self,
        header: &Range<usize>,
        table: &DeTable<'_>,
        grant: &Grant,
    ) -> Result<(), PolicyError> {
        let meant = kinds_meant(grant);
        let of = |kinds: &[&str]| meant.iter().filter(|kind| kinds.contains(kind)).count();
        for key in grant.kind.keys {
            let rule = grant.rules.iter().find(|rule| rule.key == key.name);
            let (needed, kinds) = match key.need {
                Need::Always => (true, None),
                Need::Else(_) | Need::IfAsked([]) => (false, None),
                Need::IfAsked(kinds) => (false, Some(kinds)),
                Need::OfKinds(kinds) => {
                    (!meant.is_empty() && of(kinds) == meant.len(), Some(kinds))
                }
            };
            // Where the kinds themselves are wrong, it is not known what could matter.
            if let (Some(rule), Some(kinds)) = (rule, kinds)
                && of(kinds) == 0
                && !meant.is_empty()
            {
                let text = format!("{} = {}", key.name, one_line(self.at(&rule.span)));
                let problem = format!("could never matter: no {} has one", meant.join(" or "));
                let instead = format!("it in a grant for {}", one_of(kinds));
                self.keep::<()>(Err(self.error(rule.span.start, text, problem, instead)))?;
            }
            if needed && !table.contains_key(key.name) {
                let problem = format!("of {} leaves out \"{}\"", grant.kind.name, key.name);
                let any = key.holds.any();
                let instead = format!("{0} = …, or {0} = \"{any}\" if any is meant", key.name);
                self.keep::<()>(Err(self.grant_error(header, problem, &instead)))?;
            }
        }
        Ok(())
    }
}

fn entries<'a, 'i>(table: &'a DeTable<'i>) -> impl Iterator<Item = Entry<'a, 'i>> {
    table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
}

/// The kinds of links that the grant's `kind` means.
fn kinds_meant(grant: &Grant) -> Vec<&'static str> {
    let Some(Key { holds: Holds::Word(words), .. }) = grant.kind.key("kind") else {
        return Vec::new();
    };
    let Some(Pattern::Text(any)) =
        grant.rules.iter().find(|rule| rule.key == "kind").map(|rule| &rule.pattern)
    else {
        return Vec::new();
    };
    words.iter().copied().filter(|word| any.iter().any(|pattern| pattern.means(word))).collect()
}

fn keys_of(kind: &OpKind) -> String {
    let netns = kind.in_netns.then_some("netns");
    let keys = kind.keys.iter().map(|key| key.name);
    let all: Vec<&str> =
        ["op"].into_iter().chain(netns).chain(keys).chain(OF_EVERY_GRANT.iter().copied()).collect();
    one_of(&all)
}

fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [all @ .., last] => format!("{} or {last}", all.join(", ")),
    }
}

fn digest(hex: &[u8]) -> Option<[u8; 32]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = hex.as_chunks::<2>() else { return None };
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok()
}
