//! A test file: TOML, read strictly. docs/testing.md is its reference.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use go_json::Node;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::super::given;
use super::super::trial::{Attachment, GivenGrants, Mishap, Network, NodeFile};
use super::narrowed;
use crate::cni::Verb;
use crate::component;
use crate::kernel::Errno;
use crate::kernel::faults::{At, OPERATIONS};
use crate::policy::{self, OpKind};

/// Highest number of an error of the kernel.
const MAX_ERRNO: i32 = 133;

/// A test, ready to run.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) about: String,
    pub(super) network: Network,
    pub(super) start: NodeFile,
    pub(super) grants: Vec<GivenGrants>,
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) golden: Option<String>,
    pub(super) steps: Vec<Step>,
}

/// One step of it.
#[derive(Debug)]
pub(super) struct Step {
    /// Where it begins in the file.
    pub(super) line: usize,
    pub(super) act: Act,
    pub(super) attachment: Attachment,
    pub(super) prev_result: bool,
    pub(super) faults: Vec<(Option<String>, Mishap)>,
    pub(super) expect: Expect,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// The runtime calls the plugins.
    Call(Verb),
    /// The container's netns goes, with what is in it.
    LoseNetns,
}

/// What is to come of a step; what is not said may be anything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Expect {
    pub(super) result: Option<Value>,
    pub(super) error: Option<ExpectedError>,
    pub(super) allowed: Vec<String>,
    pub(super) refused: Option<Vec<String>>,
    pub(super) not_asked: Vec<String>,
    pub(super) changes: Option<Vec<String>>,
    pub(super) log: Vec<String>,
}

/// A CNI error that is expected.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ExpectedError {
    pub(super) code: Option<u32>,
    pub(super) contains: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    about: String,
    network: Spanned<Value>,
    kernel: Option<Spanned<Value>>,
    #[serde(default)]
    grants: BTreeMap<String, Spanned<Value>>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    call: CallKeys,
    golden: Option<String>,
    #[serde(default)]
    step: Vec<Spanned<StepKeys>>,
}

#[derive(Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CallKeys {
    container: Option<String>,
    netns: Option<String>,
    ifname: Option<String>,
    args: Option<String>,
    capabilities: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct StepKeys {
    verb: Spanned<String>,
    #[serde(default)]
    call: CallKeys,
    #[serde(default = "yes")]
    prev_result: bool,
    #[serde(default)]
    fault: Vec<FaultKeys>,
    expect: Option<Spanned<Expect>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultKeys {
    at: Spanned<String>,
    #[serde(default = "one")]
    nth: usize,
    errno: Spanned<String>,
    #[serde(default)]
    lost: bool,
    plugin: Option<String>,
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

/// Reads a test file. The error is a sentence that begins with `FILE:LINE: `.
pub(super) fn read(path: &Path) -> Result<Test, String> {
    let text = given::text(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let dir = path.parent().unwrap_or(Path::new(""));
    Reader { path, dir, text: &text }.test()
}

struct Reader<'a> {
    path: &'a Path,
    dir: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or(self.text);
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    fn bad<T>(&self, span: &Range<usize>, why: impl std::fmt::Display) -> Result<T, String> {
        Err(format!("{}:{}: {why}", self.path.display(), self.line(span.start)))
    }

    fn test(&self) -> Result<Test, String> {
        let document: Document = match toml::from_str(self.text) {
            Ok(document) => document,
            Err(error) => {
                let message = error.message().replace('\n', "; ");
                return self.bad(&error.span().unwrap_or_default(), message);
            }
        };
        if document.step.is_empty() {
            return self.bad(&(0..0), "it has no step; write [[step]] with a verb");
        }
        let network = self.network(&document.network)?;
        let start = document.kernel.as_ref().map_or(Ok(NodeFile::default()), |k| self.kernel(k))?;
        let mut grants = Vec::new();
        for (plugin, value) in &document.grants {
            grants.push(self.grants(plugin, value)?);
        }
        let mut steps = Vec::new();
        for step in &document.step {
            steps.push(self.step(step, &document.call)?);
        }
        let files = document.files.into_iter().map(|(name, text)| (name, text.into_bytes()));
        Ok(Test {
            about: document.about,
            network,
            start,
            grants,
            files: files.collect(),
            golden: document.golden,
            steps,
        })
    }

    fn network(&self, value: &Spanned<Value>) -> Result<Network, String> {
        match value.get_ref() {
            Value::String(file) => {
                let read = Network::read(&self.dir.join(file));
                read.or_else(|e| self.bad(&value.span(), e))
            }
            Value::Object(_) => {
                let read = Network::parse(&value.get_ref().to_string());
                read.or_else(|e| self.bad(&value.span(), format_args!("network: {e}")))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => self.bad(
                &value.span(),
                "network is neither a file nor a configuration; write network = \"FILE\" or [network]",
            ),
        }
    }

    fn kernel(&self, value: &Spanned<Value>) -> Result<NodeFile, String> {
        let read = match value.get_ref() {
            Value::String(file) => NodeFile::read(&self.dir.join(file)).map_err(|e| e.to_string()),
            Value::Object(object) => {
                // Here the version may be left out: it is this program's.
                let mut document = Map::from_iter([("wasmcni-node".to_owned(), json!(1))]);
                document.extend(object.clone());
                NodeFile::from_json(&Value::Object(document)).map_err(|e| format!("kernel/{e}"))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err("kernel is neither a file nor a node; write kernel = \"FILE\" or [kernel]"
                    .into())
            }
        };
        read.or_else(|e| self.bad(&value.span(), e))
    }

    fn grants(&self, plugin: &str, value: &Spanned<Value>) -> Result<GivenGrants, String> {
        let span = value.span();
        let Some(bundled) = component::find(plugin) else {
            return self.bad(&span, format_args!("grants: there is no plugin {plugin:?}"));
        };
        let (file, text) = match value.get_ref() {
            Value::String(file) => {
                let path = self.dir.join(file);
                let text = given::text(&path);
                let text =
                    text.or_else(|e| self.bad(&span, format_args!("reading {path:?}: {e}")))?;
                (file.clone(), text)
            }
            Value::Object(changes) => {
                let text =
                    narrowed::narrowed(bundled.grants, changes).or_else(|e| self.bad(&span, e))?;
                (format!("{plugin}/grants.toml"), text)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                let why = r#"grants: write "FILE", or { without = ["OP"], narrow = [{ op = "OP", KEY = "PATTERN" }] }"#;
                return self.bad(&span, why);
            }
        };
        if let Err(error) = policy::parse(&text, &file) {
            return self.bad(&span, format_args!("grants: {error}"));
        }
        Ok(GivenGrants { plugin: plugin.to_owned(), file, text })
    }

    fn step(&self, step: &Spanned<StepKeys>, usual: &CallKeys) -> Result<Step, String> {
        let keys = step.get_ref();
        let act = match keys.verb.get_ref().as_str() {
            "add" => Act::Call(Verb::Add),
            "check" => Act::Call(Verb::Check),
            "del" => Act::Call(Verb::Del),
            "gc" => Act::Call(Verb::Gc),
            "status" => Act::Call(Verb::Status),
            "lose-netns" => Act::LoseNetns,
            other => {
                let why = format!(
                    "{other:?} is no verb; write add, check, del, gc, status, or lose-netns for a \
                     container that dies"
                );
                return self.bad(&keys.verb.span(), why);
            }
        };
        let mut faults = Vec::new();
        for fault in &keys.fault {
            faults.push((fault.plugin.clone(), self.fault(fault)?));
        }
        let expect = match &keys.expect {
            Some(expect) => self.expect(act, expect)?,
            None => Expect::default(),
        };
        let line = self.line(step.span().start);
        let attachment = attachment(&keys.call, usual);
        Ok(Step { line, act, attachment, prev_result: keys.prev_result, faults, expect })
    }

    fn expect(&self, act: Act, expect: &Spanned<Expect>) -> Result<Expect, String> {
        let span = expect.span();
        let expect = expect.get_ref();
        let patterns = expect.allowed.iter().chain(expect.refused.iter().flatten());
        for pattern in patterns.chain(&expect.not_asked) {
            names_an_op(pattern).or_else(|why| self.bad(&span, why))?;
        }
        if act == Act::LoseNetns {
            return self.bad(&span, "lose-netns is no call: nothing comes of it");
        }
        Ok(expect.clone())
    }

    fn fault(&self, fault: &FaultKeys) -> Result<Mishap, String> {
        let name = fault.at.get_ref().replace(['.', '-'], "_");
        let Some(name) = OPERATIONS.into_iter().find(|known| *known == name) else {
            let all: Vec<String> =
                OPERATIONS.iter().map(|name| name.replacen('_', ".", 1)).collect();
            let why = format!(
                "{:?} is no operation; write one of {}",
                fault.at.get_ref(),
                all.join(", ")
            );
            return self.bad(&fault.at.span(), why);
        };
        let text = fault.errno.get_ref();
        let named = |errno: &Errno| format!("{errno:?}") == *text;
        let Some(errno) = (1..=MAX_ERRNO).map(Errno::from_raw).find(named) else {
            return self.bad(
                &fault.errno.span(),
                format_args!("{text:?} is no errno; write ENOSPC, EBUSY, …"),
            );
        };
        if fault.nth == 0 {
            return self.bad(&fault.at.span(), "nth counts from 1");
        }
        Ok(Mishap { at: At::Named(name, fault.nth), errno, lost: fault.lost })
    }
}

/// A pattern of operations whose first word, at least, there is.
fn names_an_op(pattern: &str) -> Result<(), String> {
    let op = pattern.split_once(": ").map_or(pattern, |(_, op)| op);
    let name = op.split(' ').next().unwrap_or_default();
    if name.contains('*') || OpKind::find(name).is_some() {
        return Ok(());
    }
    Err(format!("{pattern:?}: there is no operation {name:?}; docs/operators.md lists them"))
}

fn attachment(own: &CallKeys, usual: &CallKeys) -> Attachment {
    let or = |own: &Option<String>, usual: &Option<String>, fallback: &str| {
        own.clone().or_else(|| usual.clone()).unwrap_or_else(|| fallback.to_owned())
    };
    let capabilities = own.capabilities.as_ref().or(usual.capabilities.as_ref());
    let capabilities = capabilities.into_iter().flatten();
    let node = |value: &Value| Node::from_value(value).unwrap_or(Node::Null);
    Attachment {
        container: or(&own.container, &usual.container, "c1"),
        netns: or(&own.netns, &usual.netns, "container"),
        ifname: or(&own.ifname, &usual.ifname, "eth0"),
        args: or(&own.args, &usual.args, ""),
        capabilities: capabilities.map(|(key, value)| (key.clone(), node(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Test, String> {
        Reader { path: Path::new("a.test.toml"), dir: Path::new("/nonexistent"), text }.test()
    }

    const GOOD: &str = r#"about = "x"
[network]
cniVersion = "1.0.0"
name = "n"
type = "dummy"
[[step]]
verb = "add"
"#;

    #[test]
    fn a_file_is_read_with_what_is_usual() {
        let test = read_text(GOOD).unwrap();
        let step = test.steps.first().unwrap();
        assert_eq!((step.line, step.act), (6, Act::Call(Verb::Add)));
        assert_eq!(step.attachment.container, "c1");
        assert!(step.prev_result && step.faults.is_empty());
    }

    #[test]
    fn files_are_read_strictly() {
        let more = |text: &str| format!("{GOOD}{text}");
        for (text, line, words) in [
            ("about = 1".to_owned(), 1, "expected a string"),
            (GOOD.replace("about", "abuot"), 1, "unknown field `abuot`"),
            (GOOD.replace("[[step]]\nverb = \"add\"\n", ""), 1, "[[step]]"),
            (GOOD.replace("\"add\"", "\"ad\""), 7, "\"ad\" is no verb"),
            (GOOD.replace("\"dummy\"", "\"a/b\""), 2, "network:"),
            (more("faults = 1\n"), 8, "unknown field `faults`"),
            (more("[[step.fault]]\nat = \"link.crate\"\nerrno = \"ENOSPC\"\n"), 9, "link.create"),
            (more("[[step.fault]]\nat = \"link.create\"\nerrno = \"ENOPE\"\n"), 10, "ENOSPC"),
            (more("[[step.fault]]\nat = \"link.create\"\nnth = 0\nerrno = \"EIO\"\n"), 9, "from 1"),
            (
                more("[step.expect]\nallowed = [\"link.crate *\"]\n"),
                8,
                "no operation \"link.crate\"",
            ),
            (more("[grants]\nnonesuch = \"x\"\n"), 9, "no plugin \"nonesuch\""),
            (more("[grants]\ndummy = { without = [\"x\"] }\n"), 9, "no such grant"),
            (
                more("[grants]\ndummy = { narrow = [{ op = \"addr.add\", within = \"x\" }] }\n"),
                9,
                "dummy/grants.toml:",
            ),
            (
                more("[kernel.netns.host.links.d0]\nkind = \"dumy\"\n"),
                8,
                "kernel/netns/host/links/d0/kind",
            ),
            (more("[grants]\ndummy = \"none.toml\"\n"), 9, "none.toml"),
        ] {
            let refused = read_text(&text).map(|test| test.about).unwrap_err();
            let place = format!("a.test.toml:{line}: ");
            assert!(refused.starts_with(&place) && refused.contains(words), "{text}\n{refused}");
        }
    }
}
