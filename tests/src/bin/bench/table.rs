//! The table, in Markdown.

use std::fmt::Write;
use std::time::Duration;

use crate::candidate::Candidate;
use crate::rows::Row;

/// All rows, and what was compared.
pub(crate) fn render(candidates: &[Candidate; 2], rows: &[Row], rounds: usize) -> String {
    let [ours, theirs] = candidates;
    let mut out = format!(
        "Medians of {rounds} rounds, interleaved; times in ms, peak memory in MiB.\n\n\
         | | {0} | {1} | ratio | memory | ratio | programs | system calls |\n\
         |---|---|---|---|---|---|---|---|\n",
        ours.name, theirs.name
    );
    for row in rows {
        let [a, b] = row.samples.each_ref().map(|samples| median(samples));
        let _ = write!(out, "| {} | {a:.2} | {b:.2} | {:.2} |", row.name, a / b);
        match row.memory {
            [Some(a), Some(b)] => {
                let (a, b) = (a as f64 / 1024.0, b as f64 / 1024.0);
                let _ = write!(out, " {a:.1} / {b:.1} | {:.2} |", a / b);
            }
            _ => out.push_str(" – | – |"),
        }
        match row.trace {
            [Some(a), Some(b)] => {
                let _ = writeln!(out, " {} / {} | {} / {} |", a.0, b.0, a.1, b.1);
            }
            _ => out.push_str(" – | – |\n"),
        }
    }
    let _ = writeln!(
        out,
        "\nSize on disk of the plugins that both have: {:.1} MB against {:.1} MB, ratio {:.2}.",
        ours.size as f64 / 1e6,
        theirs.size as f64 / 1e6,
        ours.size as f64 / theirs.size as f64
    );
    out
}

/// In ms.
fn median(samples: &[Duration]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
}
