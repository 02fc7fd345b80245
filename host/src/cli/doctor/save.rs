//! The format of `iptables-save`.

/// A table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) chains: Vec<String>,
    pub(super) rules: Vec<Rule>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// The chain that it is in.
    pub(super) chain: String,
    /// All of it, in words.
    pub(super) words: Vec<String>,
}

/// Reads the tables.
pub(super) fn parse(text: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            tables.push(Table { name: name.trim().to_owned(), ..Table::default() });
            continue;
        }
        let Some(table) = tables.last_mut() else { continue };
        if let Some(chain) = line.strip_prefix(':') {
            table.chains.extend(chain.split(' ').next().map(str::to_owned));
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let mut words = words(rule);
            if !words.is_empty() {
                let chain = words.remove(0);
                table.rules.push(Rule { chain, words });
            }
        }
    }
    tables
}

/// The words of a line: quoted where they hold blanks, with a backslash before quotes and backslashes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word): (Vec<String>, Option<String>) = (Vec::new(), None);
    let (mut quoted, mut chars) = (false, line.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().extend(chars.next()),
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

impl Rule {
    /// The word after an option.
    pub(super) fn value(&self, options: &[&str]) -> Option<&str> {
        let at = self.words.iter().position(|word| options.contains(&word.as_str()))?;
        self.words.get(at + 1).map(String::as_str)
    }

    /// The chain or target that it leads to.
    pub(super) fn target(&self) -> Option<&str> {
        self.value(&["-j", "-g"])
    }

    /// Its comment.
    pub(super) fn comment(&self) -> Option<&str> {
        self.value(&["--comment"])
    }
}

/// A word as `sh` reads it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_chains_and_rules_are_read() {
        let text = "# Generated\n*nat\n:PREROUTING ACCEPT [1:2]\n:CNI-x - [0:0]\n\
            -A PREROUTING ! -s 10.0.0.0/8 -m comment --comment \"name: \\\"a b\\\" \\\\ \\'\" -j CNI-x\n\
            COMMIT\n*filter\n:FORWARD DROP [0:0]\n-A FORWARD -g CNI-y\nCOMMIT\n";
        let tables = parse(text);
        let names: Vec<_> = tables.iter().map(|t| (t.name.as_str(), t.chains.join(" "))).collect();
        assert_eq!(names, [("nat", "PREROUTING CNI-x".into()), ("filter", "FORWARD".into())]);
        let rule = &tables[0].rules[0];
        assert_eq!((rule.chain.as_str(), rule.target()), ("PREROUTING", Some("CNI-x")));
        assert_eq!(rule.comment(), Some("name: \"a b\" \\ '"));
        assert_eq!(rule.words[..3], ["!", "-s", "10.0.0.0/8"]);
        assert_eq!(tables[1].rules[0].target(), Some("CNI-y"));
        assert_eq!(parse(""), []);
        assert_eq!(parse("-A X\n:Y\nnonsense"), []);
    }

    #[test]
    fn a_word_is_one_word_to_a_shell() {
        for (word, want) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("!", "'!'"),
            ("", "''"),
            ("[fd00::1]:80", "'[fd00::1]:80'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's", "'it'\\''s'"),
        ] {
            assert_eq!(quoted(word), want);
        }
    }
}
