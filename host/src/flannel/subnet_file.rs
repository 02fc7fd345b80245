//! The file that flanneld writes: `/run/flannel/subnet.env`.

use std::path::Path;

use super::{FileError, Result, open_dir, read_text};
use nix::errno::Errno;

/// Octets of the largest file that is read.
const MAX_BYTES: u64 = 64 * 1024;

/// The values of the variables that flanneld sets, unread; `None`: it is not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    /// `FLANNEL_NETWORK`.
    pub network: Option<String>,
    /// `FLANNEL_SUBNET`.
    pub subnet: Option<String>,
    /// `FLANNEL_IPV6_NETWORK`.
    pub ipv6_network: Option<String>,
    /// `FLANNEL_IPV6_SUBNET`.
    pub ipv6_subnet: Option<String>,
    /// `FLANNEL_MTU`.
    pub mtu: Option<String>,
    /// `FLANNEL_IPMASQ`.
    pub ipmasq: Option<String>,
}

/// Reads a file. A symlink is followed within the file's own directory.
///
/// # Errors
/// It cannot be read, is no regular file, or too large.
pub fn read(path: &Path) -> Result<Variables> {
    let missing = || FileError {
        act: "reading",
        path: path.to_owned(),
        why: "there is no such file; flanneld writes it".into(),
        errno: Some(Errno::ENOENT),
    };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(FileError::invalid("reading", path, "not the path of a file"));
    };
    let dir = open_dir("reading", parent)?.ok_or_else(missing)?;
    let text = read_text(&dir, Path::new(name), path, MAX_BYTES)?.ok_or_else(missing)?;
    Ok(parse(&text))
}

/// Reads the lines `NAME=value`, of a name given twice the last one. Others are passed over.
fn parse(text: &str) -> Variables {
    let mut all = Variables::default();
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        let variable = match name {
            "FLANNEL_NETWORK" => &mut all.network,
            "FLANNEL_SUBNET" => &mut all.subnet,
            "FLANNEL_IPV6_NETWORK" => &mut all.ipv6_network,
            "FLANNEL_IPV6_SUBNET" => &mut all.ipv6_subnet,
            "FLANNEL_MTU" => &mut all.mtu,
            "FLANNEL_IPMASQ" => &mut all.ipmasq,
            _ => continue,
        };
        *variable = Some(value.to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flannels_variables_are_read() {
        let some = |text: &str| Some(text.to_owned());
        let text = "# FLANNEL_MTU=1\nFLANNEL_NETWORK=10.244.0.0/16,10.245.0.0/16\r\nSECRET=x\n\
                    FLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_IPV6_NETWORK=fd00::/48\n\
                    FLANNEL_IPV6_SUBNET=fd00::1/64\nFLANNEL_MTU=1500\nFLANNEL_MTU=1410\n\
                    FLANNEL_IPMASQ=a=b\nroot:x:0:0\n FLANNEL_SUBNET=no\n";
        let want = Variables {
            network: some("10.244.0.0/16,10.245.0.0/16"),
            subnet: some("10.244.1.1/24"),
            ipv6_network: some("fd00::/48"),
            ipv6_subnet: some("fd00::1/64"),
            mtu: some("1410"),
            ipmasq: some("a=b"),
        };
        assert_eq!(parse(text), want);
        assert_eq!(parse(""), Variables::default());
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "tests make the files that they read")]
    fn only_regular_files_of_the_directory_are_read() {
        let dir = std::env::temp_dir().join(format!("subnet-file-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("in")).unwrap();
        let file = dir.join("in/subnet.env");
        let missing = read(&file).unwrap_err();
        assert_eq!(missing.errno(), Some(Errno::ENOENT));
        assert_eq!(read(&dir.join("none/subnet.env")).unwrap_err().errno(), Some(Errno::ENOENT));
        std::fs::write(dir.join("in/real"), "FLANNEL_MTU=1\n").unwrap();
        std::os::unix::fs::symlink("real", &file).unwrap();
        assert_eq!(read(&file).unwrap().mtu.as_deref(), Some("1"));
        std::fs::write(dir.join("outside"), "FLANNEL_MTU=2\n").unwrap();
        for target in ["../outside", "/etc/passwd"] {
            std::fs::remove_file(&file).unwrap();
            std::os::unix::fs::symlink(target, &file).unwrap();
            let refused = read(&file).unwrap_err().to_string();
            assert!(refused.contains("outside"), "{refused}");
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, " ".repeat(64 * 1024)).unwrap();
        assert_eq!(read(&file).unwrap(), Variables::default());
        std::fs::write(&file, " ".repeat(64 * 1024 + 1)).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("larger than 65536"));
        std::fs::remove_file(&file).unwrap();
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("regular file"));
        assert!(read(Path::new("subnet.env")).unwrap_err().to_string().contains("absolute"));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
