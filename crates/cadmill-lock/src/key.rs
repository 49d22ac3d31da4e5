//! The names under which work is locked. Other workers know them too, so they are fixed.

use std::{fmt, sync::Arc};

/// The name of a piece of work that only one worker may do at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockKey(Arc<str>);

impl LockKey {
    /// A key with this name.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Processing the STEP file of `id` as a whole.
    #[must_use]
    pub fn step_processing(id: impl fmt::Display) -> Self {
        Self::new(format!("step_processing_lock:{id}"))
    }

    /// Making the canonical GLB of `id`.
    #[must_use]
    pub fn glb_geometry(id: impl fmt::Display) -> Self {
        Self::new(format!("glb_geometry_lock:{id}"))
    }

    /// Making the USD master of `id`.
    #[must_use]
    pub fn usd_master(id: impl fmt::Display) -> Self {
        Self::new(format!("usd_master_lock:{id}"))
    }

    /// Making the compressed GLB of `id`.
    #[must_use]
    pub fn web_glb(id: impl fmt::Display) -> Self {
        Self::new(format!("web_glb_lock:{id}"))
    }

    /// Drawing the thumbnail of `id`.
    #[must_use]
    pub fn thumbnail(id: impl fmt::Display) -> Self {
        Self::new(format!("thumbnail_lock:{id}"))
    }

    /// Tessellating the bytes with this `hash` by this `recipe`, whatever their file is called.
    #[must_use]
    pub fn tessellation(hash: impl fmt::Display, recipe: impl fmt::Display) -> Self {
        Self::new(format!("tessellation_lock:{hash}:{recipe}"))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_as_other_workers_name_them() {
        let keys = [
            (LockKey::step_processing(7), "step_processing_lock:7"),
            (LockKey::glb_geometry(7), "glb_geometry_lock:7"),
            (LockKey::usd_master(7), "usd_master_lock:7"),
            (LockKey::web_glb(7), "web_glb_lock:7"),
            (LockKey::thumbnail(7), "thumbnail_lock:7"),
            (LockKey::tessellation("ab", "cd"), "tessellation_lock:ab:cd"),
        ];
        for (key, name) in keys {
            assert_eq!(key.as_str(), name);
            assert_eq!(key.to_string(), name);
        }
    }
}
