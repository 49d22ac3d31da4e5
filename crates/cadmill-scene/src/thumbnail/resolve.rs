//! Resolves samples to pixels: lights samples, draws edges, averages, and encodes as sRGB.

use glam::{Vec3, Vec4};
use rayon::prelude::*;

use super::{
    SAMPLES,
    raster::{Blend, Canvas, Sample},
};

/// The factor by which edges darken the colour.
const EDGE: f32 = 0.3;
/// The cosine of 25°, the minimum angle between two faces with an edge.
const CREASE: f32 = 0.906;

/// Returns the picture as RGBA, 8 bits per channel.
pub(super) fn resolve(canvas: &Canvas<'_>, size: usize) -> Vec<u8> {
    let mut pixels = vec![0; size * size * 4];
    pixels
        .par_chunks_exact_mut(size * 4)
        .enumerate()
        .for_each(|(row, line)| {
            for (column, pixel) in line.chunks_exact_mut(4).enumerate() {
                pixel.copy_from_slice(&encoded(average(canvas, size, row, column)));
            }
        });
    pixels
}

/// Returns the average of a pixel's samples, in linear light and premultiplied by opacity.
fn average(canvas: &Canvas<'_>, size: usize, row: usize, column: usize) -> Vec4 {
    let stride = size * SAMPLES;
    let mut sum = Vec4::ZERO;
    for y in row * SAMPLES..(row + 1) * SAMPLES {
        for x in column * SAMPLES..(column + 1) * SAMPLES {
            let index = y * stride + x;
            let solid = solid(canvas, stride, x, y);
            sum += canvas
                .blends
                .get(index)
                .map_or(solid, |blend| blended(solid, blend));
        }
    }
    sum / (SAMPLES * SAMPLES) as f32
}

/// Returns the colour of the opaque surface of a sample.
fn solid(canvas: &Canvas<'_>, stride: usize, x: usize, y: usize) -> Vec4 {
    let at = |x: usize, y: usize| canvas.samples[y * stride + x];
    let sample = at(x, y);
    if !sample.is_covered() {
        return Vec4::ZERO;
    }
    let neighbour = |dx: isize, dy: isize| {
        let x = x.checked_add_signed(dx).filter(|x| *x < stride)?;
        let y = y.checked_add_signed(dy).filter(|y| *y < stride)?;
        Some((at(x, y), dx as f32, dy as f32))
    };
    let normal = sample.normal();
    let occurrence = |sample: &Sample| canvas.surfaces[sample.surface as usize].occurrence;
    let on_edge = [(-1, 0), (1, 0), (0, -1), (0, 1)]
        .iter()
        .filter_map(|&(dx, dy)| neighbour(dx, dy))
        .any(|(other, dx, dy)| {
            !other.is_covered()
                || occurrence(&other) != occurrence(&sample)
                || is_crease(normal, other.normal())
                || is_step(&sample, normal, &other, dx, dy)
        });
    let lit = canvas.surfaces[sample.surface as usize].lit(normal);
    let color = lit.truncate() * if on_edge { EDGE } else { 1.0 };
    color.extend(1.0)
}

fn is_crease(normal: Vec3, other: Vec3) -> bool {
    normal.dot(other).abs() < CREASE
}

/// Whether the depth difference between two samples exceeds what the slope of the surface explains.
fn is_step(sample: &Sample, normal: Vec3, other: &Sample, dx: f32, dy: f32) -> bool {
    let slope = -(normal.x * dx + normal.y * dy) / normal.z.abs().max(0.05) * normal.z.signum();
    let jump = other.depth - sample.depth - slope;
    jump.abs() > 6.0 + 2.0 * slope.abs()
}

/// Returns the colour of a sample behind transparent surfaces.
fn blended(behind: Vec4, blend: &Blend) -> Vec4 {
    if blend.sum.w <= 0.0 {
        return behind;
    }
    let color = blend.sum.truncate() / blend.sum.w;
    let opacity = 1.0 - blend.transmittance;
    color.extend(1.0) * opacity + behind * blend.transmittance
}

/// Converts premultiplied RGBA to straight alpha, as PNG requires.
fn encoded(average: Vec4) -> [u8; 4] {
    if average.w <= 0.0 {
        return [0; 4];
    }
    let [r, g, b] = (average.truncate() / average.w).to_array().map(srgb);
    [r, g, b, byte(average.w)]
}

/// The transfer function of sRGB (IEC 61966-2-1).
fn srgb(linear: f32) -> u8 {
    byte(if linear <= 0.003_130_8 {
        linear * 12.92
    } else {
        1.055 * linear.powf(1.0 / 2.4) - 0.055
    })
}

fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}
