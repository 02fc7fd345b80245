//! Devices as sysfs tells of them: which links one has, and its driver. (sysfs(5))
//!
//! All of it is read through one open directory, below which no path leads out: not by `..`, not by a
//! symbolic link.

use std::io::ErrorKind;
use std::path::{Component, Path};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::{Errno, KernelError, Result};
use crate::names::IfName;

/// What network configurations begin the path of a device with.
const DEVICES: &str = "/sys/devices/";

/// Where PCI devices are listed.
const PCI: &str = "bus/pci/devices";

/// Where devices of the auxiliary bus are listed.
const AUXILIARY: &str = "bus/auxiliary/devices";

/// A text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}; write it as {example}")]
pub struct BadDevice {
    text: String,
    what: &'static str,
    example: &'static str,
}

/// A device, by one of the names that it has in sysfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Below `/sys`.
    path: String,
    /// A virtio device's link is its child's.
    children: Option<&'static str>,
}

impl Device {
    /// The device with this path: `/sys/devices/pci0000:00/0000:00:19.0`.
    ///
    /// # Errors
    /// The text is no path below `/sys/devices`.
    pub fn at_path(text: &str) -> std::result::Result<Self, BadDevice> {
        let below = text.strip_prefix(DEVICES).map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        let good = |part: &str| {
            !matches!(part, "" | "." | "..") && !part.bytes().any(|b| b.is_ascii_control())
        };
        match below.filter(|rest| rest.split('/').all(good)) {
            Some(rest) => Ok(Self { path: format!("devices/{rest}"), children: None }),
            None => Err(BadDevice {
                text: text.to_owned(),
                what: "path of a device",
                example: "/sys/devices/pci0000:00/0000:00:19.0",
            }),
        }
    }

    /// The PCI device with this address: `0000:03:02.0`.
    ///
    /// # Errors
    /// The text is no PCI address.
    pub fn pci(text: &str) -> std::result::Result<Self, BadDevice> {
        if !is_pci_address(text) {
            let (what, example) = ("PCI address", "0000:03:02.0");
            return Err(BadDevice { text: text.to_owned(), what, example });
        }
        let path = format!("{PCI}/{}", text.to_ascii_lowercase());
        Ok(Self { path, children: Some("virtio") })
    }

    /// The device with this id on the auxiliary bus: `mlx5_core.sf.4`.
    ///
    /// # Errors
    /// The text is no such id.
    pub fn auxiliary(text: &str) -> std::result::Result<Self, BadDevice> {
        let word = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        };
        let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let mut parts = text.split('.');
        let good = parts.next().is_some_and(word)
            && parts.next().is_some_and(word)
            && parts.next().is_some_and(number)
            && parts.next().is_none();
        if good {
            Ok(Self { path: format!("{AUXILIARY}/{text}"), children: None })
        } else {
            let (what, example) = ("id of the auxiliary bus", "mlx5_core.sf.4");
            Err(BadDevice { text: text.to_owned(), what, example })
        }
    }
}

/// Domain, bus, device and function: `0000:03:02.0`. (Domains have more digits on some machines.)
fn is_pci_address(text: &str) -> bool {
    let hex = |part: &str, digits: std::ops::RangeInclusive<usize>| {
        digits.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let mut parts = text.splitn(3, ':');
    let (Some(domain), Some(bus), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Some((slot, function)) = rest.split_once('.') else { return false };
    hex(domain, 4..=8)
        && hex(bus, 2..=2)
        && hex(slot, 2..=2)
        && matches!(function.as_bytes(), [b'0'..=b'7'])
}

/// The directory of sysfs, opened.
#[derive(Debug)]
pub struct Sysfs {
    /// `None`: there is none, and so no device.
    dir: Option<Dir>,
}

impl Sysfs {
    /// Opens it.
    ///
    /// # Errors
    /// It is there and cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let opened = Dir::open_ambient_dir(path, ambient_authority());
        let dir = unless_missing(opened, || format!("opening {path:?}"))?;
        Ok(Self { dir })
    }

    /// The names of a device's links, sorted; none: it has none, or is not there.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn links_of(&self, device: &Device) -> Result<Vec<IfName>> {
        let Some(dir) = self.directory(&device.path)? else { return Ok(Vec::new()) };
        let mut holders = vec![dir];
        if let Some(children) = device.children {
            for name in names(&holders, &device.path)? {
                if name.starts_with(children) {
                    holders.extend(self.directory(&format!("{}/{name}", device.path))?);
                }
            }
        }
        let mut links = Vec::new();
        for holder in holders {
            let act = || format!("reading the links of {:?}", device.path);
            if let Some(net) = unless_missing(holder.open_dir("net"), act)? {
                links.extend(names(&[net], &device.path)?);
            }
        }
        let mut links: Vec<IfName> =
            links.iter().filter_map(|name| IfName::try_from(name.as_str()).ok()).collect();
        links.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(links)
    }

    /// The driver that a device is bound to; none: it is bound to none, or is not there.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn driver_of(&self, device: &Device) -> Result<Option<String>> {
        let Some(dir) = &self.dir else { return Ok(None) };
        let path = format!("{}/driver", device.path);
        let act = || format!("reading {path:?}");
        let target = unless_missing(dir.read_link_contents(&path), act)?;
        let name = target.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        Ok(name.map(str::to_owned))
    }

    /// The address of the PCI device that a link belongs to; none: it belongs to none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn pci_address_of(&self, link: &IfName) -> Result<Option<String>> {
        let Some(dir) = &self.dir else { return Ok(None) };
        let path = format!("class/net/{link}/device");
        let act = || format!("reading {path:?}");
        let Some(device) = unless_missing(dir.canonicalize(&path), act)? else { return Ok(None) };
        let parts = device.components().rev().filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            Component::Prefix(_)
            | Component::RootDir
            | Component::CurDir
            | Component::ParentDir => None,
        });
        Ok(parts.into_iter().find(|part| is_pci_address(part)).map(str::to_owned))
    }

    fn directory(&self, path: &str) -> Result<Option<Dir>> {
        let Some(dir) = &self.dir else { return Ok(None) };
        unless_missing(dir.open_dir(path), || format!("opening {path:?}"))
    }
}

/// The names of what is in these directories.
fn names(dirs: &[Dir], path: &str) -> Result<Vec<String>> {
    let failed = |e: std::io::Error| error(format!("reading {path:?}"), &e);
    let mut names = Vec::new();
    for dir in dirs {
        for entry in dir.entries().map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string().ok());
        }
    }
    Ok(names)
}

fn unless_missing<T>(done: std::io::Result<T>, act: impl FnOnce() -> String) -> Result<Option<T>> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(error(act(), &e)),
    }
}

fn error(act: String, error: &std::io::Error) -> KernelError {
    // cap-std's own refusal of a path that leads out has no errno.
    KernelError::new(act, error.raw_os_error().map_or(Errno::EXDEV, Errno::from_raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_strictly() {
        for text in ["/sys/devices/virtual", "/sys/devices/pci0000:00/0000:00:19.0/"] {
            assert!(Device::at_path(text).unwrap().path.starts_with("devices/"), "{text}");
        }
        for text in [
            "",
            "/",
            "/sys/devices",
            "/sys/devices/",
            "/sys/devices/../class",
            "/sys/devices/a/./b",
            "/sys/devices/a//b",
            "/sys/class/net/eth0",
            "sys/devices/a",
            "/sys/devices/a\0b",
            "/SYS/devices/a",
        ] {
            assert!(Device::at_path(text).is_err(), "{text:?}");
        }
        for text in ["0000:03:02.0", "10000:e1:1f.7", "0000:3A:00.1"] {
            assert_eq!(Device::pci(text).unwrap().path, format!("{PCI}/{}", text.to_lowercase()));
        }
        for text in [
            "",
            "03:02.0",
            "0000:03:02",
            "0000:03:02.8",
            "0000:03:02.00",
            "0000:03:02.0/..",
            "../0000:03:02.0",
            "0000:3:2.0",
            "000g:03:02.0",
            "0000:03:02.0\n",
        ] {
            assert!(Device::pci(text).is_err(), "{text:?}");
        }
        assert!(Device::auxiliary("mlx5_core.sf.4").is_ok());
        for text in ["", "a.b", "a.b.c", "a.b.1.2", "..1", "a/b.c.1", "a.b.", "a b.c.1"] {
            assert!(Device::auxiliary(text).is_err(), "{text:?}");
        }
        let error = Device::pci("x").unwrap_err().to_string();
        assert_eq!(error, "\"x\" is no PCI address; write it as 0000:03:02.0");
    }
}
