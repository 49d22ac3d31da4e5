//! The tables that everything else in a file points into: tokens, strings and paths.

use std::{collections::HashMap, rc::Rc};

use super::{append_sized, integers, lz4};
use crate::{Path, UsdError};

/// Indices are signed where the format negates them, so all tables stay below this.
const LIMIT: u64 = i32::MAX as u64;

/// `position` as an index.
pub(super) fn index(what: &'static str, position: usize) -> Result<u32, UsdError> {
    UsdError::check(what, position as u64, LIMIT)?;
    Ok(position as u32)
}

/// Every distinct text once.
pub(super) struct Tokens {
    texts: Vec<Rc<str>>,
    indices: HashMap<Rc<str>, u32>,
}

impl Default for Tokens {
    /// The name of a property is stored as its negated token, so the first token must not be one.
    fn default() -> Self {
        let root: Rc<str> = Rc::from("/");
        Self {
            texts: vec![Rc::clone(&root)],
            indices: HashMap::from([(root, 0)]),
        }
    }
}

impl Tokens {
    pub(super) fn index(&mut self, text: &str) -> Result<u32, UsdError> {
        if let Some(&index) = self.indices.get(text) {
            return Ok(index);
        }
        if text.contains('\0') {
            return Err(UsdError::Nul);
        }
        let index = index("distinct texts", self.texts.len())?;
        let text: Rc<str> = Rc::from(text);
        self.texts.push(Rc::clone(&text));
        self.indices.insert(text, index);
        Ok(index)
    }

    pub(super) fn section(&self) -> Result<Vec<u8>, UsdError> {
        let mut texts = Vec::new();
        for text in &self.texts {
            texts.extend(text.as_bytes());
            texts.push(0);
        }
        let mut output = (self.texts.len() as u64).to_le_bytes().to_vec();
        output.extend((texts.len() as u64).to_le_bytes());
        append_sized(&mut output, &lz4::compress(&texts)?);
        Ok(output)
    }
}

/// Strings, each by its token.
#[derive(Default)]
pub(super) struct Strings {
    tokens: Vec<u32>,
    indices: HashMap<u32, u32>,
}

impl Strings {
    pub(super) fn index(&mut self, text: &str, tokens: &mut Tokens) -> Result<u32, UsdError> {
        let token = tokens.index(text)?;
        let next = self.tokens.len() as u32;
        let index = *self.indices.entry(token).or_insert(next);
        if index == next {
            self.tokens.push(token);
        }
        Ok(index)
    }

    pub(super) fn section(&self) -> Vec<u8> {
        let mut output = (self.tokens.len() as u64).to_le_bytes().to_vec();
        output.extend(self.tokens.iter().flat_map(|token| token.to_le_bytes()));
        output
    }
}

/// Every path that a spec or a value names, and all above it, as a tree.
pub(super) struct Paths {
    nodes: Vec<Node>,
    indices: HashMap<Element, u32>,
    /// The index of the path that names nothing, once a value needs it.
    empty: Option<u32>,
}

struct Node {
    element: Element,
    children: Vec<u32>,
    has_spec: bool,
}

/// One step down.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Element {
    parent: u32,
    token: u32,
    is_property: bool,
}

impl Default for Paths {
    fn default() -> Self {
        let root = Element {
            parent: Self::ROOT,
            token: 0,
            is_property: false,
        };
        Self {
            nodes: vec![Node::new(root)],
            indices: HashMap::new(),
            empty: None,
        }
    }
}

impl Node {
    fn new(element: Element) -> Self {
        Self {
            element,
            children: Vec::new(),
            has_spec: false,
        }
    }
}

impl Paths {
    /// The index of `/`.
    pub(super) const ROOT: u32 = 0;

    /// The index of the prim or property `token` of `parent`.
    pub(super) fn child(
        &mut self,
        parent: u32,
        token: u32,
        is_property: bool,
    ) -> Result<u32, UsdError> {
        let element = Element {
            parent,
            token,
            is_property,
        };
        if let Some(&index) = self.indices.get(&element) {
            return Ok(index);
        }
        let index = index("paths", self.nodes.len())?;
        self.nodes.push(Node::new(element));
        self.nodes[parent as usize].children.push(index);
        self.indices.insert(element, index);
        Ok(index)
    }

    /// The index of `path`.
    pub(super) fn index(&mut self, path: &Path, tokens: &mut Tokens) -> Result<u32, UsdError> {
        let mut at = Self::ROOT;
        for name in path.prim_names() {
            at = self.child(at, tokens.index(name)?, false)?;
        }
        match path.property_name() {
            Some(name) => self.child(at, tokens.index(name)?, true),
            None => Ok(at),
        }
    }

    /// The index of the path that names nothing: it is counted, but has no place in the tree.
    pub(super) fn empty_index(&mut self) -> Result<u32, UsdError> {
        if let Some(index) = self.empty {
            return Ok(index);
        }
        let index = index("paths", self.nodes.len())?;
        self.nodes.push(Node::new(self.nodes[0].element));
        self.empty = Some(index);
        Ok(index)
    }

    /// Whether no spec had this path before.
    pub(super) fn take_for_spec(&mut self, path: u32) -> bool {
        !std::mem::replace(&mut self.nodes[path as usize].has_spec, true)
    }

    /// The path as text, for messages.
    pub(super) fn text(&self, path: u32, tokens: &Tokens) -> String {
        let mut elements = Vec::new();
        let mut at = path;
        while at != Self::ROOT {
            let element = self.nodes[at as usize].element;
            let separator = if element.is_property { "." } else { "/" };
            elements.push(format!(
                "{separator}{}",
                tokens.texts[element.token as usize]
            ));
            at = element.parent;
        }
        elements.into_iter().rev().collect()
    }

    /// Depth first: the index of each path, its element (negated for a property), and its jump: 0
    /// if only a sibling follows, -1 if only a child, -2 if neither, else how far away the sibling
    /// is, since the child comes first.
    pub(super) fn section(&self) -> Result<Vec<u8>, UsdError> {
        let count = self.nodes.len() - usize::from(self.empty.is_some());
        let mut order = Vec::with_capacity(count);
        let mut waiting = vec![(Self::ROOT, false)];
        while let Some((index, has_sibling)) = waiting.pop() {
            order.push((index, has_sibling));
            let children = &self.nodes[index as usize].children;
            let last = children.last().copied();
            let children = children.iter().rev();
            waiting.extend(children.map(|&child| (child, Some(child) != last)));
        }

        let mut sizes = vec![1_i32; self.nodes.len()];
        for &(index, _) in order.iter().rev() {
            let parent = self.nodes[index as usize].element.parent;
            if index != Self::ROOT {
                sizes[parent as usize] += sizes[index as usize];
            }
        }
        let elements = order.iter().map(|&(index, _)| {
            let element = self.nodes[index as usize].element;
            let sign = if element.is_property { -1 } else { 1 };
            element.token as i32 * sign
        });
        let jumps = order.iter().map(|&(index, has_sibling)| {
            let has_child = !self.nodes[index as usize].children.is_empty();
            match (has_child, has_sibling) {
                (true, true) => sizes[index as usize],
                (false, true) => 0,
                (true, false) => -1,
                (false, false) => -2,
            }
        });

        let mut output = (self.nodes.len() as u64).to_le_bytes().to_vec();
        output.extend((count as u64).to_le_bytes());
        let indices = order.iter().map(|&(index, _)| index as i32);
        append_sized(&mut output, &integers::compress_i32(indices)?);
        append_sized(&mut output, &integers::compress_i32(elements)?);
        append_sized(&mut output, &integers::compress_i32(jumps)?);
        Ok(output)
    }
}
