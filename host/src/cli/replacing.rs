//! Writing files so that whoever looks finds the old one or the new one, after a power cut too.

use std::io::{self, ErrorKind, Write};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};

/// Removes a file, if it is there.
pub(super) fn remove(dir: &Dir, name: &str) -> io::Result<()> {
    match dir.remove_file(name) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Writes a new file with this mode whatever the umask. It is on the disk before it can get its name: after a
/// power cut there would otherwise be a file with nothing in it.
pub(super) fn write(dir: &Dir, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = dir.open_with(name, options.write(true).create_new(true).mode(mode))?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Something new under a name: `make` makes it under another one.
pub(super) fn replace(
    dir: &Dir,
    name: &str,
    make: impl FnOnce(&str) -> io::Result<()>,
) -> io::Result<()> {
    let new = format!(".{name}.new");
    remove(dir, &new)?;
    let done = make(&new).and_then(|()| dir.rename(&new, dir, name)).and_then(|()| sync(dir));
    if done.is_err() {
        let _ = remove(dir, &new);
    }
    done
}

/// Brings the names of a directory to the disk.
pub(super) fn sync(dir: &Dir) -> io::Result<()> {
    dir.open(".")?.sync_all()
}
