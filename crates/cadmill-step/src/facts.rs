//! A summary as the facts that the domain stores and shows.

use cadmill_domain::{
    GeometryFacts, HeaderFacts, LengthUnitFacts, OccurrenceFacts, ProductFacts,
    ProductKind as KindFacts, SchemaFacts, StepFacts, TreeFacts,
};

use crate::{
    GeometryCounts, LengthUnit, Product, ProductKind, ProductOccurrence, StepHeader, StepSchema,
    StepSummary, TreeCounts,
};

impl From<StepSummary> for StepFacts {
    fn from(summary: StepSummary) -> Self {
        Self {
            hash: summary.hash,
            bytes: summary.bytes,
            lines: summary.lines,
            instances: summary.instances,
            header: header(summary.header),
            schema: schema(summary.schema),
            length_unit: summary.length_unit.map(length_unit),
            products: summary.products.into_iter().map(product).collect(),
            occurrences: summary.occurrences.into_iter().map(occurrence).collect(),
            counts: tree(summary.counts),
            geometry: geometry(summary.geometry),
            external_files: summary.external_files,
            names_other_files: summary.names_other_files,
            missing_geometry: summary.missing_geometry,
            warnings: summary.warnings,
        }
    }
}

fn header(header: StepHeader) -> HeaderFacts {
    HeaderFacts {
        name: header.name,
        description: header.description,
        implementation_level: header.implementation_level,
        time_stamp: header.time_stamp,
        author: header.author,
        organization: header.organization,
        preprocessor: header.preprocessor,
        originating_system: header.originating_system,
        authorization: header.authorization,
    }
}

fn schema(schema: StepSchema) -> SchemaFacts {
    SchemaFacts {
        names: schema.names,
        protocol: schema.protocol.map(|protocol| protocol.as_str().to_owned()),
    }
}

fn length_unit(unit: LengthUnit) -> LengthUnitFacts {
    LengthUnitFacts {
        name: unit.name,
        metres: unit.metres,
    }
}

fn product(product: Product) -> ProductFacts {
    ProductFacts {
        instance: product.instance.0,
        id: product.id,
        name: product.name,
        description: product.description,
        kind: match product.kind {
            ProductKind::Part => KindFacts::Part,
            ProductKind::Assembly => KindFacts::Assembly,
        },
        occurrences: product.occurrences,
    }
}

fn occurrence(occurrence: ProductOccurrence) -> OccurrenceFacts {
    OccurrenceFacts {
        instance: occurrence.instance.0,
        parent: occurrence.parent.0,
        child: occurrence.child.0,
        id: occurrence.id,
        name: occurrence.name,
        reference_designator: occurrence.reference_designator,
    }
}

fn tree(counts: TreeCounts) -> TreeFacts {
    TreeFacts {
        parts: counts.parts,
        assemblies: counts.assemblies,
        roots: counts.roots,
        part_occurrences: counts.part_occurrences,
        assembly_occurrences: counts.assembly_occurrences,
        depth: counts.depth,
        cyclic: counts.cyclic,
    }
}

fn geometry(counts: GeometryCounts) -> GeometryFacts {
    GeometryFacts {
        faces: counts.faces,
        solids: counts.solids,
        shells: counts.shells,
        tessellated: counts.tessellated,
        other: counts.other,
    }
}
