//! Writes the files of a volume so that a reader sees all of the old ones or all of the new: a fresh
//! directory, then one rename of the link `..data`, as the kubelet does.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use super::Payload;

const DATA: &str = "..data";
const NEXT: &str = "..data_tmp";

/// Replaces the volume's files. Does nothing when they are as wanted.
pub(crate) fn write(volume: &Path, files: &Payload, group: Option<u32>) -> io::Result<()> {
    if is_current(volume, files) {
        return Ok(());
    }
    fs::create_dir_all(volume)?;
    let old = fs::read_link(volume.join(DATA)).ok();
    let fresh = format!("..{}", uuid::Uuid::new_v4().simple());
    let directory = volume.join(&fresh);
    fs::create_dir(&directory)?;
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
    for (path, (content, mode)) in files {
        let file = directory.join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, content)?;
        // With fsGroup the group may read what the owner may.
        let mode = if group.is_some() {
            mode | ((mode & 0o600) >> 3)
        } else {
            *mode
        };
        chown(&file, None, group)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
    }
    let next = volume.join(NEXT);
    let _ = fs::remove_file(&next);
    symlink(&fresh, &next)?;
    fs::rename(&next, volume.join(DATA))?;
    link_names(volume, files)?;
    if let Some(old) = old {
        fs::remove_dir_all(volume.join(old))?;
    }
    Ok(())
}

fn top_names(files: &Payload) -> BTreeSet<&str> {
    files
        .keys()
        .filter_map(|path| path.split('/').next())
        .collect()
}

fn link_names(volume: &Path, files: &Payload) -> io::Result<()> {
    let wanted = top_names(files);
    for name in &wanted {
        let link = volume.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(name), link)?;
        }
    }
    for entry in fs::read_dir(volume)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if !name.starts_with("..") && !wanted.contains(name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_current(volume: &Path, files: &Payload) -> bool {
    let data = volume.join(DATA);
    let same = |(path, (content, _)): (&String, &(Vec<u8>, u32))| {
        fs::read(data.join(path)).is_ok_and(|current| current == *content)
    };
    data.exists() && files.iter().all(same) && count(&data) == files.len()
}

fn count(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            if entry.path().is_dir() {
                count(&entry.path())
            } else {
                1
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(files: &[(&str, &str)]) -> Payload {
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (text.as_bytes().to_vec(), 0o600)))
            .collect()
    }

    #[test]
    fn a_new_version_replaces_names_and_contents_at_once() {
        let volume = tempfile::tempdir().unwrap();
        let root = volume.path();
        write(root, &payload(&[("a", "1"), ("d/b", "2")]), None).unwrap();
        let first = fs::read_link(root.join(DATA)).unwrap();
        write(root, &payload(&[("a", "1"), ("d/b", "2")]), None).unwrap();
        assert_eq!(
            fs::read_link(root.join(DATA)).unwrap(),
            first,
            "nothing changed"
        );
        write(root, &payload(&[("a", "3")]), None).unwrap();
        assert_eq!(fs::read_to_string(root.join("a")).unwrap(), "3");
        assert!(fs::symlink_metadata(root.join("d")).is_err());
        assert!(!root.join(first).exists());
        assert_eq!(
            fs::metadata(root.join("a")).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
