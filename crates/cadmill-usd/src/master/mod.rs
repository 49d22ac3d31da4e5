//! The USD master: a scene as four layers, of which a change of materials rewrites one.
//!
//! ```text
//! root.usdc       the default prim (kind assembly, assetInfo, hash of the source) and its payload
//! └ payload.usdc  sublayers, the stronger first
//!   ├ materials.usdc  materials, bindings on the prototypes, prototypes of single occurrences
//!   └ geometry.usdc   prototypes with their meshes below one class prim, and the occurrences
//! ```
//!
//! Z is up, lengths are metres. Every name of the CAD file is the `displayName` of a prim, unchanged;
//! prim names are ASCII, and unique below their parent. An occurrence that shows a part is an
//! instance of the part's prototype; one that has children as well shows its part through a child.
//! An occurrence with a material of its own is an instance of a prototype of its own, which
//! references the first and rebinds: clients that do not look for bindings on instances show it too.
//!
//! `customData` of the prims has a dictionary `cadmill`, with `sourceHash`, `recipe` and
//! `converter` on the default prim; `occurrenceKey`, `productId`, `designator` and `layers` on
//! occurrences; `partKey`, `partLayers` and `physicalMaterial` (`name`, `densityKgPerM3`) on
//! prototypes, and thereby on their instances.
//!
//! Meshes are double-sided, since shells may be open. A mirrored occurrence has a transform with a
//! negative determinant and no other mark, as USD asks for.

mod check;
mod geometry;
mod materials;
mod mesh;
mod names;
mod plan;

use cadmill_scene::{Overlay, Scene};

use crate::{Dictionary, Layer, ListOp, Payload, Specifier, UsdError, Value, usdc, usdz};
use plan::Plan;

/// The layer to open.
pub const ROOT: &str = "root.usdc";
/// What the root layer loads on demand.
pub const PAYLOAD: &str = "payload.usdc";
/// Shapes and places.
pub const GEOMETRY: &str = "geometry.usdc";
/// Looks; last in the package, and the only one that a change of materials rewrites.
pub const MATERIALS: &str = "materials.usdc";

/// The bytes of all layers of a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsdMaster {
    layers: [(&'static str, Vec<u8>); 4],
}

/// Builds the master of a scene. Equal scenes and overlays give equal bytes.
///
/// # Errors
/// If the scene is not sound, or too large for the format.
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
    /// Name and bytes of each layer, in the order of the package. Beside one another under these
    /// names they are the master as loose files.
    #[must_use]
    pub fn layers(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> + DoubleEndedIterator {
        self.layers
            .iter()
            .map(|(name, bytes)| (*name, bytes.as_slice()))
    }

    /// The layers as one package.
    ///
    /// # Errors
    /// If it would reach 4 GiB, which a package must not.
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
    let own_data = Dictionary::from([
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
        .custom_data(own(own_data))
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

/// `data` under the name of this program, apart from that of others.
fn own(data: Dictionary) -> Dictionary {
    Dictionary::from([("cadmill".to_owned(), Value::Dictionary(data))])
}

/// `text` as USD can store it: without NUL, at which its texts end.
fn text(text: &str) -> String {
    text.replace('\0', "")
}
