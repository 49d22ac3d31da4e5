//! The geometry layer: prototypes, occurrences and meshes. It does not depend on materials.

use cadmill_scene::{Occurrence, OccurrenceIndex, Part, Scene};
use glam::DAffine3;

use super::{
    mesh::Mesh,
    plan::{Instance, PROTOTYPES, PartPlan, Plan},
    text,
};
use crate::{
    Attribute, Dictionary, Layer, ListOp, PrimId, Reference, Specifier, Token, UsdError, Value,
};

pub(super) fn layer(plan: &Plan, scene: &Scene) -> Result<Layer, UsdError> {
    let mut layer = plan.layer();
    let root = layer.add_prim(None, Specifier::Def, "Xform", plan.root_name());
    let prototypes = layer.add_prim(Some(root), Specifier::Class, "Scope", PROTOTYPES);
    for (part, planned) in scene.parts.iter().zip(&plan.parts) {
        add_prototype(&mut layer, prototypes, part, planned)?;
    }
    let mut prims: Vec<PrimId> = Vec::with_capacity(scene.occurrences.len());
    for index in 0..scene.occurrences.len() {
        let parent = scene.occurrences[index].parent;
        let parent = parent.map_or(root, |parent| prims[parent.0]);
        prims.push(add_occurrence(
            &mut layer,
            parent,
            OccurrenceIndex(index),
            plan,
            scene,
        ));
    }
    Ok(layer)
}

fn add_prototype(
    layer: &mut Layer,
    prototypes: PrimId,
    part: &Part,
    planned: &PartPlan,
) -> Result<(), UsdError> {
    let name = planned.name.clone();
    let prototype = layer.add_prim(Some(prototypes), Specifier::Def, "Xform", name);
    layer
        .prim_mut(prototype)
        .display_name(text(&part.name))
        .custom_data(part_data(part));
    if planned.primitives.is_empty() {
        return Ok(());
    }

    let mesh = Mesh::of(part, &planned.primitives)?;
    let name = planned.mesh.clone();
    let prim = layer.add_prim(Some(prototype), Specifier::Def, "Mesh", name);
    for (name, faces) in planned.subsets.iter().zip(mesh.subsets()) {
        let subset = layer.add_prim(Some(prim), Specifier::Def, "GeomSubset", name.clone());
        layer
            .prim_mut(subset)
            .attribute(uniform_token("elementType", "face"))
            .attribute(uniform_token("familyName", "materialBind"))
            .attribute(Attribute::new("indices", "int[]", Value::IntArray(faces)));
    }
    let prim = layer.prim_mut(prim);
    prim.display_name(text(&part.name));
    add_mesh_attributes(prim, mesh);
    if !planned.subsets.is_empty() {
        let family = "subsetFamily:materialBind:familyType";
        prim.attribute(uniform_token(family, "partition"));
    }
    Ok(())
}

fn add_mesh_attributes(prim: &mut crate::PrimSpec, mesh: Mesh) {
    let extent = Value::Vec3fArray(mesh.extent().to_vec());
    let counts = Value::IntArray(vec![3; mesh.indices.len() / 3]);
    let interpolation = Value::token("vertex");
    let normals = Attribute::new("normals", "normal3f[]", Value::Vec3fArray(mesh.normals));
    let points = Value::Vec3fArray(mesh.points);
    prim.attribute(Attribute::new("extent", "float3[]", extent))
        // Shells may be open, so that back faces are visible.
        .attribute(Attribute::new("doubleSided", "bool", Value::Bool(true)).uniform())
        .attribute(uniform_token("orientation", "rightHanded"))
        .attribute(uniform_token("subdivisionScheme", "none"))
        .attribute(Attribute::new("faceVertexCounts", "int[]", counts))
        .attribute(Attribute::new(
            "faceVertexIndices",
            "int[]",
            Value::IntArray(mesh.indices),
        ))
        .attribute(Attribute::new("points", "point3f[]", points))
        .attribute(normals.with("interpolation", interpolation));
}

fn add_occurrence(
    layer: &mut Layer,
    parent: PrimId,
    index: OccurrenceIndex,
    plan: &Plan,
    scene: &Scene,
) -> PrimId {
    let (occurrence, planned) = (&scene.occurrences[index.0], &plan.occurrences[index.0]);
    let name = planned.name.clone();
    let id = layer.add_prim(Some(parent), Specifier::Def, "Xform", name);
    let is_leaf = planned.instance == Instance::Itself;
    let prim = layer.prim_mut(id);
    prim.display_name(text(&occurrence.name))
        .kind(if is_leaf { "component" } else { "group" })
        .custom_data(occurrence_data(occurrence));
    add_transform(prim, &occurrence.transform);

    let Some(part) = occurrence.part else {
        return id;
    };
    let instance = match &planned.instance {
        Instance::Child(name) => {
            let name = name.clone();
            let child = layer.add_prim(Some(id), Specifier::Def, "Xform", name);
            let name = text(&scene.parts[part.0].name);
            layer.prim_mut(child).display_name(name).kind("component");
            child
        }
        Instance::Itself | Instance::None => id,
    };
    let prototype = Reference::internal(plan.parts[part.0].path.clone());
    layer
        .prim_mut(instance)
        .instanceable()
        .references(ListOp::prepend([prototype]));
    id
}

fn add_transform(prim: &mut crate::PrimSpec, transform: &DAffine3) {
    if *transform == DAffine3::IDENTITY {
        return;
    }
    let axes = transform.matrix3;
    let row = |vector: glam::DVec3, last| [vector.x, vector.y, vector.z, last];
    let matrix = Value::Matrix4d([
        row(axes.x_axis, 0.0),
        row(axes.y_axis, 0.0),
        row(axes.z_axis, 0.0),
        row(transform.translation, 1.0),
    ]);
    let order = Value::TokenArray(vec![Token::from("xformOp:transform")]);
    prim.attribute(Attribute::new("xformOp:transform", "matrix4d", matrix))
        .attribute(Attribute::new("xformOpOrder", "token[]", order).uniform());
}

fn uniform_token(name: &'static str, value: &'static str) -> Attribute {
    Attribute::new(name, "token", Value::token(value)).uniform()
}

/// Returns the custom data of a part, which instances inherit from their prototype.
fn part_data(part: &Part) -> Dictionary {
    let mut data = Dictionary::new();
    data.insert("partKey".to_owned(), Value::string(text(part.key.as_str())));
    if let Some(physical) = &part.physical {
        let mut material = Dictionary::new();
        material.insert("name".to_owned(), Value::string(text(&physical.name)));
        if let Some(density) = physical.density_kg_m3 {
            material.insert("densityKgPerM3".to_owned(), Value::Double(density));
        }
        data.insert("physicalMaterial".to_owned(), Value::Dictionary(material));
    }
    insert_layers(&mut data, "partLayers", &part.layers);
    super::namespaced(data)
}

fn occurrence_data(occurrence: &Occurrence) -> Dictionary {
    let mut data = Dictionary::new();
    let mut insert = |key: &str, value: &str| {
        data.insert(key.to_owned(), Value::string(text(value)));
    };
    insert("occurrenceKey", occurrence.key.as_str());
    insert("productId", &occurrence.product_id);
    if let Some(designator) = &occurrence.designator {
        insert("designator", designator);
    }
    insert_layers(&mut data, "layers", &occurrence.layers);
    super::namespaced(data)
}

fn insert_layers(data: &mut Dictionary, key: &str, layers: &[String]) {
    if !layers.is_empty() {
        let layers = layers.iter().map(|layer| text(layer)).collect();
        data.insert(key.to_owned(), Value::StringArray(layers));
    }
}
