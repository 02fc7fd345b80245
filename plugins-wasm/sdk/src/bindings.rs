//! Generated from `wit/`. Of the imports, a component keeps those that its code calls.

wit_bindgen::generate!({
    path: "../../wit",
    world: "wasmcni:cni/every-plugin",
    generate_all,
    additional_derives: [PartialEq],
    pub_export_macro: true,
    default_bindings_module: "wasmcni_sdk::bindings",
});
