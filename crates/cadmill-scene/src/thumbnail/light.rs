//! Lighting: a key light from the upper left, a fill light from the right, ambient light of sky and
//! ground, and a simple studio environment that metals reflect. Directions are those of the
//! picture: x right, y down, z towards the viewer.

use glam::{Vec3, Vec4};

use super::camera::Camera;
use crate::Material;

/// The properties of a material that shading needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surface {
    base: Vec3,
    opacity: f32,
    metallic: f32,
    roughness: f32,
    /// The index of its occurrence; edges are drawn between different occurrences.
    pub occurrence: u32,
}

impl Surface {
    pub(super) fn of(material: &Material, occurrence: usize) -> Self {
        let [r, g, b, opacity] = material.base_color;
        Self {
            base: Vec3::new(r, g, b),
            opacity,
            metallic: material.metallic,
            roughness: material.roughness,
            occurrence: occurrence as u32,
        }
    }

    pub(super) fn is_transparent(&self) -> bool {
        self.opacity < 1.0
    }

    /// Returns the linear colour and opacity of the surface with this unit normal. Both sides are
    /// lit equally.
    pub(super) fn lit(&self, normal: Vec3) -> Vec4 {
        let normal = if normal.z < 0.0 { -normal } else { normal };
        let key = normal.dot(Vec3::new(-0.55, -0.56, 0.62)).max(0.0);
        let fill = normal.dot(Vec3::new(0.80, -0.10, 0.59)).max(0.0);
        let sky = 0.5 + 0.5 * normal.dot(Camera::up());
        let diffuse = 0.80 * key + 0.20 * fill + 0.09 + 0.24 * sky;

        // The view direction is −z.
        let mirrored = 2.0 * normal.z * normal - Vec3::Z;
        let grazing = (1.0 - normal.z).powi(5);
        let plain = Vec3::splat(0.04).lerp(self.base, self.metallic);
        let reflectance = plain + (Vec3::ONE - plain) * grazing * 0.4 * (1.0 - self.roughness);
        let matt = self.base * (1.0 - self.metallic) * diffuse;
        let color = matt + reflectance * self.studio(mirrored, diffuse);
        color.min(Vec3::ONE).extend(self.opacity)
    }

    /// Returns the light from a direction of the studio, which has a large soft box above and a dim
    /// floor. Reflections are more blurred the rougher the surface is.
    fn studio(&self, direction: Vec3, diffuse: f32) -> f32 {
        let height = direction.dot(Camera::up());
        let floor_to_sky = smooth_step(-0.6, 0.9, height);
        let soft_box = smooth_step(0.55, 0.95, direction.dot(Vec3::new(-0.45, -0.52, 0.73)));
        let sharp = 0.30 + 0.75 * floor_to_sky + 1.1 * soft_box;
        let blurred = 0.15 + 1.05 * diffuse;
        sharp + (blurred - sharp) * self.roughness.sqrt()
    }
}

fn smooth_step(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
