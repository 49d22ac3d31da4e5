//! Classifies entities by keyword, as far as the summary needs it.

/// The kinds of entities that the summary distinguishes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntityKind {
    Product,
    Formation,
    Definition,
    DefinitionContext,
    Usage,
    LengthMeasure,
    /// A document; [`DocumentFile`](Self::DocumentFile) if it is a file itself.
    Document,
    DocumentFile,
    /// Assigns a document to products.
    DocumentReference,
    /// Equates a document with a product.
    DocumentEquivalence,
    /// The location of a document.
    ExternalIdentification,
    /// The source of an externally defined item.
    ExternalSource,
    /// A representation, or an item of one, that is defined in another file.
    External,
    /// A product definition that is defined in another file.
    DefinitionReference,
    Property,
    PropertyRepresentation,
    ProductShape,
    /// Assigns a shape to a product.
    ShapeDefinition,
    ShapeRepresentation,
    ShapeRelationship,
    MappedItem,
    Face,
    Solid,
    Shell,
    Tessellated,
    /// Other geometry that can be meshed.
    Geometry,
    /// Geometry that can be drawn as a wireframe but not meshed.
    Curve,
    /// Everything else, which is most of a file.
    #[default]
    Other,
}

impl EntityKind {
    /// Returns the kind of `keyword`, which must be in upper case.
    #[rustfmt::skip]
    pub(crate) fn of(keyword: &[u8]) -> Self {
        match keyword {
            b"ADVANCED_FACE" | b"FACE_SURFACE" | b"FACE" => Self::Face,
            b"CLOSED_SHELL" | b"OPEN_SHELL" => Self::Shell,
            b"MANIFOLD_SOLID_BREP" | b"BREP_WITH_VOIDS" | b"FACETED_BREP" | b"CSG_SOLID"
            | b"EXTRUDED_AREA_SOLID" | b"REVOLVED_AREA_SOLID" | b"SWEPT_DISK_SOLID"
            | b"EXTRUDED_FACE_SOLID" | b"REVOLVED_FACE_SOLID" | b"SURFACE_CURVE_SWEPT_AREA_SOLID"
            | b"SOLID_REPLICA" => Self::Solid,

            b"TESSELLATED_SOLID" | b"TESSELLATED_SHELL" | b"TESSELLATED_WIRE"
            | b"TESSELLATED_CURVE_SET" | b"TESSELLATED_GEOMETRIC_SET" | b"TESSELLATED_FACE"
            | b"TRIANGULATED_FACE" | b"COMPLEX_TRIANGULATED_FACE" | b"TRIANGULATED_SURFACE_SET"
            | b"COMPLEX_TRIANGULATED_SURFACE_SET" | b"CUBIC_BEZIER_TRIANGULATED_FACE"
            | b"REPOSITIONED_TESSELLATED_ITEM" => Self::Tessellated,

            b"B_SPLINE_CURVE" | b"B_SPLINE_CURVE_WITH_KNOTS" | b"BOUNDED_CURVE" | b"BEZIER_CURVE"
            | b"QUASI_UNIFORM_CURVE" | b"UNIFORM_CURVE" | b"RATIONAL_B_SPLINE_CURVE"
            | b"TRIMMED_CURVE" | b"COMPOSITE_CURVE" | b"POLYLINE" | b"SEAM_CURVE"
            | b"SHELL_BASED_WIREFRAME_MODEL" | b"EDGE_BASED_WIREFRAME_MODEL"
            | b"CONNECTED_EDGE_SET" | b"GEOMETRIC_CURVE_SET" | b"WIRE_SHELL" => Self::Curve,

            b"B_SPLINE_SURFACE" | b"B_SPLINE_SURFACE_WITH_KNOTS" | b"BOUNDED_SURFACE"
            | b"BEZIER_SURFACE" | b"QUASI_UNIFORM_SURFACE" | b"UNIFORM_SURFACE"
            | b"RATIONAL_B_SPLINE_SURFACE" | b"RECTANGULAR_TRIMMED_SURFACE"
            | b"CURVE_BOUNDED_SURFACE" | b"RECTANGULAR_COMPOSITE_SURFACE"
            | b"SHELL_BASED_SURFACE_MODEL" | b"FACE_BASED_SURFACE_MODEL"
            | b"CONNECTED_FACE_SET" | b"CONNECTED_FACE_SUB_SET" | b"GEOMETRIC_SET" | b"SUBFACE"
            | b"BLOCK" | b"SPHERE" | b"TORUS" | b"RIGHT_ANGULAR_WEDGE" | b"RIGHT_CIRCULAR_CONE"
            | b"RIGHT_CIRCULAR_CYLINDER" | b"ELLIPSOID" | b"BOOLEAN_RESULT"
            | b"HALF_SPACE_SOLID" | b"BOXED_HALF_SPACE" => Self::Geometry,

            b"PRODUCT" => Self::Product,
            b"PRODUCT_DEFINITION_FORMATION"
            | b"PRODUCT_DEFINITION_FORMATION_WITH_SPECIFIED_SOURCE" => Self::Formation,
            b"PRODUCT_DEFINITION"
            | b"PRODUCT_DEFINITION_WITH_ASSOCIATED_DOCUMENTS" => Self::Definition,
            b"PRODUCT_DEFINITION_CONTEXT" | b"DESIGN_CONTEXT" => Self::DefinitionContext,
            b"NEXT_ASSEMBLY_USAGE_OCCURRENCE" => Self::Usage,
            b"LENGTH_MEASURE_WITH_UNIT" | b"MEASURE_WITH_UNIT" => Self::LengthMeasure,
            b"DOCUMENT" | b"DOCUMENT_WITH_CLASS" => Self::Document,
            b"DOCUMENT_FILE" => Self::DocumentFile,
            b"APPLIED_DOCUMENT_REFERENCE" | b"DOCUMENT_REFERENCE"
            | b"CC_DESIGN_SPECIFICATION_REFERENCE" => Self::DocumentReference,
            b"DOCUMENT_PRODUCT_EQUIVALENCE" => Self::DocumentEquivalence,
            b"APPLIED_EXTERNAL_IDENTIFICATION_ASSIGNMENT"
            | b"EXTERNAL_IDENTIFICATION_ASSIGNMENT" => Self::ExternalIdentification,
            b"EXTERNAL_SOURCE" | b"KNOWN_SOURCE" => Self::ExternalSource,
            b"EXTERNALLY_DEFINED_REPRESENTATION" | b"EXTERNALLY_DEFINED_REPRESENTATION_ITEM"
            | b"EXTERNALLY_DEFINED_GEOMETRIC_MODEL" => Self::External,
            b"PRODUCT_DEFINITION_REFERENCE" => Self::DefinitionReference,
            b"PROPERTY_DEFINITION" => Self::Property,
            b"PROPERTY_DEFINITION_REPRESENTATION" => Self::PropertyRepresentation,
            b"PRODUCT_DEFINITION_SHAPE" => Self::ProductShape,
            b"SHAPE_DEFINITION_REPRESENTATION" => Self::ShapeDefinition,
            b"SHAPE_REPRESENTATION_RELATIONSHIP" => Self::ShapeRelationship,
            b"MAPPED_ITEM" => Self::MappedItem,
            b"CONTEXT_DEPENDENT_SHAPE_REPRESENTATION" => Self::Other,
            _ if keyword.ends_with(b"SHAPE_REPRESENTATION")
                || keyword.ends_with(b"SHAPE_REPRESENTATION_WITH_PARAMETERS") => {
                Self::ShapeRepresentation
            }
            _ => Self::Other,
        }
    }

    /// Whether the entity is geometry, so that its parameters are of no interest.
    pub(crate) const fn is_geometry(self) -> bool {
        matches!(
            self,
            Self::Face
                | Self::Solid
                | Self::Shell
                | Self::Tessellated
                | Self::Geometry
                | Self::Curve
        )
    }

    /// Whether the entity is geometry that can be meshed. Curves alone are not the shape of a
    /// product.
    pub(crate) const fn can_be_meshed(self) -> bool {
        self.is_geometry() && !matches!(self, Self::Curve)
    }

    /// Whether strings of the entity name other files.
    pub(crate) const fn names_files(self) -> bool {
        matches!(
            self,
            Self::Document
                | Self::DocumentFile
                | Self::ExternalIdentification
                | Self::ExternalSource
                | Self::External
        )
    }

    /// Whether geometry is missing if the entity refers to an instance of another file.
    pub(crate) const fn requires_references(self) -> bool {
        self.is_geometry()
            || matches!(
                self,
                Self::Usage
                    | Self::ProductShape
                    | Self::ShapeDefinition
                    | Self::ShapeRepresentation
                    | Self::ShapeRelationship
                    | Self::MappedItem
                    | Self::Other
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_map_to_their_kinds() {
        assert_eq!(EntityKind::of(b"ADVANCED_FACE"), EntityKind::Face);
        assert_eq!(EntityKind::of(b"ORIENTED_FACE"), EntityKind::Other);
        assert_eq!(
            EntityKind::of(b"PRODUCT_DEFINITION"),
            EntityKind::Definition
        );
        assert_eq!(
            EntityKind::of(b"ADVANCED_BREP_SHAPE_REPRESENTATION"),
            EntityKind::ShapeRepresentation
        );
        assert_eq!(
            EntityKind::of(b"CONTEXT_DEPENDENT_SHAPE_REPRESENTATION"),
            EntityKind::Other
        );
        assert_eq!(EntityKind::of(b""), EntityKind::Other);
    }
}
