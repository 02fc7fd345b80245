//! How the outcome of tests is told: to people, as TAP, as JUnit's XML.

use std::io::Write;
use std::time::Duration;

use super::super::failure::Failure;
use super::super::say;
use super::super::words::Format;

/// What came of a test.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// The file.
    pub(super) file: String,
    /// What it is about; empty if it could not be read.
    pub(super) about: String,
    /// What is wrong; none: it passed.
    pub(super) wrong: Vec<String>,
    /// How long it ran.
    pub(super) took: Duration,
}

/// Tells all of them.
pub(super) fn tell(out: &mut dyn Write, how: Format, all: &[Outcome]) -> Result<(), Failure> {
    match how {
        Format::Text => text(out, all),
        Format::Tap => tap(out, all),
        Format::Junit => junit(out, all),
    }
}

fn text(out: &mut dyn Write, all: &[Outcome]) -> Result<(), Failure> {
    for outcome in all {
        let Outcome { file, about, wrong, .. } = outcome;
        if wrong.is_empty() {
            say(out, format_args!("ok      {file}: {about}"))?;
            continue;
        }
        say(out, format_args!("FAILED  {file}: {about}"))?;
        for line in wrong {
            say(out, format_args!("          {line}"))?;
        }
    }
    let failed = all.iter().filter(|outcome| !outcome.wrong.is_empty()).count();
    say(out, format_args!("{} passed, {failed} failed", all.len() - failed))
}

/// <https://testanything.org/tap-version-13-specification.html>
fn tap(out: &mut dyn Write, all: &[Outcome]) -> Result<(), Failure> {
    say(out, format_args!("TAP version 13\n1..{}", all.len()))?;
    for (number, outcome) in all.iter().enumerate() {
        let Outcome { file, about, wrong, .. } = outcome;
        let ok = if wrong.is_empty() { "ok" } else { "not ok" };
        // "#" begins a directive there.
        let title = format!("{file}: {about}").replace('#', "\\#");
        say(out, format_args!("{ok} {} - {title}", number + 1))?;
        if !wrong.is_empty() {
            say(out, "  ---\n  message: |")?;
            wrong.iter().try_for_each(|line| say(out, format_args!("    {line}")))?;
            say(out, "  ...")?;
        }
    }
    Ok(())
}

fn junit(out: &mut dyn Write, all: &[Outcome]) -> Result<(), Failure> {
    let failed = all.iter().filter(|outcome| !outcome.wrong.is_empty()).count();
    let took: Duration = all.iter().map(|outcome| outcome.took).sum();
    say(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    say(
        out,
        format_args!(
            r#"<testsuite name="wasmcni" tests="{}" failures="{failed}" errors="0" time="{:.3}">"#,
            all.len(),
            took.as_secs_f64()
        ),
    )?;
    for Outcome { file, about, wrong, took } in all {
        let (file, about, took) = (xml(file), xml(about), took.as_secs_f64());
        let case = format!(r#"  <testcase classname="{file}" name="{about}" time="{took:.3}""#);
        let Some(first) = wrong.first() else {
            say(out, format_args!("{case}/>"))?;
            continue;
        };
        say(out, format_args!("{case}>"))?;
        let text = wrong.iter().map(|line| xml(line)).collect::<Vec<_>>().join("\n");
        say(out, format_args!("    <failure message=\"{}\">{text}</failure>", xml(first)))?;
        say(out, "  </testcase>")?;
    }
    say(out, "</testsuite>")
}

/// A text as XML has it. Characters that XML cannot hold are written as escapes.
fn xml(text: &str) -> String {
    let mut written = String::new();
    for c in text.chars() {
        match c {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '"' => written.push_str("&quot;"),
            '\t' | '\n' => written.push(c),
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {
                written.extend(c.escape_default());
            }
            c => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(how: Format) -> String {
        let of = |file: &str, wrong: &[&str]| Outcome {
            file: file.to_owned(),
            about: "1 < 2".to_owned(),
            wrong: wrong.iter().map(|line| (*line).to_owned()).collect(),
            took: Duration::from_millis(1500),
        };
        let mut out = Vec::new();
        tell(&mut out, how, &[of("a", &[]), of("b", &["x \"&\" \u{1b}", "y"])]).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn outcomes_are_told_in_three_ways() {
        let text = "ok      a: 1 < 2\nFAILED  b: 1 < 2\n          x \"&\" \u{1b}\n          y\n1 passed, 1 failed\n";
        assert_eq!(told(Format::Text), text);
        let tap = "TAP version 13\n1..2\nok 1 - a: 1 < 2\nnot ok 2 - b: 1 < 2\n  ---\n  message: |\n    x \"&\" \u{1b}\n    y\n  ...\n";
        assert_eq!(told(Format::Tap), tap);
        let junit = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuite name=\"wasmcni\" tests=\"2\" failures=\"1\" errors=\"0\" time=\"3.000\">
  <testcase classname=\"a\" name=\"1 &lt; 2\" time=\"1.500\"/>
  <testcase classname=\"b\" name=\"1 &lt; 2\" time=\"1.500\">
    <failure message=\"x &quot;&amp;&quot; \\u{1b}\">x &quot;&amp;&quot; \\u{1b}\ny</failure>
  </testcase>
</testsuite>
";
        assert_eq!(told(Format::Junit), junit);
    }
}
