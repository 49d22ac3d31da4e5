//! The USD master: a scene as four layers, only one of which depends on materials.
//!
//! ```text
//! root.usdc       the default prim (kind assembly, assetInfo, source hash) and its payload
//! └ payload.usdc  sublayers, strongest first
//!   ├ materials.usdc  materials, bindings on prototypes, prototypes of individual occurrences
//!   └ geometry.usdc   prototypes with meshes below one class prim, and the occurrences
//! ```
//!
//! Z is up, and lengths are in metres. The names of the CAD file are the unchanged `displayName` of
//! the prims; prim names are ASCII and unique below their parent. An occurrence of a part is an
//! instance of the part's prototype; if it also has children, the instance is an additional child.
//! An occurrence with its own material is an instance of an additional prototype, which references
//! the original one and binds the other material. Clients that ignore bindings on instances thus
//! show the right material.
//!
//! The `customData` of prims contains a dictionary `cadmill`. On the default prim it has the keys
//! `sourceHash`, `recipe` and `converter`; on occurrences `occurrenceKey`, `productId`,
//! `designator` and `layers`; on prototypes, and therefore on their instances, `partKey`,
//! `partLayers` and `physicalMaterial` (`name`, `densityKgPerM3`).
//!
//! Meshes are double-sided, since shells may be open. The transform of a mirrored occurrence has a
//! negative determinant and no other mark, as USD requires.

mod check;
mod geometry;
mod materials;
mod mesh;
mod names;
mod plan;

use cadmill_scene::{Overlay, Scene};

use crate::{Dictionary, Layer, ListOp, Payload, Specifier, UsdError, Value, usdc, usdz};
use plan::Plan;

/// The name of the layer to open.
pub const ROOT: &str = "root.usdc";
/// The name of the layer that the root layer loads on demand.
pub const PAYLOAD: &str = "payload.usdc";
/// The name of the layer with meshes and transforms.
pub const GEOMETRY: &str = "geometry.usdc";
/// The name of the layer with materials. It is the last in the package, and the only one that
/// depends on materials.
pub const MATERIALS: &str = "materials.usdc";

/// The contents of all layers of a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsdMaster {
    layers: [(&'static str, Vec<u8>); 4],
}

/// Builds the master of a scene. Equal scenes and overlays result in equal bytes.
///
/// # Errors
/// If the scene is invalid or exceeds the limits of the format.
pub fn build(scene: &Scene, overlay: &Overlay) -> Result<UsdMaster, UsdError> {
    check::check(scene, overlay)?;
    let plan = Plan::new(scene)?;
    Ok(UsdMaster {
        layers: [
            (ROOT, usdc::write(&root(&plan, scene))?),
            (PAYLOAD, usdc::write(&payload(&plan))?),
            (GEOMETRY, usdc::write(&geometry::layer(&plan, scene)?)?),
            (
                MATERIALS,
                usdc::write(&materials::layer(&plan, scene, overlay)?)?,
            ),
        ],
    })
}

impl UsdMaster {
    /// Returns the name and contents of each layer, in the order of the package. Stored in one
    /// folder under these names, the layers can also be used without a package.
    #[must_use]
    pub fn layers(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> + DoubleEndedIterator {
        self.layers
            .iter()
            .map(|(name, bytes)| (*name, bytes.as_slice()))
    }

    /// Packs the layers.
    ///
    /// # Errors
    /// If the package would reach 4 GiB, which the format does not allow.
    pub fn to_usdz(&self) -> Result<Vec<u8>, UsdError> {
        usdz::package(&self.layers)
    }
}

fn root(plan: &Plan, scene: &Scene) -> Layer {
    let provenance = &scene.provenance;
    let hash = provenance.source_hash.to_string();
    let mut roots = scene.occurrences.iter().filter(|o| o.parent.is_none());
    let name = match (roots.next(), roots.next()) {
        (Some(only), None) => text(&only.name),
        _ => plan.root_name().to_string(),
    };
    let asset = Dictionary::from([
        ("name".to_owned(), Value::string(name.clone())),
        ("version".to_owned(), Value::string(hash.clone())),
    ]);
    let data = Dictionary::from([
        ("sourceHash".to_owned(), Value::string(hash)),
        (
            "recipe".to_owned(),
            Value::string(provenance.recipe.as_str()),
        ),
        (
            "converter".to_owned(),
            Value::string(text(&provenance.converter)),
        ),
    ]);
    let mut layer = plan.layer();
    let prim = layer.add_prim(None, Specifier::Def, "Xform", plan.root_name());
    layer
        .prim_mut(prim)
        .kind("assembly")
        .display_name(name)
        .set("assetInfo", Value::Dictionary(asset))
        .custom_data(namespaced(data))
        .payloads(ListOp::prepend([Payload {
            asset_path: format!("./{PAYLOAD}"),
            ..Payload::default()
        }]));
    layer
}

fn payload(plan: &Plan) -> Layer {
    let mut layer = plan.layer();
    layer
        .sublayer(format!("./{MATERIALS}"))
        .sublayer(format!("./{GEOMETRY}"));
    layer
}

/// Puts `data` into a dictionary for this program.
fn namespaced(data: Dictionary) -> Dictionary {
    Dictionary::from([("cadmill".to_owned(), Value::Dictionary(data))])
}

/// Removes NUL characters, which terminate texts in USD.
fn text(text: &str) -> String {
    text.replace('\0', "")
}
