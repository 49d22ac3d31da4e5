//! The declarations that Rust and the C++ shim share.

#[cxx::bridge(namespace = "cadmill")]
pub(crate) mod ffi {
    /// An occurrence; every parent comes before its children.
    struct Node {
        /// Position of the parent, or -1 for a root.
        parent: i64,
        /// Position of the part, or -1 if it only groups others.
        part: i64,
        /// Name of the product (or, for a body of a part with several, of the body).
        name: String,
        /// Id of the product; empty for a body of a part with several.
        product_id: String,
        /// Name of the occurrence itself, or empty.
        designator: String,
        /// The upper three rows of the matrix from its own axes to its parent's, row by row; mm.
        transform: [f64; 12],
        has_color: bool,
        /// Linear light and opacity.
        color: [f32; 4],
        layers: Vec<String>,
    }

    struct PartInfo {
        layers: Vec<String>,
        /// Its engineering material, or empty.
        material: String,
        /// g/mm³, or 0 if unknown.
        density: f64,
        faces: u64,
        /// The body that is its shape.
        body: usize,
    }

    struct Tree {
        nodes: Vec<Node>,
        parts: Vec<PartInfo>,
        /// Faces of the file that came through the translation.
        faces_read: u64,
        warnings: Vec<String>,
    }

    /// What the exact surfaces of a body measure; mm. Open shells enclose no volume.
    struct Measure {
        volume: f64,
        area: f64,
        has_box: bool,
        min: [f64; 3],
        max: [f64; 3],
    }

    struct Deflections {
        /// mm
        linear: f64,
        /// rad
        angular: f64,
        /// Whether its faces are meshed on several threads.
        parallel: bool,
    }

    extern "Rust" {
        fn report_progress(phase: u8, fraction: f64);
    }

    unsafe extern "C++" {
        include!("document.hxx");

        type Document;
        type Body;
        type PartMesh;

        fn prepare_kernel(threads: usize) -> Result<()>;
        fn kernel_version() -> String;

        fn new_document() -> Result<UniquePtr<Document>>;
        /// `descriptor` is that of an open file; it is read from where it stands.
        fn read(self: Pin<&mut Document>, descriptor: i32) -> Result<()>;
        fn leaves(self: &Document) -> usize;
        fn transfer_leaf(self: Pin<&mut Document>, leaf: usize) -> Result<()>;
        fn transfer(self: Pin<&mut Document>) -> Result<()>;
        fn walk(self: Pin<&mut Document>) -> Result<Tree>;
        fn next_body(self: Pin<&mut Document>) -> Result<SharedPtr<Body>>;
        fn extract(self: &Document, part: usize) -> Result<UniquePtr<PartMesh>>;

        fn index(self: &Body) -> usize;
        fn diagonal(self: &Body) -> Result<f64>;
        fn mesh(self: &Body, deflections: &Deflections) -> Result<()>;
        fn measure(self: &Body, parallel: bool) -> Result<Measure>;

        fn primitives(self: &PartMesh) -> usize;
        fn has_color(self: &PartMesh, primitive: usize) -> bool;
        fn color(self: &PartMesh, primitive: usize) -> [f32; 4];
        fn positions(self: &PartMesh, primitive: usize) -> &[f32];
        fn normals(self: &PartMesh, primitive: usize) -> &[f32];
        fn indices(self: &PartMesh, primitive: usize) -> &[u32];
        fn unmeshed(self: &PartMesh) -> u64;
    }
}

use super::report_progress;
