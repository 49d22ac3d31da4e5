//! The material layer, the only one that depends on materials: materials, their bindings, and
//! additional prototypes for parts that some occurrences show in their own material.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cadmill_scene::{Material, MaterialIndex, OccurrenceIndex, Overlay, PartIndex, Scene};

use super::{
    names::Names,
    plan::{Instance, MATERIALS, PROTOTYPES, PartPlan, Plan},
    text,
};
use crate::{
    Attribute, Dictionary, Layer, ListOp, Path, PrimId, Reference, Relationship, Specifier,
    UsdError, Value,
};

pub(super) fn layer(plan: &Plan, scene: &Scene, overlay: &Overlay) -> Result<Layer, UsdError> {
    let mut layer = plan.layer();
    keep_unmatched(&mut layer, overlay);
    let root = layer.add_prim(None, Specifier::Over, "", plan.root_name());
    let mut writer = Writer {
        plan,
        scene,
        overlay,
        layer,
        root,
        materials: BTreeMap::new(),
    };
    let overrides = writer.overrides();
    writer.add_materials(&overrides)?;
    let prototypes = writer.bind_prototypes(&overrides)?;
    writer.reference_prototypes(&overrides, &prototypes);
    Ok(writer.layer)
}

/// Stores unmatched material keys, since a later revision of the file may contain their parts.
fn keep_unmatched(layer: &mut Layer, overlay: &Overlay) {
    if overlay.unmatched.is_empty() {
        return;
    }
    let keys = overlay.unmatched.iter().map(|key| text(key.as_str()));
    let keys = Value::StringArray(keys.collect());
    let data = Dictionary::from([("unmatchedMaterialKeys".to_owned(), keys)]);
    layer.set(
        "customLayerData",
        Value::Dictionary(super::namespaced(data)),
    );
}

/// A part in the material of an occurrence.
type Variant = (PartIndex, MaterialIndex);

struct Writer<'a> {
    plan: &'a Plan,
    scene: &'a Scene,
    overlay: &'a Overlay,
    layer: Layer,
    root: PrimId,
    /// The paths of the materials in use.
    materials: BTreeMap<MaterialIndex, Path>,
}

impl Writer<'_> {
    /// Returns the occurrences whose material differs from that of their part.
    fn overrides(&self) -> Vec<(OccurrenceIndex, Variant)> {
        let occurrences = self.scene.occurrences.iter().enumerate();
        occurrences
            .filter_map(|(index, occurrence)| {
                let part = occurrence.part?;
                let index = OccurrenceIndex(index);
                let material = self.overlay.occurrence_material(self.scene, index)?;
                let mut primitives = self.plan.parts[part.0].primitives.iter();
                let differs = primitives.any(|&p| self.primitive_material(part, p) != material);
                differs.then_some((index, (part, material)))
            })
            .collect()
    }

    fn primitive_material(&self, part: PartIndex, primitive: usize) -> MaterialIndex {
        self.overlay.primitive_material(self.scene, part, primitive)
    }

    fn add_materials(&mut self, overrides: &[(OccurrenceIndex, Variant)]) -> Result<(), UsdError> {
        let part_materials = self
            .plan
            .parts
            .iter()
            .enumerate()
            .flat_map(|(index, part)| {
                let primitives = part.primitives.iter();
                primitives.map(move |&primitive| (PartIndex(index), primitive))
            });
        let mut used: BTreeSet<MaterialIndex> = part_materials
            .map(|(part, primitive)| self.primitive_material(part, primitive))
            .collect();
        used.extend(overrides.iter().map(|&(_, (_, material))| material));
        if used.is_empty() {
            return Ok(());
        }

        let root = Some(self.root);
        let scope = self
            .layer
            .add_prim(root, Specifier::Def, "Scope", MATERIALS);
        let scope_path = self.plan.root.child(MATERIALS)?;
        let mut names = Names::default();
        for index in used {
            let material = self.overlay.material(self.scene, index);
            let name = names.unique(&material.name, "Material");
            let path = scope_path.child(&name)?;
            add_material(&mut self.layer, scope, name, &path, material)?;
            self.materials.insert(index, path);
        }
        Ok(())
    }

    /// Binds the materials of all prototypes, and adds the prototypes for `overrides`.
    fn bind_prototypes(
        &mut self,
        overrides: &[(OccurrenceIndex, Variant)],
    ) -> Result<HashMap<Variant, Path>, UsdError> {
        let root = Some(self.root);
        let scope = self.layer.add_prim(root, Specifier::Over, "", PROTOTYPES);
        for (index, part) in self.plan.parts.iter().enumerate() {
            if !part.primitives.is_empty() {
                let name = part.name.clone();
                let prim = self.layer.add_prim(Some(scope), Specifier::Over, "", name);
                self.bind(prim, part, |writer, primitive| {
                    writer.primitive_material(PartIndex(index), primitive)
                });
            }
        }

        let scope_path = self.plan.root.child(PROTOTYPES)?;
        let mut names = self.plan.prototype_names.clone();
        let mut prototypes = HashMap::new();
        for &(_, variant) in overrides {
            if prototypes.contains_key(&variant) {
                continue;
            }
            let (index, material) = variant;
            let part = &self.plan.parts[index.0];
            let material_name = &self.overlay.material(self.scene, material).name;
            let name = names.unique(&format!("{}_{material_name}", part.name), "Part");
            prototypes.insert(variant, scope_path.child(&name)?);
            let prim = self
                .layer
                .add_prim(Some(scope), Specifier::Def, "Xform", name);
            let first = ListOp::prepend([Reference::internal(part.path.clone())]);
            self.layer.prim_mut(prim).references(first);
            self.bind(prim, part, |_, _| material);
        }
        Ok(prototypes)
    }

    /// Binds materials to the mesh below `prototype`, or to each of its subsets.
    fn bind(
        &mut self,
        prototype: PrimId,
        part: &PartPlan,
        material: impl Fn(&Self, usize) -> MaterialIndex,
    ) {
        let name = part.mesh.clone();
        let mesh = self
            .layer
            .add_prim(Some(prototype), Specifier::Over, "", name);
        for (position, &primitive) in part.primitives.iter().enumerate() {
            let prim = match part.subsets.get(position) {
                Some(subset) => {
                    let subset = subset.clone();
                    self.layer.add_prim(Some(mesh), Specifier::Over, "", subset)
                }
                None => mesh,
            };
            let target = self.materials[&material(self, primitive)].clone();
            self.layer
                .prim_mut(prim)
                .prepend_api_schemas(&["MaterialBindingAPI"])
                .relationship(Relationship::new("material:binding", [target]));
        }
    }

    /// Makes each occurrence with its own material an instance of the corresponding prototype.
    fn reference_prototypes(
        &mut self,
        overrides: &[(OccurrenceIndex, Variant)],
        prototypes: &HashMap<Variant, Path>,
    ) {
        let mut overs = HashMap::new();
        for (occurrence, variant) in overrides {
            let mut prim = self.over(*occurrence, &mut overs);
            if let Instance::Child(name) = &self.plan.occurrences[occurrence.0].instance {
                let name = name.clone();
                prim = self.layer.add_prim(Some(prim), Specifier::Over, "", name);
            }
            // An explicit list replaces the reference to the original prototype.
            let prototype = Reference::internal(prototypes[variant].clone());
            let references = ListOp::explicit([prototype]);
            self.layer.prim_mut(prim).references(references);
        }
    }

    /// Returns the over of an occurrence. Adds it and those of its ancestors if they do not exist.
    fn over(
        &mut self,
        occurrence: OccurrenceIndex,
        overs: &mut HashMap<OccurrenceIndex, PrimId>,
    ) -> PrimId {
        let mut missing = Vec::new();
        let mut at = Some(occurrence);
        while let Some(index) = at.filter(|index| !overs.contains_key(index)) {
            missing.push(index);
            at = self.scene.occurrences[index.0].parent;
        }
        let mut prim = at.map_or(self.root, |index| overs[&index]);
        for index in missing.into_iter().rev() {
            let name = self.plan.occurrences[index.0].name.clone();
            prim = self.layer.add_prim(Some(prim), Specifier::Over, "", name);
            overs.insert(index, prim);
        }
        prim
    }
}

fn add_material(
    layer: &mut Layer,
    scope: PrimId,
    name: String,
    path: &Path,
    material: &Material,
) -> Result<(), UsdError> {
    let [red, green, blue, opacity] = material.base_color;
    let surface = path.child("Surface")?.property("outputs:surface")?;
    let prim = layer.add_prim(Some(scope), Specifier::Def, "Material", name);
    layer
        .prim_mut(prim)
        .display_name(text(&material.name))
        .attribute(Attribute::declared("outputs:surface", "token").connected_to(surface));
    let shader = layer.add_prim(Some(prim), Specifier::Def, "Shader", "Surface");
    let id = Attribute::new("info:id", "token", Value::token("UsdPreviewSurface"));
    let color = Value::Vec3f([red, green, blue]);
    let number = |name: &'static str, value| Attribute::new(name, "float", Value::Float(value));
    layer
        .prim_mut(shader)
        .attribute(id.uniform())
        .attribute(Attribute::new("inputs:diffuseColor", "color3f", color))
        .attribute(number("inputs:metallic", material.metallic))
        .attribute(number("inputs:roughness", material.roughness))
        .attribute(number("inputs:opacity", opacity))
        .attribute(Attribute::declared("outputs:surface", "token"));
    Ok(())
}
