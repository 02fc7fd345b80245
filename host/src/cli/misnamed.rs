//! Called by a name that is no plugin's: by a person who made a symlink that nothing answers to, or by
//! a runtime whose configuration asks for a plugin that this binary does not have.

use std::io::{self, Write};
use std::process::ExitCode;

use super::{Called, FAILED, MISUSED};
use crate::cni::{CniError, Code};
use crate::component::BUNDLED;

/// Tells what to do, in the way of who called.
pub(super) fn answer(called: &Called) -> ExitCode {
    // Whoever called may be gone: then there is nobody to tell.
    if called.by_runtime {
        let error = CniError::new(Code::InvalidConfiguration, reason(&called.name));
        let _ = writeln!(io::stdout(), "{}", error.to_json(None));
        return ExitCode::from(FAILED);
    }
    let _ = writeln!(io::stderr(), "wasmcni: {}", reason(&called.name));
    let _ = writeln!(
        io::stderr(),
        "A plugin is this binary under the plugin's name. `wasmcni install` makes the symlinks, or:\n  \
         ln -s wasmcni /opt/cni/bin/bridge\n\
         For all else call it wasmcni: `wasmcni --help`."
    );
    ExitCode::from(MISUSED)
}

fn reason(name: &str) -> String {
    let plugins: Vec<&str> = BUNDLED.iter().map(|plugin| plugin.name).collect();
    format!("called as {name:?}, which is no plugin of it; its plugins are {}", plugins.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_is_named() {
        let reason = reason("macvlan9");
        assert!(reason.contains("\"macvlan9\""));
        assert!(BUNDLED.iter().all(|plugin| reason.contains(plugin.name)));
    }
}
