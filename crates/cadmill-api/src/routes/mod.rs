//! One file per resource: its routes, what they take and give, and their documentation.

pub(crate) mod bulk;
pub(crate) mod cad;
pub(crate) mod cad_list;
pub(crate) mod content;
pub(crate) mod documentation;
pub(crate) mod health;
pub(crate) mod materials;
pub(crate) mod media;
pub(crate) mod parts;
pub(crate) mod source;
pub(crate) mod timeline;
pub(crate) mod tokens;
pub(crate) mod upload;
pub(crate) mod work;
