//! The tables to which the rest of the file refers: tokens, strings and paths.

use std::{collections::HashMap, rc::Rc};

use super::{append_sized, integers, lz4};
use crate::{Path, UsdError};

/// Some indices are stored negated, so all tables are limited to the range of `i32`.
const MAX_INDEX: u64 = i32::MAX as u64;

/// Converts a position to an index.
pub(super) fn index(items: &'static str, position: usize) -> Result<u32, UsdError> {
    UsdError::check_limit(items, position as u64, MAX_INDEX)?;
    Ok(position as u32)
}

/// The distinct texts.
pub(super) struct Tokens {
    texts: Vec<Rc<str>>,
    indices: HashMap<Rc<str>, u32>,
}

impl Default for Tokens {
    /// Properties store the negated index of their token, so token 0 must not be the name of a
    /// property.
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

/// The strings, as indices of tokens.
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

/// The tree of all paths that specs and values refer to, including their ancestors.
pub(super) struct Paths {
    nodes: Vec<Node>,
    indices: HashMap<Element, u32>,
    /// The index of the empty path, if a value needs it.
    empty: Option<u32>,
}

struct Node {
    element: Element,
    children: Vec<u32>,
    has_spec: bool,
}

/// An element of a path.
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
    /// The index of the root.
    pub(super) const ROOT: u32 = 0;

    /// Returns the index of the child prim or property `token` of `parent`.
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

    /// Returns the index of `path`.
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

    /// Returns the index of the empty path, which is counted but not part of the tree.
    pub(super) fn empty_index(&mut self) -> Result<u32, UsdError> {
        if let Some(index) = self.empty {
            return Ok(index);
        }
        let index = index("paths", self.nodes.len())?;
        self.nodes.push(Node::new(self.nodes[0].element));
        self.empty = Some(index);
        Ok(index)
    }

    /// Reserves a path for a spec. Returns `false` if it already has one.
    pub(super) fn reserve_for_spec(&mut self, path: u32) -> bool {
        !std::mem::replace(&mut self.nodes[path as usize].has_spec, true)
    }

    /// Returns a path as text, for error messages.
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

    /// Encodes the tree depth first, as the index of each path, its element (negated for a
    /// property), and its jump: 0 if only a sibling follows, -1 if only a child follows, -2 if
    /// neither does, and otherwise the distance to the sibling, since the child comes first.
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
