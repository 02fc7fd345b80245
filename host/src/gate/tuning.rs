//! What tuning a link takes beside changing it: settings that last as long as the attachment, the node's
//! list of those that may be changed, and the file in which the reference plugin kept former values.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::unlink;

use super::sysctl::link_of;
use super::{Gate, Refusal, Result};
use crate::journal::{Sharing, Undo};
use crate::kernel::{Errno, KernelError, Role};
use crate::policy::Op;

/// Octets of the largest file that is read.
const MAX_BYTES: u64 = 64 * 1024;

/// Where the reference plugin keeps its files when nothing else is said.
const USUAL_DIRECTORY: &str = "/run/cni/tuning";

impl Gate {
    /// Writes a setting of the container that the attachment's end puts back.
    pub fn write_sysctl_until_del(&mut self, role: Role, key: &str, value: &str) -> Result<()> {
        let key = self.may_write(role, key, value)?;
        if role != Role::Container {
            let text = format!("setting {key} of the node for one attachment: others share it");
            return Err(Refusal::Invalid(text));
        }
        if self.of_own_link(role, &key) {
            return self.act_on_own(|kernel| kernel.sysctl_set(role, &key, value));
        }
        let read = self.kernel().sysctl_get(role, &key);
        let back = match read {
            Ok(back) if back == value => return Ok(()),
            Ok(back) => back,
            // What can only be written, such as route/flush, has no former value.
            Err(e) if matches!(e.errno, Errno::EINVAL | Errno::EACCES | Errno::EPERM) => {
                return self.act_on_own(|kernel| kernel.sysctl_set(role, &key, value));
            }
            Err(e) => return Err(e.into()),
        };
        let ifname = self.attachment()?.ifname.as_str();
        let sharing = if link_of(&key) == Some(ifname) { Sharing::Own } else { Sharing::Container };
        let undo = Undo::Sysctl { at: self.place(role)?, key: key.clone(), back };
        self.act([(undo, sharing)], |kernel| kernel.sysctl_set(role, &key, value))
    }

    /// The lines of the node's list of settings that networks may change; `None`: there is no list.
    pub fn sysctl_allow_list(&mut self) -> Result<Option<Vec<String>>> {
        let text = read(&self.call.directories.tuning_allow_list)?;
        let lines =
            |text: String| text.lines().map(str::trim).map(str::to_owned).collect::<Vec<_>>();
        Ok(text.map(|text| {
            let mut lines = lines(text);
            lines.retain(|line| !line.is_empty());
            lines
        }))
    }

    /// What the reference plugin kept of this attachment's link.
    pub fn read_link_backup(&mut self, data_dir: Option<&str>) -> Result<Option<String>> {
        let path = self.backup("link-backup.read", data_dir)?;
        read(&path)
    }

    /// Removes it.
    pub fn remove_link_backup(&mut self, data_dir: Option<&str>) -> Result<()> {
        let path = self.backup("link-backup.remove", data_dir)?;
        if self.call.adding || self.call.journal.borrow().is_none() {
            let text = format!("removing {path:?} is for del, not for this verb");
            return Err(Refusal::Invalid(text));
        }
        match unlink(&path) {
            Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
            Err(errno) => Err(KernelError::new(format!("removing {path:?}"), errno).into()),
        }
    }

    /// Its name is made of the attachment's: no other file can be asked for.
    fn backup(&self, op: &'static str, data_dir: Option<&str>) -> Result<PathBuf> {
        self.permit(&Op::new(op).text("data-dir", data_dir.unwrap_or(USUAL_DIRECTORY)))?;
        let directories = &self.call.directories;
        let dir = data_dir.map(|dir| directories.named(dir));
        let dir = dir.unwrap_or_else(|| directories.tuning_backups.clone());
        if !dir.is_absolute() {
            let text = format!("{dir:?} is not an absolute path; write one that begins with \"/\"");
            return Err(Refusal::Invalid(text));
        }
        let attachment = self.attachment()?;
        Ok(dir.join(format!("{}_{}.json", attachment.container_id, attachment.ifname)))
    }
}

/// The text of a regular file; `None`: there is none.
fn read(path: &Path) -> Result<Option<String>> {
    let refused = |errno| Refusal::from(KernelError::new(format!("reading {path:?}"), errno));
    // Without O_NONBLOCK a FIFO would keep this call for ever.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
        Err(errno) => return Err(refused(errno)),
    };
    let kind = SFlag::from_bits_truncate(fstat(&file).map_err(refused)?.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFREG {
        return Err(Refusal::Invalid(format!("reading {path:?}: not a regular file")));
    }
    let mut text = String::new();
    let length = File::from(file).take(MAX_BYTES + 1).read_to_string(&mut text);
    match length.map(u64::try_from) {
        Ok(Ok(length)) if length <= MAX_BYTES => Ok(Some(text)),
        Ok(_) => Err(Refusal::Invalid(format!("reading {path:?}: larger than {MAX_BYTES} octets"))),
        Err(e) => Err(Refusal::Invalid(format!("reading {path:?}: {e}"))),
    }
}
