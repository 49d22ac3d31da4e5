//! Declarations shared by Rust and the C++ shim.

#[cxx::bridge(namespace = "cadmill")]
pub(crate) mod ffi {
    /// An occurrence. Parents precede their children.
    struct Node {
        /// The index of the parent, or -1 for a root.
        parent: i64,
        /// The index of the part, or -1 for an assembly.
        part: i64,
        /// The name of the product (or of the body, for a body of a part with several).
        name: String,
        /// The id of the product; empty for a body of a part with several.
        product_id: String,
        /// The name of the occurrence, or empty.
        designator: String,
        /// The first three rows of the transformation matrix to the parent, in millimetres.
        transform: [f64; 12],
        has_color: bool,
        /// Linear RGB and opacity.
        color: [f32; 4],
        layers: Vec<String>,
    }

    struct PartInfo {
        layers: Vec<String>,
        /// The engineering material, or empty.
        material: String,
        /// Density in g/mm³, or 0 if unknown.
        density: f64,
        faces: u64,
        /// The index of its body.
        body: usize,
    }

    struct Tree {
        nodes: Vec<Node>,
        parts: Vec<PartInfo>,
        /// The number of faces of the file that were translated.
        faces_read: u64,
        warnings: Vec<String>,
    }

    /// Area (mm²), volume (mm³) and bounding box (mm) of the exact surfaces of a body. Open shells have
    /// no volume.
    struct Measure {
        volume: f64,
        area: f64,
        has_box: bool,
        min: [f64; 3],
        max: [f64; 3],
    }

    struct Deflections {
        /// In millimetres.
        linear: f64,
        /// In radians.
        angular: f64,
        /// Whether faces are meshed on several threads.
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
        /// `descriptor` is an open file, which is read from its current position.
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
