//! Declarations shared by the generator and its C++ code.

#[cxx::bridge(namespace = "cadmill::samples")]
pub(crate) mod ffi {
    /// A point of an outline, in millimetres.
    #[derive(Debug, Clone, Copy)]
    struct Corner {
        x: f64,
        y: f64,
    }

    /// A box that selects faces or edges, in millimetres.
    #[derive(Debug, Clone, Copy)]
    struct Region {
        min: [f64; 3],
        max: [f64; 3],
    }

    /// sRGB and opacity, each from 0 to 1.
    #[derive(Debug, Clone, Copy)]
    struct Color {
        red: f64,
        green: f64,
        blue: f64,
        alpha: f64,
    }

    /// The header of a file and the options for writing it.
    #[derive(Debug, Clone)]
    struct Header {
        name: String,
        description: String,
        author: String,
        organization: String,
        originating_system: String,
        time_stamp: String,
        /// `AP203`, `AP214IS` or `AP242DIS`.
        schema: String,
        /// `MM` or `INCH`.
        unit: String,
    }

    /// Measures of the exact surfaces of a file, in millimetres.
    #[derive(Debug)]
    struct Measurements {
        parts: usize,
        occurrences: usize,
        volume: f64,
        area: f64,
        names: Vec<String>,
        min: [f64; 3],
        max: [f64; 3],
    }

    unsafe extern "C++" {
        include!("samples.hxx");

        type Solid;
        type Model;

        fn cuboid(min: [f64; 3], max: [f64; 3]) -> Result<UniquePtr<Solid>>;
        fn cylinder(
            start: [f64; 3],
            axis: [f64; 3],
            radius: f64,
            height: f64,
        ) -> Result<UniquePtr<Solid>>;
        fn sphere(center: [f64; 3], radius: f64) -> Result<UniquePtr<Solid>>;
        fn torus(ring: f64, tube: f64) -> Result<UniquePtr<Solid>>;
        fn prism(outline: &[Corner], height: f64) -> Result<UniquePtr<Solid>>;
        fn turned(outline: &[Corner]) -> Result<UniquePtr<Solid>>;
        fn turned_surface(line: &[Corner], angle: f64) -> Result<UniquePtr<Solid>>;
        fn freeform_surface(
            heights: &[f64],
            columns: usize,
            spacing: f64,
        ) -> Result<UniquePtr<Solid>>;
        fn fuse(first: &Solid, second: &Solid) -> Result<UniquePtr<Solid>>;
        fn cut(from: &Solid, tool: &Solid) -> Result<UniquePtr<Solid>>;
        fn common(first: &Solid, second: &Solid) -> Result<UniquePtr<Solid>>;
        fn fillet(
            solid: &Solid,
            within: &Region,
            along: [f64; 3],
            radius: f64,
        ) -> Result<UniquePtr<Solid>>;
        fn chamfer(
            solid: &Solid,
            within: &Region,
            along: [f64; 3],
            width: f64,
        ) -> Result<UniquePtr<Solid>>;
        fn moved(solid: &Solid, placement: [f64; 12]) -> Result<UniquePtr<Solid>>;
        fn mirrored(solid: &Solid) -> Result<UniquePtr<Solid>>;

        fn new_model() -> Result<UniquePtr<Model>>;
        fn add_part(self: Pin<&mut Model>, name: &str, solid: &Solid) -> Result<usize>;
        fn add_assembly(self: Pin<&mut Model>, name: &str) -> Result<usize>;
        fn place(
            self: Pin<&mut Model>,
            assembly: usize,
            product: usize,
            placement: [f64; 12],
            designator: &str,
        ) -> Result<usize>;
        fn paint(self: Pin<&mut Model>, label: usize, color: &Color) -> Result<()>;
        fn paint_faces(
            self: Pin<&mut Model>,
            part: usize,
            within: &Region,
            color: &Color,
        ) -> Result<()>;
        fn paint_in_context(self: Pin<&mut Model>, path: &[usize], color: &Color) -> Result<()>;
        fn put_on_layer(self: Pin<&mut Model>, label: usize, layer: &str) -> Result<()>;
        fn make_of(self: Pin<&mut Model>, part: usize, material: &str, density: f64) -> Result<()>;
        fn write(self: Pin<&mut Model>, path: &str, header: &Header) -> Result<()>;

        fn measure(path: &str) -> Result<Measurements>;
    }
}
