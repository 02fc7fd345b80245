//! The directory of recordings: each is written under another name and renamed, and the oldest go.

use std::io::Write;
use std::path::PathBuf;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};

use super::{Recorder, Recording};

/// Largest recording that is written, in octets.
const MAX_BYTES: usize = 16 << 20;
/// How recordings end; what else is in the directory is left alone.
const ENDING: &str = ".wasmcni.json";

/// A recording that was not written.
#[derive(Debug, thiserror::Error)]
#[error("writing a recording to {to:?}: {source}")]
pub struct WriteError {
    /// The directory.
    to: PathBuf,
    /// The system's answer.
    source: std::io::Error,
}

/// Writes a recording, without what stands for `/` on this node.
pub(super) fn write(
    recorder: &Recorder,
    recording: &Recording,
    root: Option<&str>,
) -> Result<(), WriteError> {
    let written = || -> std::io::Result<()> {
        let mut text = serde_json::to_string_pretty(recording)?;
        if let Some(root) = root {
            text = text.replace(root, "");
        }
        text.push('\n');
        if text.len() > MAX_BYTES {
            let words = format!("it has {} octets, more than {MAX_BYTES}", text.len());
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, words));
        }
        let dir = open(recorder)?;
        let name = name(recording);
        let new = format!(".{name}.new");
        let done =
            write_new(&dir, &new, text.as_bytes()).and_then(|()| dir.rename(&new, &dir, &name));
        if done.is_err() {
            // What cannot be removed is what could not be written.
            let _ = dir.remove_file(&new);
        }
        done.and_then(|()| prune(&dir, recorder.keep))
    };
    written().map_err(|source| WriteError { to: recorder.to.clone(), source })
}

/// The directory, made (0700) if it is missing; what it is in has to be there.
fn open(recorder: &Recorder) -> std::io::Result<Dir> {
    match Dir::open_ambient_dir(&recorder.to, ambient_authority()) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    let invalid = || std::io::Error::from(std::io::ErrorKind::InvalidInput);
    let parent = recorder.to.parent().ok_or_else(invalid)?;
    let name = recorder.to.file_name().ok_or_else(invalid)?;
    let parent = if parent.as_os_str().is_empty() { std::path::Path::new(".") } else { parent };
    let parent = Dir::open_ambient_dir(parent, ambient_authority())?;
    let mut builder = DirBuilder::new();
    match parent.create_dir_with(name, builder.mode(0o700)) {
        // Another call was faster.
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(e),
        Ok(()) | Err(_) => parent.open_dir(name),
    }
}

/// It tells of a container and of the node.
fn write_new(dir: &Dir, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = dir.open_with(name, options.write(true).create_new(true).mode(0o600))?;
    file.write_all(bytes)
}

/// `1763740000000-add-0123456789ab-eth0-bridge-4711`: in their order by name.
fn name(recording: &Recording) -> String {
    let said = |key: &str| recording.environment.get(key).map_or("", String::as_str);
    let word = |text: &str| -> String {
        let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        text.chars().filter(kept).take(24).collect()
    };
    let (verb, container) = (said("CNI_COMMAND").to_lowercase(), word(said("CNI_CONTAINERID")));
    let (ifname, plugin) = (word(said("CNI_IFNAME")), word(&recording.plugin));
    let parts = [word(&verb), container, ifname, plugin];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{:013}-{}-{}{ENDING}", recording.time, parts.join("-"), std::process::id())
}

/// Removes the oldest, but for so many.
fn prune(dir: &Dir, keep: Option<usize>) -> std::io::Result<()> {
    let Some(keep) = keep else { return Ok(()) };
    let mut names = Vec::new();
    for entry in dir.entries()? {
        let name = entry?.file_name().into_string().ok();
        names.extend(name.filter(|name| is_ours(name)));
    }
    names.sort();
    let many = names.len().saturating_sub(keep);
    for name in names.into_iter().take(many) {
        match dir.remove_file(&name) {
            // Another call was faster.
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    let begins = name.get(..13).is_some_and(|time| time.bytes().all(|b| b.is_ascii_digit()));
    begins && name.ends_with(ENDING)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test")]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_oldest_go_and_nothing_else() {
        let dir = std::env::temp_dir().join(format!("wasmcni-recordings-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let recorder = Recorder {
            to: dir.join("recordings"),
            keep: Some(2),
            environment: BTreeMap::from([
                ("CNI_COMMAND".to_owned(), "ADD".to_owned()),
                ("CNI_CONTAINERID".to_owned(), "../c1".to_owned()),
            ]),
            stdin: "/root/x".to_owned(),
        };
        let mut recording = Recording::new("bridge", &recorder.environment, &recorder.stdin);
        for time in [3, 1, 2] {
            recording.time = time;
            write(&recorder, &recording, Some("/root")).unwrap();
            fs::write(recorder.to.join("notes"), "").unwrap();
        }
        let mut names: Vec<String> = fs::read_dir(&recorder.to)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let name = |time| format!("{time:013}-add-..c1-bridge-{}{ENDING}", std::process::id());
        assert_eq!(names, [name(2), name(3), "notes".to_owned()]);
        let mode =
            |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&recorder.to), mode(&recorder.to.join(name(3)))), (0o700, 0o600));
        let text = fs::read_to_string(recorder.to.join(name(3))).unwrap();
        assert_eq!(Recording::parse(&text).unwrap().stdin, "/x");
        fs::remove_dir_all(&dir).unwrap();
        let failed = write(&recorder, &recording, None).unwrap_err().to_string();
        assert!(failed.starts_with("writing a recording to ") && failed.contains("recordings"));
    }
}
