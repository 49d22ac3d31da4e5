//! What the keyword of an entity means for the summary.

/// The kinds of entities that the summary tells apart.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntityKind {
    Product,
    Formation,
    Definition,
    DefinitionContext,
    Usage,
    LengthMeasure,
    /// A document, which is a file where it is a [`DocumentFile`](Self::DocumentFile).
    Document,
    DocumentFile,
    /// Assigns a document to products.
    DocumentReference,
    /// A document that is a product.
    DocumentEquivalence,
    /// Says where a document is.
    ExternalIdentification,
    /// Where something comes from.
    ExternalSource,
    /// A representation, or an item of one, that lies elsewhere.
    External,
    /// A product definition that lies elsewhere.
    DefinitionReference,
    Property,
    PropertyRepresentation,
    ProductShape,
    /// Gives a product its shape.
    ShapeDefinition,
    ShapeRepresentation,
    ShapeRelationship,
    MappedItem,
    Face,
    Solid,
    Shell,
    Tessellated,
    /// Other geometry that a mesher can use.
    Geometry,
    /// Geometry that only a wireframe viewer can use.
    Curve,
    /// All the rest, the bulk of a file above all.
    #[default]
    Other,
}

impl EntityKind {
    /// The kind of `keyword`, which is in capitals.
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

    /// Whether the entity is geometry; nothing more needs to be known of it.
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

    /// Whether it is geometry that a mesher can use: curves alone are not the shape of a product.
    pub(crate) const fn can_be_meshed(self) -> bool {
        self.is_geometry() && !matches!(self, Self::Curve)
    }

    /// Whether its strings name other files.
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

    /// Whether shape is missing if it refers to an instance that is not there.
    pub(crate) const fn needs_what_it_refers_to(self) -> bool {
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
    fn keywords_are_told_apart() {
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
