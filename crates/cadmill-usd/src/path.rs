//! Paths of prims and properties.

use std::fmt;

use crate::UsdError;

/// An absolute path of a prim (`/A/B`), a property (`/A/B.size`) or the root (`/`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(String);

impl Path {
    /// Returns the path of the root, `/`.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Parses a path.
    ///
    /// # Errors
    /// If the text is not absolute, or an element is not an identifier.
    pub fn parse(text: &str) -> Result<Self, UsdError> {
        let error = || UsdError::Path(text.to_owned());
        let elements = text.strip_prefix('/').ok_or_else(error)?;
        let (prims, property) = match elements.split_once('.') {
            Some((prims, property)) => (prims, Some(property)),
            None => (elements, None),
        };
        let prims_are_valid = prims.split('/').all(is_identifier);
        let property_is_valid = property.is_none_or(is_property_name);
        if elements.is_empty() || (prims_are_valid && property_is_valid) {
            Ok(Self(text.to_owned()))
        } else {
            Err(error())
        }
    }

    /// Returns the path of the child prim `name`.
    ///
    /// # Errors
    /// If `name` is not an identifier, or this is the path of a property.
    pub fn child(&self, name: &str) -> Result<Self, UsdError> {
        if self.property_name().is_some() {
            return Err(UsdError::Path(format!("{self}/{name}")));
        }
        if !is_identifier(name) {
            return Err(UsdError::Name(name.to_owned()));
        }
        let separator = if self.0 == "/" { "" } else { "/" };
        Ok(Self(format!("{}{separator}{name}", self.0)))
    }

    /// Returns the path of the property `name` of this prim.
    ///
    /// # Errors
    /// If `name` is not a property name, or this is not the path of a prim.
    pub fn property(&self, name: &str) -> Result<Self, UsdError> {
        if self.0 == "/" || self.property_name().is_some() {
            return Err(UsdError::Path(format!("{self}.{name}")));
        }
        if !is_property_name(name) {
            return Err(UsdError::Name(name.to_owned()));
        }
        Ok(Self(format!("{}.{name}", self.0)))
    }

    /// Returns the path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the names of the prims, starting at the root.
    pub(crate) fn prim_names(&self) -> impl Iterator<Item = &str> {
        let prims = self.0.split('.').next().unwrap_or_default();
        prims.split('/').filter(|name| !name.is_empty())
    }

    /// Returns the name of the property, if this is the path of one.
    pub(crate) fn property_name(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, property)| property)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether every version of USD accepts `name` as a prim name: an ASCII letter or `_`, followed by
/// ASCII letters, digits and `_`. Newer versions accept more of Unicode, but older ones cannot read
/// such layers.
#[must_use]
pub fn is_identifier(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether `name` consists of identifiers separated by `:`.
pub(crate) fn is_property_name(name: &str) -> bool {
    name.split(':').all(is_identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_paths_are_parsed_and_others_refused() {
        for text in ["/", "/A", "/A/_b2", "/A/B.x", "/A.xformOp:transform"] {
            assert_eq!(Path::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "", "A", "//", "/A/", "/A//B", "/2", "/A.", "/A.b.c", "/.x", "/ä", "/A.b:", "..",
        ] {
            assert_eq!(Path::parse(text), Err(UsdError::Path(text.to_owned())));
        }
    }

    #[test]
    fn paths_are_built_from_elements() {
        let path = Path::root().child("A").unwrap().child("B").unwrap();
        assert_eq!(path.property("c:d").unwrap().as_str(), "/A/B.c:d");
        assert!(path.child("no good").is_err());
        assert!(path.property("c").unwrap().child("D").is_err());
        assert!(Path::root().property("c").is_err());
    }
}
