//! Which files are to be converted: those that are named, and those below the folders that are.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

/// What the name of a STEP file ends with.
const EXTENSIONS: [&str; 3] = ["step", "stp", "p21"];

/// A file to be converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// The folder it lies in, seen from the folder that was named; empty for a file that was named.
    pub(crate) relative: PathBuf,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// The files, each once: in the order of the arguments, those of a folder in that of their names.
    pub(crate) files: Vec<Input>,
    /// Folders that could not be read, each with the reason.
    pub(crate) unreadable: Vec<(PathBuf, String)>,
    /// Folders that were named and hold no STEP file.
    pub(crate) empty: Vec<PathBuf>,
}

impl Inputs {
    /// Looks for the files. Only paths are kept, so a folder may hold many thousands.
    pub(crate) fn find(arguments: &[PathBuf]) -> Self {
        let mut inputs = Self::default();
        let mut seen = HashSet::new();
        for argument in arguments {
            if argument.is_dir() {
                inputs.walk(argument, &mut seen);
            } else if is_new(argument, &mut seen) {
                // One that is not there fails like one that cannot be read.
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
                // What a link leads back to is being walked already.
                Err(error) if error.loop_ancestor().is_some() => {}
                // A link that leads nowhere is no file.
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

/// Whether this file has not been found before, by whatever path.
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
    fn a_folder_means_every_step_file_below_it_once() {
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
        symlink(root.join("a.stp"), root.join("again.stp")).unwrap();

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
    fn a_folder_without_step_files_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = Inputs::find(&[folder.path().to_owned()]);
        assert_eq!(inputs.empty, [folder.path()]);
    }

    #[test]
    fn a_named_file_is_taken_whatever_its_name() {
        let inputs = Inputs::find(&["no/such.file".into()]);
        assert_eq!(inputs.files[0].path, Path::new("no/such.file"));
        assert_eq!(inputs.files[0].relative, Path::new(""));
    }
}
