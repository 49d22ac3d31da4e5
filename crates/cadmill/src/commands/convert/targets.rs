//! Chooses where the media of each input go, so that no two inputs of a run write the same file.
//!
//! The media of an input with a unique stem go directly into the output folder. Inputs that share a
//! stem keep their folders relative to their argument; if these are equal too, the folders relative
//! to their common ancestor. Inputs that are still equal (`a.step` and `a.stp`, or names that differ
//! only in case) keep their whole name, and finally get a number. Stems are equal if a file system
//! that ignores case would not distinguish their files. `a.web` equals `a`, whose compressed copy is
//! `a.web.glb`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use cadmill_pipeline::Target;

use crate::inputs::Input;

/// Returns one target per input, in their order.
pub(crate) fn targets(inputs: &[Input], output: &Path) -> Vec<Target> {
    let mut targets: Vec<_> = inputs
        .iter()
        .map(|input| Target {
            folder: output.to_owned(),
            stem: stem(&input.path),
        })
        .collect();
    for group in conflicts(&targets, 0..inputs.len()) {
        for &index in &group {
            targets[index].folder = output.join(&inputs[index].relative);
        }
        if !conflicts(&targets, group.iter().copied()).is_empty() {
            keep_folders_below_common_ancestor(inputs, &group, output, &mut targets);
        }
        for group in conflicts(&targets, group) {
            for index in group {
                let name = inputs[index].path.file_name().unwrap_or_default();
                name.clone_into(&mut targets[index].stem);
            }
        }
    }
    number(&mut targets);
    targets
}

/// Groups of targets that would write the same files, in a stable order.
fn conflicts(targets: &[Target], indices: impl IntoIterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for index in indices {
        groups.entry(key(&targets[index])).or_default().push(index);
    }
    groups
        .into_values()
        .filter(|group| group.len() > 1)
        .collect()
}

/// A key that is equal for targets that would write the same files.
fn key(target: &Target) -> PathBuf {
    let stem = target.stem.to_string_lossy().to_lowercase();
    let mut stem = stem.as_str();
    while let Some(shorter) = stem.strip_suffix(".web") {
        stem = shorter;
    }
    let folder = target.folder.to_string_lossy().to_lowercase();
    Path::new(&folder).join(stem)
}

fn stem(path: &Path) -> OsString {
    path.file_stem()
        .map_or_else(|| "unnamed".into(), OsStr::to_owned)
}

fn keep_folders_below_common_ancestor(
    inputs: &[Input],
    group: &[usize],
    output: &Path,
    targets: &mut [Target],
) {
    let folder = |index: usize| {
        let path = &inputs[index].path;
        let path = path.canonicalize().or_else(|_| std::path::absolute(path));
        path.ok()
            .and_then(|path| path.parent().map(Path::to_owned))
            .unwrap_or_default()
    };
    let folders: Vec<_> = group.iter().copied().map(folder).collect();
    let common = folders
        .iter()
        .skip(1)
        .fold(folders[0].clone(), |common, folder| {
            let same = common.components().zip(folder.components());
            same.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
        });
    for (&index, folder) in group.iter().zip(&folders) {
        let relative = folder.strip_prefix(&common).unwrap_or(folder);
        targets[index].folder = output.join(relative);
    }
}

/// Adds a number to all but the first of equal targets.
fn number(targets: &mut [Target]) {
    let mut taken = HashSet::new();
    let mut counts = HashMap::<PathBuf, usize>::new();
    for target in targets {
        let plain = target.stem.clone();
        let first = key(target);
        while !taken.insert(key(target)) {
            let count = counts.entry(first.clone()).or_insert(1);
            *count += 1;
            target.stem.clone_from(&plain);
            target.stem.push(format!("~{count}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths are below the folder `in`, except absolute ones.
    #[track_caller]
    fn check(paths: &[&str], expected: &[&str]) {
        let inputs: Vec<_> = paths
            .iter()
            .map(|path| match path.strip_prefix('/') {
                Some(_) => Input {
                    path: path.into(),
                    relative: PathBuf::new(),
                },
                None => Input {
                    path: Path::new("in").join(path),
                    relative: Path::new(path).parent().unwrap().to_owned(),
                },
            })
            .collect();
        let targets = targets(&inputs, Path::new("out"));
        let found: Vec<_> = targets
            .iter()
            .map(|target| target.folder.join(&target.stem).display().to_string())
            .map(|path| path.strip_prefix("out/").unwrap().to_owned())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_unique_stem_needs_no_folder() {
        check(&["a/x.step", "b/c/y.stp"], &["x", "y"]);
        check(&["Gehäuse 零件.step"], &["Gehäuse 零件"]);
        check(&["a.b.step", "a.step"], &["a.b", "a"]);
    }

    #[test]
    fn inputs_that_share_a_stem_keep_their_relative_folders() {
        let found = ["a/x.step", "a/b/x.step", "x.step", "c/y.step"];
        check(&found, &["a/x", "a/b/x", "x", "y"]);
    }

    #[test]
    fn named_files_keep_their_folders_below_the_common_ancestor() {
        check(&["/p/q/x.step", "/p/r/s/x.step"], &["q/x", "r/s/x"]);
        check(&["/p/x.step", "/p/r/x.step"], &["x", "r/x"]);
    }

    #[test]
    fn case_is_ignored() {
        check(&["a/x.step", "b/X.step"], &["a/x", "b/X"]);
        check(&["x.step", "X.step"], &["x.step", "X.step~2"]);
    }

    #[test]
    fn a_stem_twice_in_a_folder_keeps_the_extensions() {
        check(&["x.step", "x.stp", "y.stp"], &["x.step", "x.stp", "y"]);
    }

    #[test]
    fn a_compressed_copy_does_not_overwrite_a_scene() {
        check(&["a/x.step", "b/x.web.step"], &["a/x", "b/x.web"]);
        check(&["x.step", "x.web.step"], &["x.step", "x.web.step"]);
    }

    #[test]
    fn equal_names_are_numbered() {
        check(
            &["x.step", "x.stp", "x.stp.step"],
            &["x.step", "x.stp", "x.stp~2"],
        );
    }
}
