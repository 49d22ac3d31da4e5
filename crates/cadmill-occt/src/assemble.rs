//! Builds the canonical scene and the report from the output of the kernel.

use std::collections::{BTreeMap, HashMap, HashSet};

use cadmill_domain::{
    ContentHash,
    tessellator::{Bounds, FaceCount, PartReport, TessellationReport, Timings},
};
use cadmill_scene::{
    Material, MaterialIndex, Occurrence, OccurrenceIndex, OccurrenceKey, Part, PartIndex, PartKey,
    PhysicalMaterial, Primitive, Provenance, Scene,
};
use glam::{DAffine3, DMat3, DVec3};

use crate::kernel::{MeshedBody, Node, PartMesh, Tree};

/// The colour of faces without one: a light, neutral grey (linear).
const DEFAULT_COLOR: [f32; 4] = [0.5, 0.5, 0.5, 1.0];
const METALLIC: f32 = 0.0;
const ROUGHNESS: f32 = 0.5;
/// The maximum length of a path in bytes before it is hashed. In assemblies that are thousands of
/// levels deep, the paths would otherwise dominate the size of the scene.
const MAX_PATH_BYTES: usize = 1024;
const METRES_PER_MM: f64 = 0.001;
const KG_M3_PER_G_MM3: f64 = 1e6;

/// Builds the scene of `tree` from the meshes of its parts.
pub(crate) fn scene(tree: &Tree, meshes: Vec<PartMesh>, provenance: Provenance) -> Scene {
    let mut materials = Materials::default();
    let names = part_names(tree);
    let parts = tree
        .parts
        .iter()
        .zip(meshes)
        .zip(&names)
        .map(|((info, mesh), names)| Part {
            key: names.key.clone(),
            name: names.name.clone(),
            physical: (!info.material.is_empty()).then(|| PhysicalMaterial {
                name: info.material.clone(),
                density_kg_m3: (info.density > 0.0).then(|| density_kg_m3(info.density)),
            }),
            layers: info.layers.clone(),
            primitives: mesh
                .primitives
                .into_iter()
                .map(|primitive| Primitive {
                    material: materials.index(primitive.color),
                    positions: primitive.positions,
                    normals: primitive.normals,
                    indices: primitive.indices,
                })
                .filter_map(|mut primitive| {
                    primitive.tidy();
                    (!primitive.indices.is_empty()).then_some(primitive)
                })
                .collect(),
        })
        .collect();
    let occurrences = occurrences(&tree.nodes, &mut materials);
    Scene {
        provenance,
        parts,
        materials: materials.all,
        occurrences,
    }
}

/// Converts g/mm³ of the kernel to kg/m³, without the rounding errors of its own conversion.
fn density_kg_m3(g_mm3: f64) -> f64 {
    const STEPS: f64 = 1e6;
    (g_mm3 * KG_M3_PER_G_MM3 * STEPS).round() / STEPS
}

/// The key and name of a part.
struct PartNames {
    key: PartKey,
    name: String,
}

/// Names each part after the product of its first occurrence. A body of a product with several has
/// no product of its own, so its key consists of the key of that product and its own name.
fn part_names(tree: &Tree) -> Vec<PartNames> {
    let mut names: Vec<Option<PartNames>> = tree.parts.iter().map(|_| None).collect();
    let mut used = Unique::default();
    for node in &tree.nodes {
        let Ok(part) = usize::try_from(node.part) else {
            continue;
        };
        if names[part].is_some() {
            continue;
        }
        let key = if node.product_id.is_empty() {
            match product_above(&tree.nodes, node) {
                Some(product) => format!("{product}/{}", node.name),
                None => node.name.clone(),
            }
        } else {
            node.product_id.clone()
        };
        names[part] = Some(PartNames {
            key: PartKey::new(used.of(key)),
            name: node.name.clone(),
        });
    }
    // Every part has a node, so all names are set.
    names.into_iter().flatten().collect()
}

/// Returns the id (or else the name) of the nearest ancestor product.
fn product_above<'a>(nodes: &'a [Node], node: &Node) -> Option<&'a str> {
    let parent = &nodes[usize::try_from(node.parent).ok()?];
    Some(if parent.product_id.is_empty() {
        &parent.name
    } else {
        &parent.product_id
    })
}

fn occurrences(nodes: &[Node], materials: &mut Materials) -> Vec<Occurrence> {
    let mut keys: Vec<String> = Vec::with_capacity(nodes.len());
    let mut used = Unique::default();
    let mut occurrences = Vec::with_capacity(nodes.len());
    for node in nodes {
        let parent = usize::try_from(node.parent).ok();
        let own = if node.designator.is_empty() {
            &node.name
        } else {
            &node.designator
        };
        let above = parent.map_or(String::new(), |parent| path_above(&keys[parent]));
        // A slash separates the elements of a path, so it is escaped within a name.
        let key = used.of(format!("{above}/{}", own.replace('/', "%2F")));
        keys.push(key.clone());
        occurrences.push(Occurrence {
            parent: parent.map(OccurrenceIndex),
            key: OccurrenceKey::new(key),
            name: node.name.clone(),
            product_id: node.product_id.clone(),
            designator: (!node.designator.is_empty()).then(|| node.designator.clone()),
            transform: transform(&node.transform),
            part: usize::try_from(node.part).ok().map(PartIndex),
            material: node.has_color.then(|| materials.index(Some(node.color))),
            layers: node.layers.clone(),
        });
    }
    occurrences
}

/// Returns the prefix of keys below `key`: `key` itself, or its hash if it is too long.
fn path_above(key: &str) -> String {
    if key.len() <= MAX_PATH_BYTES {
        return key.to_owned();
    }
    format!("/~{}", ContentHash::of(key.as_bytes()))
}

/// Converts the rows of a matrix in millimetres to a transform in metres.
fn transform(rows: &[f64; 12]) -> DAffine3 {
    let column = |i: usize| DVec3::new(rows[i], rows[4 + i], rows[8 + i]);
    DAffine3::from_mat3_translation(
        DMat3::from_cols(column(0), column(1), column(2)),
        column(3) * METRES_PER_MM,
    )
}

/// Makes equal texts unique by appending `~2`, `~3` in order of occurrence.
#[derive(Default)]
struct Unique {
    used: HashSet<String>,
    next: HashMap<String, usize>,
}

impl Unique {
    fn of(&mut self, text: String) -> String {
        if self.used.insert(text.clone()) {
            return text;
        }
        let next = self.next.entry(text.clone()).or_insert(2);
        loop {
            let candidate = format!("{text}~{next}");
            *next += 1;
            if self.used.insert(candidate.clone()) {
                return candidate;
            }
        }
    }
}

/// The materials of the colours found so far, in order of occurrence.
#[derive(Default)]
struct Materials {
    all: Vec<Material>,
    by_color: BTreeMap<Option<[u32; 4]>, MaterialIndex>,
}

impl Materials {
    fn index(&mut self, color: Option<[f32; 4]>) -> MaterialIndex {
        let bits = color.map(|color| color.map(f32::to_bits));
        *self.by_color.entry(bits).or_insert_with(|| {
            self.all.push(Material {
                name: color.map_or_else(|| "default".to_owned(), color_name),
                base_color: color.unwrap_or(DEFAULT_COLOR),
                metallic: METALLIC,
                roughness: ROUGHNESS,
            });
            MaterialIndex(self.all.len() - 1)
        })
    }
}

/// Returns the name of a colour: `#rrggbb` in sRGB, or `#rrggbbaa` if it is not opaque.
fn color_name(linear: [f32; 4]) -> String {
    let byte = |channel: f64| (channel.clamp(0.0, 1.0) * 255.0).round() as u8;
    let [r, g, b] =
        [linear[0], linear[1], linear[2]].map(|channel| byte(linear_to_srgb(f64::from(channel))));
    let alpha = byte(f64::from(linear[3]));
    if alpha == u8::MAX {
        format!("#{r:02x}{g:02x}{b:02x}")
    } else {
        format!("#{r:02x}{g:02x}{b:02x}{alpha:02x}")
    }
}

/// The inverse transfer function of sRGB (IEC 61966-2-1).
fn linear_to_srgb(channel: f64) -> f64 {
    if channel <= 0.003_130_8 {
        channel * 12.92
    } else {
        1.055 * channel.powf(1.0 / 2.4) - 0.055
    }
}

/// Results of the kernel for the report.
pub(crate) struct Found<'a> {
    pub(crate) tree: &'a Tree,
    /// Indexed by [`PartInfo::body`](crate::kernel::bridge::ffi::PartInfo).
    pub(crate) bodies: &'a [MeshedBody],
    /// The number of faces without triangles, per part.
    pub(crate) unmeshed: &'a [u64],
}

/// Builds the report on `scene`.
pub(crate) fn report(
    found: &Found<'_>,
    scene: &Scene,
    kernel: String,
    source_faces: u64,
    timings: Timings,
) -> TessellationReport {
    let mut shown = vec![0; scene.parts.len()];
    for part in scene.occurrences.iter().filter_map(|o| o.part) {
        shown[part.0] += 1;
    }
    let part_reports: Vec<PartReport> = scene
        .parts
        .iter()
        .zip(&found.tree.parts)
        .zip(found.unmeshed)
        .zip(&shown)
        .map(|(((part, info), &unmeshed), &occurrences)| (part, info, unmeshed, occurrences))
        .map(|(part, info, unmeshed, occurrences)| PartReport {
            key: part.key.as_str().to_owned(),
            name: part.name.clone(),
            occurrences,
            triangles: triangles(part),
            faces: FaceCount {
                total: info.faces,
                unmeshed,
            },
            volume_mm3: found.bodies[info.body].volume_mm3,
            area_mm2: found.bodies[info.body].area_mm2,
            bounds: found.bodies[info.body].bounds,
            deflection: found.bodies[info.body].deflection,
            material: part.physical.as_ref().map(|p| p.name.clone()),
            density_kg_m3: part.physical.as_ref().and_then(|p| p.density_kg_m3),
        })
        .collect();
    let faces = FaceCount {
        total: part_reports.iter().map(|part| part.faces.total).sum(),
        unmeshed: part_reports.iter().map(|part| part.faces.unmeshed).sum(),
    };
    let unread_faces = source_faces.saturating_sub(found.tree.faces_read);
    let all = |of: fn(&PartReport) -> f64| -> f64 {
        part_reports
            .iter()
            .map(|p| of(p) * p.occurrences as f64)
            .sum()
    };
    TessellationReport {
        kernel,
        parts: scene.parts.len(),
        occurrences: shown.iter().sum(),
        triangles: part_reports.iter().map(|part| part.triangles).sum(),
        faces,
        source_faces,
        volume_mm3: all(|part| part.volume_mm3),
        area_mm2: all(|part| part.area_mm2),
        bounds: bounds(scene),
        unread_faces,
        partial: faces.unmeshed > 0 || unread_faces > 0,
        // Set by the parent process.
        missing_geometry: Vec::new(),
        warnings: found.tree.warnings.clone(),
        retried: None,
        timings,
        part_reports,
    }
}

fn triangles(part: &Part) -> u64 {
    part.primitives
        .iter()
        .map(|p| p.indices.len() as u64 / 3)
        .sum()
}

/// Returns the bounding box of all occurrences, in millimetres.
fn bounds(scene: &Scene) -> Option<Bounds> {
    let mut placed: Vec<DAffine3> = Vec::with_capacity(scene.occurrences.len());
    let (mut min, mut max) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
    for occurrence in &scene.occurrences {
        let above = occurrence
            .parent
            .map_or(DAffine3::IDENTITY, |p| placed[p.0]);
        let world = above * occurrence.transform;
        placed.push(world);
        let Some(part) = occurrence.part else {
            continue;
        };
        for primitive in &scene.parts[part.0].primitives {
            for position in &primitive.positions {
                let point = world.transform_point3(DVec3::from_array(position.map(f64::from)));
                min = min.min(point);
                max = max.max(point);
            }
        }
    }
    (min.is_finite() && max.is_finite()).then(|| Bounds {
        min_mm: (min / METRES_PER_MM).to_array(),
        max_mm: (max / METRES_PER_MM).to_array(),
    })
}
