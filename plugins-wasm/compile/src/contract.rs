//! The contract as one file, narrowed to some of its functions.
//!
//! Tools for interpreted languages have their component import whatever its world has, called or not. wasmcni
//! starts no component that imports what it was not granted, so the world is to have just what the grants give.

use std::error::Error;
use std::path::Path;

use wit_component::WitPrinter;
use wit_parser::{InterfaceId, PackageId, Resolve, SourceMap, WorldItem};

use crate::author;

/// The directories of the contract's packages, each after those that it uses.
const PACKAGES: [&str; 3] = ["wit/deps/net", "wit/deps/ipam", "wit"];

/// The package of the world that is written.
const OWN: &str = "package wasmcni:narrowed;";

/// The contract's part that `wanted` names, as WIT: a world `plugin` that exports what a plugin exports, and
/// imports no other functions. A line of `wanted` is either an interface to import, `wasmcni:net/netns@0.1.0`,
/// or a function to leave in its interface, `wasmcni:net/netns@0.1.0#enter-netns`. Interfaces whose types
/// those use come along.
///
/// # Errors
/// When a line names nothing of the contract.
pub(crate) fn narrowed(wanted: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let (functions, interfaces): (Vec<&str>, Vec<&str>) =
        wanted.lines().partition(|line| line.contains('#'));
    let mut resolve = Resolve::default();
    let mut packages = Vec::new();
    for dir in PACKAGES {
        let of = |(path, _): &&(&str, &str)| Path::new(path).parent() == Some(Path::new(dir));
        let files: Vec<_> = author::FILES.iter().filter(of).copied().collect();
        packages.push(push(&mut resolve, &files)?);
    }
    let imports: String = interfaces.iter().map(|name| format!("  import {name};\n")).collect();
    let world =
        format!("{OWN}\nworld plugin {{\n{imports}  export wasmcni:cni/plugin@0.1.0;\n}}\n");
    let own = push(&mut resolve, &[("plugin.wit", &world)])?;
    let reached = reached(&resolve, own);
    narrow(&mut resolve, &packages, &reached, &functions);
    packages.retain(|id| resolve.packages.get(*id).is_some_and(|p| !p.interfaces.is_empty()));
    let mut printer = WitPrinter::default();
    printer.print(&resolve, own, &packages)?;
    Ok(String::from(printer.output).into_bytes())
}

fn push(resolve: &mut Resolve, files: &[(&str, &str)]) -> Result<PackageId, Box<dyn Error>> {
    let mut sources = SourceMap::default();
    for (path, text) in files {
        sources.push_str(path, *text);
    }
    let group = sources.parse().map_err(|(_, error)| error.to_string())?;
    Ok(resolve.push_group(group).map_err(|error| error.to_string())?)
}

/// The interfaces of the package's world, those that others use included.
fn reached(resolve: &Resolve, own: PackageId) -> Vec<InterfaceId> {
    let worlds = resolve.packages.get(own).into_iter().flat_map(|package| package.worlds.values());
    let worlds = worlds.filter_map(|id| resolve.worlds.get(*id));
    let items = worlds.flat_map(|world| world.imports.values().chain(world.exports.values()));
    items
        .filter_map(|item| match item {
            WorldItem::Interface { id, .. } => Some(*id),
            WorldItem::Function(_) | WorldItem::Type { .. } => None,
        })
        .collect()
}

/// Takes out of the packages what is not wanted. What the plugin exports stays whole.
fn narrow(
    resolve: &mut Resolve,
    packages: &[PackageId],
    reached: &[InterfaceId],
    functions: &[&str],
) {
    for id in packages {
        let Some(package) = resolve.packages.get_mut(*id) else { continue };
        package.worlds.clear();
        package.interfaces.retain(|_, id| reached.contains(id));
    }
    for id in reached {
        let name = resolve.id_of(*id).unwrap_or_default();
        let Some(interface) = resolve.interfaces.get_mut(*id) else { continue };
        if name != "wasmcni:cni/plugin@0.1.0" {
            interface.functions.retain(|f, _| functions.contains(&format!("{name}#{f}").as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_is_left() {
        let wanted = "wasmcni:net/netns@0.1.0\nwasmcni:net/netns@0.1.0#enter-netns\n\
                      wasmcni:net/link@0.1.0#[method]link.info\n";
        let text = String::from_utf8(narrowed(wanted).unwrap()).unwrap();
        for there in
            ["import wasmcni:net/netns@0.1.0;", "enter-netns: func", "info: func", "gc: func"]
        {
            assert!(text.contains(there), "{there}: {text}");
        }
        for gone in ["set-mtu", "create-veth", "reservations", "every-plugin", "interface nat"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        // It is a package of its own: whoever has the file has all.
        let mut resolve = Resolve::default();
        push(&mut resolve, &[("plugin.wit", &text)]).unwrap();
    }

    #[test]
    fn what_the_contract_does_not_have_is_refused() {
        let error = narrowed("wasmcni:net/wireless@0.1.0\n").unwrap_err().to_string();
        assert!(error.contains("wireless"), "{error}");
    }
}
