//! A safe interface to the bridge: solids and models.

use std::path::Path;

use anyhow::Context as _;
use cadmill_occt::kernel::KernelError;
use cxx::UniquePtr;
use glam::DAffine3;

use super::bridge::ffi;
pub(crate) use super::bridge::ffi::{Color, Corner, Header, Measurements, Region};

pub(crate) type Point = [f64; 3];
pub(crate) type Made = Result<Solid, KernelError>;

pub(crate) const X: Point = [1.0, 0.0, 0.0];
pub(crate) const Y: Point = [0.0, 1.0, 0.0];
pub(crate) const Z: Point = [0.0, 0.0, 1.0];
/// Matches edges of any direction.
pub(crate) const ANY: Point = [0.0; 3];
pub(crate) const EVERYWHERE: Region = region([-1e3; 3], [1e3; 3]);

pub(crate) const fn region(min: Point, max: Point) -> Region {
    Region { min, max }
}

/// Converts `0xRRGGBB` in sRGB.
pub(crate) const fn color(rgb: u32) -> Color {
    const fn channel(rgb: u32, shift: u32) -> f64 {
        ((rgb >> shift) & 0xFF) as f64 / 255.0
    }
    Color {
        red: channel(rgb, 16),
        green: channel(rgb, 8),
        blue: channel(rgb, 0),
        alpha: 1.0,
    }
}

pub(crate) fn corners(points: &[(f64, f64)]) -> Vec<Corner> {
    points.iter().map(|&(x, y)| Corner { x, y }).collect()
}

/// A body or an open surface, in millimetres.
pub(crate) struct Solid(UniquePtr<ffi::Solid>);

impl Solid {
    pub(crate) fn cuboid(min: Point, max: Point) -> Made {
        Ok(Self(ffi::cuboid(min, max)?))
    }

    pub(crate) fn cylinder(start: Point, axis: Point, radius: f64, height: f64) -> Made {
        Ok(Self(ffi::cylinder(start, axis, radius, height)?))
    }

    pub(crate) fn sphere(center: Point, radius: f64) -> Made {
        Ok(Self(ffi::sphere(center, radius)?))
    }

    /// A torus about the Z axis.
    pub(crate) fn torus(ring: f64, tube: f64) -> Made {
        Ok(Self(ffi::torus(ring, tube)?))
    }

    /// Extrudes a closed outline in the XY plane along +Z.
    pub(crate) fn prism(outline: &[Corner], height: f64) -> Made {
        Ok(Self(ffi::prism(outline, height)?))
    }

    /// Revolves a closed outline of (radius, height) about the Z axis.
    pub(crate) fn turned(outline: &[(f64, f64)]) -> Made {
        Ok(Self(ffi::turned(&corners(outline))?))
    }

    /// Revolves an open line of (radius, height) about the Z axis by `angle` radians.
    pub(crate) fn turned_surface(line: &[(f64, f64)], angle: f64) -> Made {
        Ok(Self(ffi::turned_surface(&corners(line), angle)?))
    }

    /// Interpolates heights over a square grid by a smooth surface.
    pub(crate) fn freeform_surface(heights: &[f64], columns: usize, spacing: f64) -> Made {
        Ok(Self(ffi::freeform_surface(heights, columns, spacing)?))
    }

    /// A cuboid from `z` to `top`, centred on the Z axis, with rounded vertical edges.
    pub(crate) fn rounded_cuboid(half: [f64; 2], z: f64, top: f64, radius: f64) -> Made {
        let [x, y] = half;
        Self::cuboid([-x, -y, z], [x, y, top])?.fillet(EVERYWHERE, Z, radius)
    }

    pub(crate) fn fuse(&self, other: &Self) -> Made {
        Ok(Self(ffi::fuse(&self.0, &other.0)?))
    }

    pub(crate) fn cut(&self, tool: &Self) -> Made {
        Ok(Self(ffi::cut(&self.0, &tool.0)?))
    }

    pub(crate) fn common(&self, other: &Self) -> Made {
        Ok(Self(ffi::common(&self.0, &other.0)?))
    }

    /// Rounds the straight edges in the region that are parallel to an axis, or all edges in the
    /// region.
    pub(crate) fn fillet(&self, within: Region, along: Point, radius: f64) -> Made {
        Ok(Self(ffi::fillet(&self.0, &within, along, radius)?))
    }

    /// Bevels the straight edges in the region that are parallel to an axis, or all edges in the
    /// region.
    pub(crate) fn chamfer(&self, within: Region, along: Point, width: f64) -> Made {
        Ok(Self(ffi::chamfer(&self.0, &within, along, width)?))
    }

    pub(crate) fn moved(&self, placement: DAffine3) -> Made {
        Ok(Self(ffi::moved(&self.0, rows(placement))?))
    }

    /// Mirrors at the YZ plane; the result is new geometry with outward normals.
    pub(crate) fn mirrored(&self) -> Made {
        Ok(Self(ffi::mirrored(&self.0)?))
    }
}

/// The material and colour of a part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stock {
    pub(crate) color: Color,
    pub(crate) material: &'static str,
    /// In kg/m³.
    pub(crate) density: f64,
}

/// A part or an assembly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product(usize);

/// A product placed in an assembly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occurrence(usize);

/// The contents of one STEP file.
pub(crate) struct Model(UniquePtr<ffi::Model>);

impl Model {
    pub(crate) fn new() -> Result<Self, KernelError> {
        Ok(Self(ffi::new_model()?))
    }

    /// Adds a part without a colour.
    pub(crate) fn plain_part(&mut self, name: &str, solid: &Solid) -> Result<Product, KernelError> {
        Ok(Product(self.0.pin_mut().add_part(name, &solid.0)?))
    }

    pub(crate) fn part(
        &mut self,
        name: &str,
        stock: Stock,
        solid: &Solid,
    ) -> Result<Product, KernelError> {
        let part = self.plain_part(name, solid)?;
        self.0.pin_mut().paint(part.0, &stock.color)?;
        self.0
            .pin_mut()
            .make_of(part.0, stock.material, stock.density)?;
        Ok(part)
    }

    pub(crate) fn assembly(&mut self, name: &str) -> Result<Product, KernelError> {
        Ok(Product(self.0.pin_mut().add_assembly(name)?))
    }

    pub(crate) fn place(
        &mut self,
        assembly: Product,
        product: Product,
        placement: DAffine3,
        designator: &str,
    ) -> Result<Occurrence, KernelError> {
        let place = self
            .0
            .pin_mut()
            .place(assembly.0, product.0, rows(placement), designator)?;
        Ok(Occurrence(place))
    }

    pub(crate) fn paint_faces(
        &mut self,
        part: Product,
        within: Region,
        color: Color,
    ) -> Result<(), KernelError> {
        Ok(self.0.pin_mut().paint_faces(part.0, &within, &color)?)
    }

    pub(crate) fn paint_occurrence(
        &mut self,
        occurrence: Occurrence,
        color: Color,
    ) -> Result<(), KernelError> {
        Ok(self.0.pin_mut().paint(occurrence.0, &color)?)
    }

    /// Paints an occurrence in a specific context: `path` is the chain of occurrences down to it.
    pub(crate) fn paint_in_context(
        &mut self,
        path: &[Occurrence],
        color: Color,
    ) -> Result<(), KernelError> {
        let path: Vec<usize> = path.iter().map(|occurrence| occurrence.0).collect();
        Ok(self.0.pin_mut().paint_in_context(&path, &color)?)
    }

    pub(crate) fn put_on_layer(&mut self, part: Product, layer: &str) -> Result<(), KernelError> {
        Ok(self.0.pin_mut().put_on_layer(part.0, layer)?)
    }

    pub(crate) fn write(&mut self, path: &Path, header: &Header) -> anyhow::Result<()> {
        let text = path.to_str().context("the path is not UTF-8")?;
        self.0
            .pin_mut()
            .write(text, header)
            .map_err(KernelError::from)?;
        Ok(())
    }
}

/// Reads a STEP file and measures its exact surfaces.
pub(crate) fn measure(path: &Path) -> anyhow::Result<Measurements> {
    let text = path.to_str().context("the path is not UTF-8")?;
    Ok(ffi::measure(text).map_err(KernelError::from)?)
}

fn rows(placement: DAffine3) -> [f64; 12] {
    let (m, t) = (placement.matrix3, placement.translation);
    let row = |i: usize| [m.x_axis[i], m.y_axis[i], m.z_axis[i], t[i]];
    let [a, b, c] = [row(0), row(1), row(2)];
    std::array::from_fn(|i| [a, b, c][i / 4][i % 4])
}
