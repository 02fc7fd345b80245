//! What a plugin imports, against what it was granted.

use crate::component::{self, Bundled, Origin, imports::Import};
use crate::policy::{Grants, Unserved, ops_of};

/// The functions that a plugin imports.
pub(super) fn of(plugin: &Bundled) -> Result<Vec<Import>, String> {
    let engine = component::engine().map_err(|e| format!("{e:#}"))?;
    let Origin::Bundled(code) = plugin.origin else {
        return Err(format!("{:?} is no plugin of wasmcni's own", plugin.name));
    };
    let component = component::load(&engine, code).map_err(|e| format!("{e:#}"))?;
    Ok(component::imports::list(&engine, &component).functions)
}

/// What it would be refused for before it starts: an import, and the acts of which none is granted; each
/// such acts once.
pub(super) fn unserved(
    grants: &Grants,
    imports: &[Import],
) -> Vec<(String, &'static [&'static str])> {
    let mut missing: Vec<(String, &[&str])> = Vec::new();
    for Import { interface, function } in imports {
        if let Err(Unserved::NotGranted(ops)) = grants.serves(interface, function)
            && !missing.iter().any(|(_, known)| *known == ops)
        {
            missing.push((format!("{interface}#{function}"), ops));
        }
    }
    missing
}

/// Whether a plugin with these imports can ask for an act at all.
pub(super) fn asks_for(op: &str, imports: &[Import]) -> bool {
    // Of a link that is another's, every function that looks at links asks this.
    let reads =
        op == "link.read" && imports.iter().any(|import| !is_drop(import) && on_links(import));
    let ops = imports.iter().filter_map(|import| ops_of(&import.interface, &import.function));
    reads || ops.flatten().any(|known| *known == op)
}

fn on_links(import: &Import) -> bool {
    ["/netns@", "/link@", "/bridge-port@", "/devices@"]
        .iter()
        .any(|part| import.interface.contains(part))
}

fn is_drop(import: &Import) -> bool {
    import.function.starts_with("[resource-drop]")
}
