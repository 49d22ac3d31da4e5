//! The book in `docs/`: its links and its table of contents, and that mdBook can build it.

mod links;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Result, bail};

use self::links::Pages;
use crate::{docker, house, process::run, workspace::Workspace};

/// Where the book is. What lies in it may only lead to what lies in it, for it is read elsewhere.
const BOOK: &str = "docs/";
/// Its table of contents, which has every page.
const SUMMARY: &str = "docs/SUMMARY.md";

/// Checks the links of every Markdown file, and builds the book into `target/book`.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let broken = broken(&pages(workspace)?);
    if !broken.is_empty() {
        bail!("links lead nowhere:\n  {}", broken.join("\n  "));
    }
    let mut build = Command::new(docker::linters(workspace)?.program("mdbook"));
    build.arg("build").arg(workspace.root.join("docs"));
    run(build.arg("--dest-dir").arg(workspace.target.join("book")))
}

/// The files that git knows, with the text of those that are Markdown.
fn pages(workspace: &Workspace) -> Result<Pages> {
    let mut pages = BTreeMap::new();
    for path in house::files(workspace)? {
        // One that was deleted is not there.
        let file = workspace.root.join(&path);
        if file.is_file() {
            let text = is_page(&path).then(|| fs::read_to_string(&file));
            let text = text.transpose()?;
            pages.insert(path, text.unwrap_or_default());
        }
    }
    Ok(pages)
}

fn is_page(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "md")
}

/// What is wrong with the links of `pages`, each in one line.
fn broken(pages: &Pages) -> Vec<String> {
    let mut broken = Vec::new();
    let mut contents = Vec::new();
    for (page, text) in pages {
        for link in links::of(page, text) {
            if let Some(problem) = link.problem(pages) {
                broken.push(format!("{page}: `{}` {problem}", link.shown));
            } else if page.starts_with(BOOK) && !link.path.starts_with(BOOK) {
                broken.push(format!("{page}: `{}` leads out of the book", link.shown));
            }
            if page == SUMMARY {
                contents.push(link.path);
            }
        }
    }
    let missing = pages.keys().filter(|path| {
        let is_chapter = path.starts_with(BOOK) && is_page(path) && *path != SUMMARY;
        is_chapter && !contents.contains(path)
    });
    broken.extend(missing.map(|path| format!("{SUMMARY}: does not name {path}")));
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(page: &str, text: &str, expected: &[&str]) {
        let pages = [
            ("README.md", "# Cadmill\n## Two words\n## Two words\n"),
            (SUMMARY, "[a](a.md) [b](sub/b.md)"),
            ("docs/a.md", "# The `code`, and *more*!\n"),
            ("docs/images/a.png", ""),
            ("docs/sub/b.md", ""),
            (page, text),
        ];
        let pages = pages.map(|(path, text)| (path.to_owned(), text.to_owned()));
        assert_eq!(broken(&pages.into_iter().collect()), expected);
    }

    #[test]
    fn good_links_are_good() {
        let text = "[a](docs/a.md) [b](#two-words) [c](#two-words-1) [d](docs/a.md#the-code-and-more)\n\
                    ![e](docs/images/a.png) [f](docs) [g](https://example.com/x) [h][h]\n\n[h]: docs/sub/b.md\n";
        check(
            "README.md",
            &format!("# Two words\n# Two words\n{text}"),
            &[],
        );
        check("docs/sub/b.md", "[a](../a.md) ![a](../images/a.png)", &[]);
        check(
            "other.md",
            "`[a](nowhere.md)`\n\n```\n[a](nowhere.md)\n```\n",
            &[],
        );
    }

    #[test]
    fn a_file_that_is_not_there() {
        let problem = "README.md: `docs/c.md` is not there";
        check("README.md", "[c](docs/c.md)", &[problem]);
        let problem = "docs/sub/b.md: `a.md` is not there";
        check("docs/sub/b.md", "[a](a.md)", &[problem]);
        let problem = "README.md: `../../a.md` is not there";
        check("README.md", "![a](../../a.md)", &[problem]);
    }

    #[test]
    fn a_heading_that_is_not_there() {
        let problem = "README.md: `#three` names no heading";
        check("README.md", "# Two\n[a](#three)", &[problem]);
        let problem = "docs/sub/b.md: `../a.md#less` names no heading";
        check("docs/sub/b.md", "[a](../a.md#less)", &[problem]);
    }

    #[test]
    fn a_link_out_of_the_book() {
        let problem = "docs/sub/b.md: `../../README.md` leads out of the book";
        check("docs/sub/b.md", "[a](../../README.md)", &[problem]);
    }

    #[test]
    fn a_page_that_nobody_finds() {
        check(
            "docs/c.md",
            "",
            &["docs/SUMMARY.md: does not name docs/c.md"],
        );
    }
}
