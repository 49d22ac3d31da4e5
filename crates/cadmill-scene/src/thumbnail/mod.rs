//! Draws a picture of a scene on the CPU: isometric, in the colours of the parts, on a transparent
//! background.
//!
//! Each pixel consists of 3 × 3 samples. Opaque triangles are drawn first and leave a depth, a
//! normal and a surface in each sample. Transparent triangles are then accumulated in any order.
//! Finally, samples are lit and averaged to pixels. Only this last step is multi-threaded, and each
//! pixel is computed by one thread, so the picture does not depend on the number of threads.

mod camera;
mod light;
mod raster;
mod resolve;

use glam::DAffine3;

use self::{camera::Camera, light::Surface, raster::Canvas};
use crate::{OccurrenceIndex, Overlay, Primitive, Scene, SceneError};

/// The maximum size in pixels. Drawing at this size takes 110 MB, or 300 MB with transparent parts.
pub const MAX_SIZE: u32 = 1024;

/// Samples along each edge of a pixel.
const SAMPLES: usize = 3;

/// Draws `scene` with the materials of `overlay` as a square PNG of `size` × `size` pixels (RGBA, 8
/// bits per channel, sRGB).
///
/// A scene without geometry gives an empty picture. Occurrences whose transform overflows are
/// omitted.
///
/// # Errors
/// If the scene is invalid, the overlay was resolved for another scene, or the size is 0 or more
/// than [`MAX_SIZE`].
pub fn render(scene: &Scene, overlay: &Overlay, size: u32) -> Result<Vec<u8>, SceneError> {
    scene.check()?;
    overlay.check(scene)?;
    if !(1..=MAX_SIZE).contains(&size) {
        return Err(SceneError::PictureSize(size));
    }
    let size = size as usize;
    let primitives = placed_primitives(scene, overlay);
    let camera = Camera::fit(&primitives, size * SAMPLES);
    let surfaces: Vec<Surface> = primitives
        .iter()
        .map(|primitive| primitive.surface)
        .collect();
    let mut canvas = Canvas::new(size * SAMPLES, &surfaces);
    let order = |transparent| {
        primitives
            .iter()
            .enumerate()
            .filter(move |(_, s)| s.surface.is_transparent() == transparent)
    };
    for (index, placed) in order(false).chain(order(true)) {
        if let Some(projection) = camera.projection(&placed.transform) {
            canvas.draw(placed.primitive, &projection, index as u32);
        }
    }
    encode(&resolve::resolve(&canvas, size), size)
}

/// A primitive of an occurrence.
#[derive(Debug)]
struct PlacedPrimitive<'a> {
    primitive: &'a Primitive,
    /// The transform to the axes of the scene.
    transform: DAffine3,
    surface: Surface,
}

fn placed_primitives<'a>(scene: &'a Scene, overlay: &Overlay) -> Vec<PlacedPrimitive<'a>> {
    let mut transforms: Vec<DAffine3> = Vec::with_capacity(scene.occurrences.len());
    let mut placed = Vec::new();
    for (index, occurrence) in scene.occurrences.iter().enumerate() {
        let above = occurrence
            .parent
            .map_or(DAffine3::IDENTITY, |parent| transforms[parent.0]);
        let transform = above * occurrence.transform;
        transforms.push(transform);
        let Some(part) = occurrence.part else {
            continue;
        };
        let own = overlay.occurrence_material(scene, OccurrenceIndex(index));
        for (position, primitive) in scene.parts[part.0].primitives.iter().enumerate() {
            let material = own.unwrap_or_else(|| overlay.primitive_material(scene, part, position));
            placed.push(PlacedPrimitive {
                primitive,
                transform,
                surface: Surface::of(overlay.material(scene, material), index),
            });
        }
    }
    placed
}

fn encode(pixels: &[u8], size: usize) -> Result<Vec<u8>, SceneError> {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, size as u32, size as u32);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    let write = |encoder: png::Encoder<'_, _>| {
        let mut writer = encoder.write_header()?;
        writer.write_image_data(pixels)?;
        writer.finish()
    };
    write(encoder).map_err(SceneError::Png)?;
    Ok(png)
}
