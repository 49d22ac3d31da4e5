//! Assemblies that are deep, wide or endless, around a real cube.

use std::{fmt::Write as _, fs, path::Path};

/// The sample whose product is at the bottom; the names of some of its instances.
const CUBE: &str = "inch-cube.step";
const DEFINITION: u64 = 5;
const REPRESENTATION: u64 = 10;
const PLACEMENT: u64 = 11;
const PRODUCT_CONTEXT: u64 = 8;
const DEFINITION_CONTEXT: u64 = 9;
const CONTEXT: u64 = 165;
/// Where the instances that are added begin.
const FIRST_FREE: u64 = 1000;

/// A STEP file to which assemblies are added.
pub(crate) struct Tree {
    records: String,
    next: u64,
}

/// A product: its definition and its representation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product {
    definition: u64,
    representation: u64,
}

impl Tree {
    /// One cube, and what to put into assemblies.
    pub(crate) fn new() -> (Self, Product) {
        let tree = Self {
            records: String::new(),
            next: FIRST_FREE,
        };
        let cube = Product {
            definition: DEFINITION,
            representation: REPRESENTATION,
        };
        (tree, cube)
    }

    fn record(&mut self, text: &str) -> u64 {
        let id = self.next;
        self.next += 1;
        writeln!(self.records, "#{id}={text};").unwrap();
        id
    }

    /// A product with no shape of its own.
    pub(crate) fn product(&mut self) -> Product {
        let name = format!("p{}", self.next);
        let product = self.record(&format!(
            "PRODUCT('{name}','{name}','',(#{PRODUCT_CONTEXT}))"
        ));
        let formation = self.record(&format!("PRODUCT_DEFINITION_FORMATION('','',#{product})"));
        let definition = self.record(&format!(
            "PRODUCT_DEFINITION('','',#{formation},#{DEFINITION_CONTEXT})"
        ));
        let shape = self.record(&format!("PRODUCT_DEFINITION_SHAPE('','',#{definition})"));
        let representation = self.record(&format!(
            "SHAPE_REPRESENTATION('',(#{PLACEMENT}),#{CONTEXT})"
        ));
        self.record(&format!(
            "SHAPE_DEFINITION_REPRESENTATION(#{shape},#{representation})"
        ));
        Product {
            definition,
            representation,
        }
    }

    /// Puts `child` into `parent`, where the parent's own axes are.
    pub(crate) fn put(&mut self, child: Product, parent: Product) {
        let usage = self.record(&format!(
            "NEXT_ASSEMBLY_USAGE_OCCURRENCE('','','',#{},#{},$)",
            parent.definition, child.definition
        ));
        let shape = self.record(&format!("PRODUCT_DEFINITION_SHAPE('','',#{usage})"));
        let transformation = self.record(&format!(
            "ITEM_DEFINED_TRANSFORMATION('','',#{PLACEMENT},#{PLACEMENT})"
        ));
        let relationship = self.record(&format!(
            "(REPRESENTATION_RELATIONSHIP('','',#{},#{}) \
             REPRESENTATION_RELATIONSHIP_WITH_TRANSFORMATION(#{transformation}) \
             SHAPE_REPRESENTATION_RELATIONSHIP())",
            child.representation, parent.representation
        ));
        self.record(&format!(
            "CONTEXT_DEPENDENT_SHAPE_REPRESENTATION(#{relationship},#{shape})"
        ));
    }

    /// `levels` assemblies, each with the one below it `times` times.
    pub(crate) fn tower(levels: usize, times: usize) -> Self {
        let (mut tree, mut below) = Self::new();
        for _ in 0..levels {
            let above = tree.product();
            (0..times).for_each(|_| tree.put(below, above));
            below = above;
        }
        tree
    }

    /// Two assemblies that hold each other, and the cube.
    pub(crate) fn endless() -> Self {
        let (mut tree, cube) = Self::new();
        let [a, b] = [tree.product(), tree.product()];
        tree.put(b, a);
        tree.put(a, b);
        tree.put(cube, a);
        tree
    }

    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/samples");
        let cube = fs::read_to_string(samples.join(CUBE)).unwrap();
        let (head, foot) = cube.rsplit_once("ENDSEC;").unwrap();
        fs::write(path, format!("{head}{}ENDSEC;{foot}", self.records)).unwrap();
    }
}
