//! Links of Markdown files, and where they lead.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Files by their path below the root, with the text of those that are Markdown.
pub(super) type Pages = BTreeMap<String, String>;

/// A link to something in the workspace.
#[derive(Debug)]
pub(super) struct Link {
    /// As it is written.
    pub(super) shown: String,
    /// The path below the root; empty if it leads out of that.
    pub(super) path: String,
    anchor: Option<String>,
}

impl Link {
    /// What is wrong with it.
    pub(super) fn problem(&self, pages: &Pages) -> Option<&'static str> {
        let folder = format!("{}/", self.path);
        let is_folder = || pages.keys().any(|path| path.starts_with(&folder));
        match (pages.get(&self.path), &self.anchor) {
            (None, _) if self.path.is_empty() || !is_folder() => Some("is not there"),
            (Some(text), Some(anchor)) if !anchors(text).contains(anchor) => {
                Some("names no heading")
            }
            _ => None,
        }
    }
}

/// The links of a page that lead to something in the workspace.
pub(super) fn of(page: &str, text: &str) -> Vec<Link> {
    let links = events(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url),
        _ => None,
    });
    let inner = links.filter(|url| !url.contains("://") && !url.starts_with("mailto:"));
    inner.map(|url| link(page, &url)).collect()
}

fn link(page: &str, shown: &str) -> Link {
    let (path, anchor) = match shown.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor.to_owned())),
        None => (shown, None),
    };
    let path = if path.is_empty() {
        page.to_owned()
    } else {
        joined(page, path).unwrap_or_default()
    };
    let shown = shown.to_owned();
    Link {
        shown,
        path,
        anchor,
    }
}

/// Where `path` leads from `page`, if not out of the workspace.
fn joined(page: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for component in Path::new(path).components() {
        match component {
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// What the headings of a page are called in links, by GitHub and mdBook alike.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors = Vec::new();
    let mut counts = BTreeMap::new();
    let mut heading: Option<String> = None;
    for event in events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let seen = counts.entry(anchor.clone()).or_insert(0_usize);
                anchors.push(match *seen {
                    0 => anchor,
                    number => format!("{anchor}-{number}"),
                });
                *seen += 1;
            }
            _ => {}
        }
    }
    anchors
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.map(|c| if c == ' ' { '-' } else { c })
        .collect::<String>()
        .to_lowercase()
}

fn events(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES)
}
