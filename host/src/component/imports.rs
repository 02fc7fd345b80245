//! What a component wants to call, read before anything of it runs.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// A function that a component imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// `wasmcni:net/netns@0.1.0`.
    pub interface: String,
    /// `[method]netns.create-veth`.
    pub function: String,
}

/// What a component imports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imports {
    /// Interfaces, also those of which it wants but types and resources: these confer nothing.
    pub interfaces: Vec<String>,
    /// The functions of all of them.
    pub functions: Vec<Import>,
    /// What is no interface.
    pub others: Vec<String>,
}

/// What the component imports.
pub fn list(engine: &Engine, component: &Component) -> Imports {
    let mut imports = Imports::default();
    let Imports { interfaces, functions, others } = &mut imports;
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else {
            others.push(name.to_owned());
            continue;
        };
        interfaces.push(name.to_owned());
        for (function, export) in instance.exports(engine) {
            if matches!(export.ty, ComponentItem::ComponentFunc(_)) {
                let (interface, function) = (name.to_owned(), function.to_owned());
                functions.push(Import { interface, function });
            }
        }
    }
    imports
}
