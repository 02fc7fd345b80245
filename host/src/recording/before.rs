//! What there is before a call: the node's kernel, files, journals.

use std::io::Read;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use go_json::Node;
use serde_json::{Map, Value, json};

use super::{About, CONTAINER, Identity, Netns, Recording, Taken};
use crate::directories::Directories;
use crate::kernel::{Kernel, NetnsId, Role};

/// Largest file that is recorded, in octets.
const MAX_FILE: u64 = 1 << 20;
/// Files of one directory that are recorded.
const MAX_FILES: usize = 20_000;

impl Recording {
    pub(super) fn before(
        &mut self,
        about: About<'_>,
        kernel: &mut dyn Kernel,
        container: Option<Result<&Path, String>>,
    ) {
        let mut taken = Taken::default();
        taken.netns("host", kernel, Role::Host);
        let own = kernel.netns(Role::Container) == kernel.netns(Role::Host);
        self.identify("host", kernel.netns(Role::Host));
        match container {
            Some(Ok(_)) if !own => {
                taken.netns(CONTAINER, kernel, Role::Container);
                self.identify(CONTAINER, kernel.netns(Role::Container));
                self.netns = Some(Netns::Named(CONTAINER.to_owned()));
            }
            Some(Ok(_)) => self.netns = Some(Netns::Named("host".to_owned())),
            Some(Err(problem)) => self.netns = Some(Netns::Problem(problem)),
            None => {}
        }
        taken.filters(kernel);
        let (state, left_out) = taken.finish();
        let mut node = Map::from_iter([("wasmcni-node".to_owned(), json!(1))]);
        if !left_out.is_empty() {
            node.insert("left_out".to_owned(), json!(left_out));
        }
        if let Ok(Value::Object(state)) = serde_json::to_value(&state) {
            node.extend(state);
        }
        self.node = Value::Object(node);
        self.files(about);
        self.journals(about);
    }

    fn identify(&mut self, name: &str, id: Option<NetnsId>) {
        let identity = id.map(|NetnsId { device, inode }| Identity { device, inode });
        self.identities.extend(identity.map(|identity| (name.to_owned(), identity)));
    }

    /// What plugins read: reservations of the network, files that the configuration names, what was kept for
    /// the container.
    fn files(&mut self, about: About<'_>) {
        let directories = about.directories;
        let usual = Directories::below(Path::new("/"));
        let text = |node: Option<&Node>| node.and_then(Node::as_str).map(str::to_owned);
        let (conf, nested) = (about.configuration, about.configuration.get("delegate"));
        let ipam = [Some(conf), nested].into_iter().flatten().filter_map(|conf| conf.get("ipam"));
        let ipam: Vec<&Node> = ipam.collect();
        for (name, path) in [
            (&usual.tuning_allow_list, &directories.tuning_allow_list),
            (&usual.subnet_file, &directories.subnet_file),
        ] {
            self.file(&name.display().to_string(), path);
        }
        let named = ipam.iter().map(|ipam| text(ipam.get("resolvConf")));
        for name in named.chain([text(conf.get("subnetFile"))]).flatten() {
            self.file(&name, &directories.named(&name));
        }
        let stores = ipam.iter().filter_map(|ipam| text(ipam.get("dataDir")));
        let stores: Vec<_> = stores.map(|name| (directories.named(&name), name)).collect();
        let usual_store = (&directories.reservations, usual.reservations.display().to_string());
        let stores = stores.iter().map(|(path, name)| (path, name.clone())).chain([usual_store]);
        for (path, name) in stores {
            self.directory(&format!("{name}/{}", about.network), &path.join(about.network), "");
        }
        // Kept by container: nothing of others.
        let Some(container) = about.attachment.map(|of| of.container_id.as_str()) else { return };
        let kept = text(conf.get("dataDir")).map(|name| (directories.named(&name), name));
        let kept = kept.iter().map(|(path, name)| (path, name.clone())).chain([
            (&directories.saved_configurations, usual.saved_configurations.display().to_string()),
            (&directories.tuning_backups, usual.tuning_backups.display().to_string()),
        ]);
        for (path, name) in kept {
            self.directory(&name, path, container);
        }
    }

    /// A file, as far as it is there and a text.
    fn file(&mut self, name: &str, path: &Path) {
        let Some((parent, file)) = path.parent().zip(path.file_name()) else { return };
        let dir = Dir::open_ambient_dir(parent, ambient_authority());
        let text = dir.ok().and_then(|dir| read(&dir, Path::new(file)));
        self.files.extend(text.map(|text| (name.to_owned(), text)));
    }

    /// The files of a directory whose names begin so.
    fn directory(&mut self, name: &str, path: &Path, beginning: &str) {
        let Ok(dir) = Dir::open_ambient_dir(path, ambient_authority()) else { return };
        for file in names(&dir).into_iter().filter(|file| file.starts_with(beginning)) {
            let text = read(&dir, Path::new(&file));
            self.files.extend(text.map(|text| (format!("{name}/{file}"), text)));
        }
    }

    /// The journals of the node: whether there are others decides what is taken back.
    fn journals(&mut self, about: About<'_>) {
        let path = about.directories.run.join("attachments");
        let Ok(dir) = Dir::open_ambient_dir(path, ambient_authority()) else { return };
        let own = about.attachment.map(|of| format!("{}:{}:", of.container_id, of.ifname));
        for network in names(&dir) {
            let Ok(dir) = dir.open_dir(&network) else { continue };
            let this = network == about.network;
            for file in names(&dir) {
                // GC looks at all of its network.
                let whole = this && own.as_ref().is_none_or(|own| file.starts_with(own));
                let text = if whole { read(&dir, Path::new(&file)) } else { None };
                self.journals.insert(format!("{network}/{file}"), text.unwrap_or_default());
            }
        }
    }
}

/// The names in a directory, sorted, and not more than are recorded.
fn names(dir: &Dir) -> Vec<String> {
    let entries = dir.entries().into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.take(MAX_FILES).collect();
    names.sort();
    names
}

/// A regular file's text; `None`: it is none, or too large.
fn read(dir: &Dir, name: &Path) -> Option<String> {
    let seen = dir.metadata(name).ok()?;
    if !seen.is_file() || seen.len() > MAX_FILE {
        return None;
    }
    let mut text = String::new();
    dir.open(name).ok()?.take(MAX_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}
