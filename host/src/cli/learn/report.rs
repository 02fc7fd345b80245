//! What is said of the grants that there are: on stderr, since stdout has the learned ones.

use std::collections::BTreeSet;
use std::io::Write;

use super::super::compiler::printable;
use crate::policy::Grants;

/// How a grant file stands to what was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    unused: Vec<String>,
    refused: BTreeSet<String>,
    failed: Vec<String>,
}

impl Report {
    pub(super) fn of(
        grants: &Grants,
        used: &BTreeSet<String>,
        refused: BTreeSet<String>,
        failed: Vec<String>,
    ) -> Self {
        let file = grants.source();
        let places = grants.all().iter().map(|grant| {
            let netns = grant.netns().map_or(String::new(), |role| format!(" in {}", role.word()));
            (format!("{file}:{}", grant.line()), format!("{}{netns}", grant.op()))
        });
        let unused = places.filter(|(place, _)| !used.contains(place));
        let unused = unused.map(|(place, what)| format!("{place}: {what} was never used"));
        Self { unused: unused.collect(), refused, failed }
    }

    /// Whether something that was asked for is refused, the start of the component among it.
    pub(super) fn refuses(&self) -> bool {
        !self.refused.is_empty() || !self.failed.is_empty()
    }

    pub(super) fn tell(&self) {
        self.unused.iter().for_each(|line| warn(line));
        self.refused.iter().for_each(|why| warn(&format!("refused: {why}")));
        self.failed.iter().for_each(|line| warn(&format!("with it this fails: {line}")));
    }
}

/// A line on stderr.
pub(super) fn warn(line: &str) {
    // If stderr is closed nobody wants to know.
    let _ = writeln!(std::io::stderr(), "wasmcni learn: {}", printable(line));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;

    #[test]
    fn grants_that_nothing_used_are_told_by_line() {
        let text = "component = \"bundled\"\n[[grant]]\nop = \"netns.enter\"\nnetns = \"host\"\n\
                    [[grant]]\nop = \"delegate.run\"\nplugin = \"x\"\n";
        let grants = policy::parse(text, "f").unwrap();
        let report = Report::of(&grants, &["f:5".to_owned()].into(), BTreeSet::new(), vec![]);
        assert_eq!(report.unused, ["f:2: netns.enter in host was never used"]);
        assert!(!report.refuses());
    }
}
