//! Finds the STEP files that arguments name: files, and all STEP files below folders.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

/// The extensions of STEP files.
const EXTENSIONS: [&str; 3] = ["step", "stp", "p21"];

/// A STEP file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// The path of the file.
    pub(crate) path: PathBuf,
    /// Its folder relative to the named folder; empty for a named file.
    pub(crate) relative: PathBuf,
}

/// The files and folders that arguments name.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// Each file once, in the order of the arguments; those of a folder in the order of their names.
    pub(crate) files: Vec<Input>,
    /// Folders that cannot be read, with the reason.
    pub(crate) unreadable: Vec<(PathBuf, String)>,
    /// Named folders without STEP files.
    pub(crate) empty: Vec<PathBuf>,
}

impl Inputs {
    /// Finds the files. Only paths are kept, so a folder may have many thousands.
    pub(crate) fn find(arguments: &[PathBuf]) -> Self {
        let mut inputs = Self::default();
        let mut seen = HashSet::new();
        for argument in arguments {
            if argument.is_dir() {
                inputs.walk(argument, &mut seen);
            } else if is_new(argument, &mut seen) {
                // A file that does not exist fails later, like one that cannot be read.
                inputs.files.push(Input {
                    path: argument.clone(),
                    relative: PathBuf::new(),
                });
            }
        }
        inputs
    }

    fn walk(&mut self, root: &Path, seen: &mut HashSet<PathBuf>) {
        let mut is_empty = true;
        let walk = WalkDir::new(root).follow_links(true).sort_by_file_name();
        for entry in walk {
            match entry {
                Ok(entry) if entry.file_type().is_file() && is_step(entry.path()) => {
                    is_empty = false;
                    if is_new(entry.path(), seen) {
                        self.files.push(Input {
                            relative: relative(root, entry.path()),
                            path: entry.into_path(),
                        });
                    }
                }
                Ok(_) => {}
                // The target of this link is being walked already.
                Err(error) if error.loop_ancestor().is_some() => {}
                // A broken link is no file.
                Err(error) if is_broken_link(&error) => {}
                Err(error) => {
                    is_empty = false;
                    let path = error.path().unwrap_or(root).to_owned();
                    self.unreadable.push((path, error.to_string()));
                }
            }
        }
        if is_empty {
            self.empty.push(root.to_owned());
        }
    }
}

fn is_broken_link(error: &walkdir::Error) -> bool {
    let path = error.path();
    path.is_some_and(|path| path.is_symlink() && !path.exists())
}

fn is_step(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    })
}

/// Whether this file is found for the first time, by any path.
fn is_new(path: &Path, seen: &mut HashSet<PathBuf>) -> bool {
    seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
}

fn relative(root: &Path, path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(root);
    folder.strip_prefix(root).unwrap_or(folder).to_owned()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_folder_stands_for_each_step_file_below_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/c.step")).unwrap();
        for name in [
            "z.STEP",
            "a.stp",
            "b/m.P21",
            "b/c.step/k.Step",
            "readme.txt",
            "b/step",
        ] {
            fs::write(root.join(name), "").unwrap();
        }
        symlink(root, root.join("b/loop")).unwrap();
        symlink(root.join("nowhere.step"), root.join("broken.step")).unwrap();
        symlink(root.join("a.stp"), root.join("link.stp")).unwrap();

        let inputs = Inputs::find(&[root.to_owned(), root.join("z.STEP")]);
        let found: Vec<_> = inputs
            .files
            .iter()
            .map(|input| input.path.strip_prefix(root).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(found, ["a.stp", "b/c.step/k.Step", "b/m.P21", "z.STEP"]);
        assert_eq!(inputs.files[1].relative, Path::new("b/c.step"));
        assert!(inputs.unreadable.is_empty() && inputs.empty.is_empty());
    }

    #[test]
    fn a_folder_without_step_files_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = Inputs::find(&[folder.path().to_owned()]);
        assert_eq!(inputs.empty, [folder.path()]);
    }

    #[test]
    fn a_named_file_may_have_any_name() {
        let inputs = Inputs::find(&["no/such.file".into()]);
        assert_eq!(inputs.files[0].path, Path::new("no/such.file"));
        assert_eq!(inputs.files[0].relative, Path::new(""));
    }
}
