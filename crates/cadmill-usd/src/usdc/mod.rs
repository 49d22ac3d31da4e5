//! The binary layer format, also called crate, in version 0.8.0.
//!
//! Source: OpenUSD, `pxr/usd/usd/crateFile.{h,cpp}`, `crateDataTypes.h` and `crateValueInliners.h`.
//! A file consists of a bootstrap header of 88 bytes (`PXR-USDC`, the version, the offset of the
//! table of contents), the values, and six sections that the table of contents lists:
//!
//! | section | contents |
//! |---|---|
//! | `TOKENS` | all distinct texts, each terminated by a NUL, as one LZ4 block |
//! | `STRINGS` | the index of the token of each string |
//! | `FIELDS` | pairs of a token (the name) and a value representation |
//! | `FIELDSETS` | runs of field indices, each terminated by `0xFFFF_FFFF` |
//! | `PATHS` | the tree of all paths, depth first |
//! | `SPECS` | the path, the run of fields and the type of each spec |
//!
//! A value representation has 64 bits: flags for arrays, inlined and compressed values, the type,
//! and 48 bits with the value itself or its offset in the file.

mod integers;
mod lz4;
mod numbers;
mod tables;
mod values;

use std::collections::HashMap;

use crate::{
    Attribute, Layer, ListOp, PrimSpec, Property, Relationship, Specifier, Token, UsdError, Value,
    Variability,
};
use tables::{Paths, Strings, Tokens};

/// The version written, which is the oldest that supports everything this crate writes.
pub const VERSION: [u8; 3] = [0, 8, 0];

const BOOTSTRAP_BYTES: usize = 88;
/// Offsets have 48 bits.
const MAX_FILE_BYTES: u64 = 1 << 48;
/// Terminates a run of fields.
const END_OF_RUN: u32 = u32::MAX;

/// Returns the contents of a `.usdc` file. Equal layers result in equal bytes.
///
/// # Errors
/// If a name is not an identifier, two specs have the same path, a text contains a NUL, or a limit
/// of the format is exceeded.
pub fn write(layer: &Layer) -> Result<Vec<u8>, UsdError> {
    let mut writer = Writer::default();
    writer.output.resize(BOOTSTRAP_BYTES, 0);
    writer.layer(layer)?;
    writer.finish()
}

/// The type of a spec, with the numbers of `SdfSpecType`.
#[derive(Clone, Copy)]
enum SpecType {
    Attribute = 1,
    Prim = 6,
    PseudoRoot = 7,
    Relationship = 8,
}

struct Spec {
    path: u32,
    fields: u32,
    of: SpecType,
}

#[derive(Default)]
struct Writer {
    output: Vec<u8>,
    tokens: Tokens,
    strings: Strings,
    paths: Paths,
    /// The representations of values already written.
    written: HashMap<(u8, Vec<u8>), u64>,
    fields: Vec<(u32, u64)>,
    field_indices: HashMap<(u32, u64), u32>,
    field_sets: Vec<u32>,
    field_set_indices: HashMap<Vec<u32>, u32>,
    specs: Vec<Spec>,
}

impl Writer {
    fn layer(&mut self, layer: &Layer) -> Result<(), UsdError> {
        let prims = layer.prims();
        let mut children = vec![Vec::new(); prims.len()];
        let mut roots = Vec::new();
        for prim in prims {
            let siblings = match prim.parent {
                Some(parent) => &mut children[parent.0],
                None => &mut roots,
            };
            siblings.push(prim.name.clone());
        }

        let mut fields = Vec::new();
        for (name, value) in &layer.fields {
            if !matches!(name.as_str(), "subLayers" | "subLayerOffsets") {
                fields.push(self.field(name, value)?);
            }
        }
        // USD reads out of bounds if a layer has only one of the two lists.
        if !layer.sublayers.is_empty() {
            let paths = layer.sublayers.iter().map(|l| l.asset_path.clone());
            let paths = Value::StringVector(paths.collect());
            let offsets = layer.sublayers.iter().map(|l| l.offset).collect();
            let offsets = Value::LayerOffsetVector(offsets);
            fields.push(self.field(&"subLayers".into(), &paths)?);
            fields.push(self.field(&"subLayerOffsets".into(), &offsets)?);
        }
        self.name_list("primChildren", roots, &mut fields)?;
        self.spec(Paths::ROOT, SpecType::PseudoRoot, fields)?;

        let mut paths = Vec::with_capacity(prims.len());
        for (prim, children) in prims.iter().zip(children) {
            let parent = prim.parent.map_or(Paths::ROOT, |parent| paths[parent.0]);
            paths.push(self.prim(parent, prim, children)?);
        }
        Ok(())
    }

    fn prim(
        &mut self,
        parent: u32,
        prim: &PrimSpec,
        children: Vec<Token>,
    ) -> Result<u32, UsdError> {
        if !crate::is_identifier(prim.name.as_str()) {
            return Err(UsdError::Name(prim.name.to_string()));
        }
        let token = self.tokens.index(prim.name.as_str())?;
        let path = self.paths.child(parent, token, false)?;

        let specifier = Value::Specifier(prim.specifier);
        let mut fields = vec![self.field(&"specifier".into(), &specifier)?];
        if let Some(type_name) = &prim.type_name {
            fields.push(self.field(&"typeName".into(), &Value::Token(type_name.clone()))?);
        }
        for (name, value) in &prim.fields {
            fields.push(self.field(name, value)?);
        }
        let names = prim.properties.iter().map(|p| p.name().clone());
        self.name_list("properties", names.collect(), &mut fields)?;
        self.name_list("primChildren", children, &mut fields)?;
        self.spec(path, SpecType::Prim, fields)?;
        for property in &prim.properties {
            self.property(path, property)?;
        }
        Ok(path)
    }

    fn property(&mut self, prim: u32, property: &Property) -> Result<(), UsdError> {
        let name = property.name().as_str();
        if !crate::path::is_property_name(name) {
            return Err(UsdError::Name(name.to_owned()));
        }
        let token = self.tokens.index(name)?;
        let path = self.paths.child(prim, token, true)?;
        match property {
            Property::Attribute(attribute) => self.attribute(path, attribute),
            Property::Relationship(relationship) => self.relationship(path, relationship),
        }
    }

    fn attribute(&mut self, path: u32, attribute: &Attribute) -> Result<(), UsdError> {
        let type_name = Value::Token(attribute.type_name.clone());
        let mut fields = vec![self.field(&"typeName".into(), &type_name)?];
        if attribute.custom {
            fields.push(self.field(&"custom".into(), &Value::Bool(true))?);
        }
        if attribute.variability == Variability::Uniform {
            let variability = Value::Variability(Variability::Uniform);
            fields.push(self.field(&"variability".into(), &variability)?);
        }
        if let Some(default) = &attribute.default {
            fields.push(self.field(&"default".into(), default)?);
        }
        if !attribute.connections.is_empty() {
            let connections = ListOp::explicit(attribute.connections.iter().cloned());
            let connections = Value::PathListOp(connections);
            fields.push(self.field(&"connectionPaths".into(), &connections)?);
        }
        for (name, value) in &attribute.fields {
            fields.push(self.field(name, value)?);
        }
        self.spec(path, SpecType::Attribute, fields)
    }

    fn relationship(&mut self, path: u32, relationship: &Relationship) -> Result<(), UsdError> {
        let variability = Value::Variability(Variability::Uniform);
        let mut fields = vec![self.field(&"variability".into(), &variability)?];
        if relationship.custom {
            fields.push(self.field(&"custom".into(), &Value::Bool(true))?);
        }
        let targets = Value::PathListOp(relationship.targets.clone());
        fields.push(self.field(&"targetPaths".into(), &targets)?);
        for (name, value) in &relationship.fields {
            fields.push(self.field(name, value)?);
        }
        self.spec(path, SpecType::Relationship, fields)
    }

    fn name_list(
        &mut self,
        field: &'static str,
        names: Vec<Token>,
        fields: &mut Vec<u32>,
    ) -> Result<(), UsdError> {
        if !names.is_empty() {
            fields.push(self.field(&field.into(), &Value::TokenVector(names))?);
        }
        Ok(())
    }

    /// Returns the index of the field with this name and value.
    fn field(&mut self, name: &Token, value: &Value) -> Result<u32, UsdError> {
        let field = (self.tokens.index(name.as_str())?, self.value(value)?);
        let next = tables::index("fields", self.fields.len())?;
        let index = *self.field_indices.entry(field).or_insert(next);
        if index == next {
            self.fields.push(field);
        }
        Ok(index)
    }

    fn spec(&mut self, path: u32, of: SpecType, fields: Vec<u32>) -> Result<(), UsdError> {
        if !self.paths.reserve_for_spec(path) {
            return Err(UsdError::Duplicate(self.paths.text(path, &self.tokens)));
        }
        let next = tables::index("fields of specs", self.field_sets.len())?;
        let fields = if let Some(&index) = self.field_set_indices.get(&fields) {
            index
        } else {
            self.field_sets.extend(&fields);
            self.field_sets.push(END_OF_RUN);
            self.field_set_indices.insert(fields, next);
            next
        };
        self.specs.push(Spec { path, fields, of });
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>, UsdError> {
        let mut sections = Vec::new();
        let mut section = |output: &mut Vec<u8>, name: &'static str, content: Vec<u8>| {
            sections.push((name, output.len() as u64, content.len() as u64));
            output.extend(content);
        };
        section(&mut self.output, "TOKENS", self.tokens.section()?);
        section(&mut self.output, "STRINGS", self.strings.section());
        section(&mut self.output, "FIELDS", fields_section(&self.fields)?);
        let field_sets = counted_integers(&self.field_sets)?;
        section(&mut self.output, "FIELDSETS", field_sets);
        section(&mut self.output, "PATHS", self.paths.section()?);
        section(&mut self.output, "SPECS", specs_section(&self.specs)?);

        let contents_start = self.output.len() as u64;
        UsdError::check_limit("bytes in a layer", contents_start, MAX_FILE_BYTES)?;
        self.output.extend((sections.len() as u64).to_le_bytes());
        for (name, start, size) in sections {
            let mut name_bytes = [0; 16];
            name_bytes[..name.len()].copy_from_slice(name.as_bytes());
            self.output.extend(name_bytes);
            self.output.extend(start.to_le_bytes());
            self.output.extend(size.to_le_bytes());
        }
        self.output[..8].copy_from_slice(b"PXR-USDC");
        self.output[8..11].copy_from_slice(&VERSION);
        self.output[16..24].copy_from_slice(&contents_start.to_le_bytes());
        Ok(self.output)
    }
}

fn fields_section(fields: &[(u32, u64)]) -> Result<Vec<u8>, UsdError> {
    let mut output = (fields.len() as u64).to_le_bytes().to_vec();
    let tokens = fields.iter().map(|&(token, _)| token as i32);
    append_sized(&mut output, &integers::compress_i32(tokens)?);
    let values: Vec<u8> = fields.iter().flat_map(|(_, v)| v.to_le_bytes()).collect();
    append_sized(&mut output, &lz4::compress(&values)?);
    Ok(output)
}

fn specs_section(specs: &[Spec]) -> Result<Vec<u8>, UsdError> {
    let mut output = (specs.len() as u64).to_le_bytes().to_vec();
    for column in [
        integers::compress_i32(specs.iter().map(|spec| spec.path as i32))?,
        integers::compress_i32(specs.iter().map(|spec| spec.fields as i32))?,
        integers::compress_i32(specs.iter().map(|spec| spec.of as i32))?,
    ] {
        append_sized(&mut output, &column);
    }
    Ok(output)
}

fn counted_integers(integers: &[u32]) -> Result<Vec<u8>, UsdError> {
    let mut output = (integers.len() as u64).to_le_bytes().to_vec();
    let compressed = integers::compress_i32(integers.iter().map(|&i| i as i32))?;
    append_sized(&mut output, &compressed);
    Ok(output)
}

/// Appends the size of `content`, then `content`.
fn append_sized(output: &mut Vec<u8>, content: &[u8]) {
    output.extend((content.len() as u64).to_le_bytes());
    output.extend(content);
}

impl Specifier {
    /// The number in `SdfSpecifier`.
    fn code(self) -> u32 {
        match self {
            Self::Def => 0,
            Self::Over => 1,
            Self::Class => 2,
        }
    }
}

impl Variability {
    /// The number in `SdfVariability`.
    fn code(self) -> u32 {
        match self {
            Self::Varying => 0,
            Self::Uniform => 1,
        }
    }
}
