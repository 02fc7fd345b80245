//! `wasmcni pack`: a component with the rights that it asks for in it.
#![allow(clippy::disallowed_methods, reason = "writes the file that an author asks for")]

use std::io::Write;

use super::compiler::Compiler;
use super::failure::{Doing, Failure};
use super::plugin::{Candidate, MANIFEST};
use super::wit::manifest;
use super::{say, words};

/// `wasmcni pack`
pub(super) fn run(pack: &words::Pack, out: &mut dyn Write) -> Result<(), Failure> {
    let compiler = Compiler::beside()?;
    let candidate = Candidate::read(&pack.file, &compiler)?;
    let (text, grants) = manifest(&pack.grants)?;
    if candidate.manifest()?.is_some() {
        let doing = format!("packing {:?}", pack.file);
        return Err(Failure::new(doing, "it has the rights that it asks for in it already")
            .remedy("Pack what the tool built."));
    }
    candidate.suits(&grants)?;
    let mut component = compiler.component(&candidate.bytes)?;
    component.extend(section(MANIFEST, text.as_bytes()));
    std::fs::write(&pack.output, &component).doing(|| format!("writing {:?}", pack.output))?;
    let output = pack.output.display();
    say(out, format_args!("{output}: {} octets; `wasmcni inspect` shows it", component.len()))
}

/// A custom section. (WebAssembly core specification, "Custom Section")
fn section(name: &str, content: &[u8]) -> Vec<u8> {
    let body = [length(name.len()).as_slice(), name.as_bytes(), content].concat();
    [&[0], length(body.len()).as_slice(), &body].concat()
}

/// A length in LEB128: seven bits an octet, the lowest first, the top bit while there is more.
fn length(mut n: usize) -> Vec<u8> {
    let mut octets = Vec::new();
    loop {
        let low = u8::try_from(n & 0x7f).unwrap_or_default();
        n >>= 7;
        match n {
            0 => octets.push(low),
            _ => octets.push(low | 0x80),
        }
        if n == 0 {
            return octets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_have_their_lengths() {
        assert_eq!(section("a", b"bc"), [0, 4, 1, b'a', b'b', b'c']);
        assert_eq!(length(127), [0x7f]);
        assert_eq!(length(300), [0xac, 0x02]);
    }
}
