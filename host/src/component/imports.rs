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

/// Every function that the component imports, and the names of imports that are no interfaces.
///
/// Types and resources that an interface brings along confer nothing and are passed over.
pub fn list(engine: &Engine, component: &Component) -> (Vec<Import>, Vec<String>) {
    let (mut functions, mut others) = (Vec::new(), Vec::new());
    for (name, import) in component.component_type().imports(engine) {
        match import.ty {
            ComponentItem::ComponentInstance(instance) => {
                for (function, export) in instance.exports(engine) {
                    if matches!(export.ty, ComponentItem::ComponentFunc(_)) {
                        let (interface, function) = (name.to_owned(), function.to_owned());
                        functions.push(Import { interface, function });
                    }
                }
            }
            _ => others.push(name.to_owned()),
        }
    }
    (functions, others)
}
