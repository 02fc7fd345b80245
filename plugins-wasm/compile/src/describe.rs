//! What a component says of itself and wants, read from its sections: nothing of it runs.

use std::error::Error;

use serde::Serialize;
use sha2::{Digest, Sha256};
use wasmparser::{
    ComponentName, CustomSectionReader, KnownCustom, Parser, Payload, ProducersField,
};
use wit_parser::decoding::DecodedWasm;
use wit_parser::{Resolve, WorldItem, WorldKey};

/// The section with the rights that a plugin asks for: a grant file. The SDK's `manifest!` writes it.
const MANIFEST: &str = "wasmcni:manifest";

/// A component, from outside.
#[derive(Debug, Serialize)]
struct Description {
    /// SHA-256 of the file, in hexadecimal.
    sha256: String,
    /// Octets.
    size: usize,
    /// It is a core module, which becomes a component when it is installed.
    module: bool,
    #[serde(flatten)]
    said: Said,
    /// Interfaces that it offers.
    exports: Vec<String>,
    /// Interfaces that it wants, with the functions.
    imports: Vec<Interface>,
    /// What it wants besides.
    others: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Interface {
    name: String,
    functions: Vec<String>,
}

/// The description, as JSON.
///
/// # Errors
/// When the file is no component, and no module that says what component it makes.
pub(crate) fn describe(file: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let component = wasmcni_compile::component_of(file)?;
    let (resolve, world) = match wit_parser::decoding::decode(&component)? {
        DecodedWasm::Component(resolve, world) => (resolve, world),
        DecodedWasm::WitPackage(..) => return Err("it is a WIT package, which does nothing".into()),
    };
    let world = resolve.worlds.get(world).ok_or("it has no world")?;
    let mut imports = Vec::new();
    let mut others = Vec::new();
    for (key, item) in &world.imports {
        match interface(&resolve, key, item) {
            Some(interface) => imports.push(interface),
            // Types confer nothing.
            None if matches!(item, WorldItem::Type { .. }) => {}
            None => others.push(name(&resolve, key)),
        }
    }
    let description = Description {
        sha256: Sha256::digest(file).iter().map(|octet| format!("{octet:02x}")).collect(),
        size: file.len(),
        module: component != file,
        said: Said::by(&component)?,
        exports: world.exports.keys().map(|key| name(&resolve, key)).collect(),
        imports,
        others,
    };
    Ok(serde_json::to_vec(&description)?)
}

fn name(resolve: &Resolve, key: &WorldKey) -> String {
    resolve.name_world_key(key)
}

fn interface(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> Option<Interface> {
    let WorldItem::Interface { id, .. } = item else { return None };
    let functions = resolve.interfaces.get(*id)?.functions.keys().cloned().collect();
    Some(Interface { name: name(resolve, key), functions })
}

/// What a component says of itself in sections of its own, those of its modules included. Of what is said
/// twice, the first counts, which is the innermost's: a tool that wraps a module says nothing about it.
#[derive(Debug, Default, Serialize)]
struct Said {
    /// What it calls itself.
    name: Option<String>,
    version: Option<String>,
    about: Option<String>,
    licenses: Option<String>,
    homepage: Option<String>,
    /// Languages that it was written in, and tools that it went through, with their versions.
    languages: Vec<String>,
    tools: Vec<String>,
    /// The grant file that it brings.
    manifest: Option<String>,
}

impl Said {
    fn by(component: &[u8]) -> Result<Self, Box<dyn Error>> {
        let mut said = Self::default();
        for section in Parser::new(0).parse_all(component) {
            if let Payload::CustomSection(section) = section? {
                said.hear(&section)?;
            }
        }
        Ok(said)
    }

    fn hear(&mut self, section: &CustomSectionReader<'_>) -> Result<(), Box<dyn Error>> {
        // The names of OCI's annotations, as `cargo component`, `wasm-tools metadata` and others write them.
        let place = match section.name() {
            MANIFEST => {
                let text = text(section).ok_or("its section \"wasmcni:manifest\" is no text")?;
                return match self.manifest.replace(text) {
                    None => Ok(()),
                    Some(_) => Err("it has two sections \"wasmcni:manifest\"".into()),
                };
            }
            "version" => &mut self.version,
            "description" => &mut self.about,
            "licenses" => &mut self.licenses,
            "homepage" => &mut self.homepage,
            _ => return self.hear_tools(section),
        };
        *place = place.take().or_else(|| text(section));
        Ok(())
    }

    fn hear_tools(&mut self, section: &CustomSectionReader<'_>) -> Result<(), Box<dyn Error>> {
        let known = section.as_known();
        if let KnownCustom::Producers(fields) = known {
            for field in fields {
                self.hear_field(&field?)?;
            }
        } else if let KnownCustom::ComponentName(names) = known {
            for name in names {
                if let ComponentName::Component { name, .. } = name? {
                    self.name.get_or_insert_with(|| name.to_owned());
                }
            }
        }
        Ok(())
    }

    fn hear_field(&mut self, field: &ProducersField<'_>) -> Result<(), Box<dyn Error>> {
        let list = match field.name {
            "language" => &mut self.languages,
            "processed-by" => &mut self.tools,
            _ => return Ok(()),
        };
        for value in field.values.clone() {
            let value = value?;
            let words = format!("{} {}", value.name, value.version).trim().to_owned();
            if !list.contains(&words) {
                list.push(words);
            }
        }
        Ok(())
    }
}

fn text(section: &CustomSectionReader<'_>) -> Option<String> {
    std::str::from_utf8(section.data()).ok().map(str::to_owned)
}
