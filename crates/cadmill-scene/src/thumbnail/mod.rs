//! A picture of a scene, drawn by the CPU: isometric, in the colours of the parts, on a transparent
//! background.
//!
//! Each pixel is 3 × 3 samples. Opaque triangles first leave depth, normal and surface in each
//! sample; transparent ones are then summed up in front of them, in no order; at last each sample is
//! lit and the samples of a pixel are averaged. Only that last step runs on several threads, and no
//! two of them touch one pixel, so the picture does not depend on their number.

mod camera;
mod light;
mod raster;
mod resolve;

use glam::DAffine3;

use self::{camera::Camera, light::Surface, raster::Canvas};
use crate::{OccurrenceIndex, Overlay, Primitive, Scene, SceneError};

/// The greatest size, in pixels: it takes 110 MB while it is drawn, 300 MB with transparent parts.
pub const MAX_SIZE: u32 = 1024;

/// Samples along each edge of a pixel.
const SAMPLES: usize = 3;

/// Draws `scene`, with the materials of `overlay`, as a square PNG of `size` × `size` pixels, RGBA,
/// 8 bits per channel, sRGB.
///
/// A scene that shows nothing gives an empty picture. An occurrence whose place is beyond all
/// numbers is left out.
///
/// # Errors
/// If the scene is not sound, the overlay is not of this scene, or the size is 0 or more than
/// [`MAX_SIZE`].
pub fn render(scene: &Scene, overlay: &Overlay, size: u32) -> Result<Vec<u8>, SceneError> {
    scene.check()?;
    overlay.check(scene)?;
    if !(1..=MAX_SIZE).contains(&size) {
        return Err(SceneError::PictureSize(size));
    }
    let size = size as usize;
    let shown = shown(scene, overlay);
    let camera = Camera::fit(&shown, size * SAMPLES);
    let surfaces: Vec<Surface> = shown.iter().map(|shown| shown.surface).collect();
    let mut canvas = Canvas::new(size * SAMPLES, &surfaces);
    let order = |transparent| {
        shown
            .iter()
            .enumerate()
            .filter(move |(_, s)| s.surface.is_transparent() == transparent)
    };
    for (index, shown) in order(false).chain(order(true)) {
        if let Some(projection) = camera.projection(&shown.transform) {
            canvas.draw(shown.primitive, &projection, index as u32);
        }
    }
    encode(&resolve::resolve(&canvas, size), size)
}

/// A primitive in one of its places.
#[derive(Debug)]
struct Shown<'a> {
    primitive: &'a Primitive,
    /// To the axes of the scene.
    transform: DAffine3,
    surface: Surface,
}

fn shown<'a>(scene: &'a Scene, overlay: &Overlay) -> Vec<Shown<'a>> {
    let mut transforms: Vec<DAffine3> = Vec::with_capacity(scene.occurrences.len());
    let mut shown = Vec::new();
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
            shown.push(Shown {
                primitive,
                transform,
                surface: Surface::of(overlay.material(scene, material), index),
            });
        }
    }
    shown
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
