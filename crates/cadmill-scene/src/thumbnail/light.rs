//! How surfaces are lit: a key light from the upper left, a fill light from the right, the light of
//! sky and ground, and a simple studio that metals mirror. Directions are those of the picture: x
//! right, y down, z towards the eye.

use glam::{Vec3, Vec4};

use super::camera::Camera;
use crate::Material;

/// What a sample needs to know of the material it shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surface {
    base: Vec3,
    opacity: f32,
    metallic: f32,
    roughness: f32,
    /// Which occurrence it belongs to; between two of them an edge is drawn.
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

    /// Colour in linear light, and opacity, of this surface where it has this unit normal. Both
    /// sides look alike.
    pub(super) fn lit(&self, normal: Vec3) -> Vec4 {
        let normal = if normal.z < 0.0 { -normal } else { normal };
        let key = normal.dot(Vec3::new(-0.55, -0.56, 0.62)).max(0.0);
        let fill = normal.dot(Vec3::new(0.80, -0.10, 0.59)).max(0.0);
        let sky = 0.5 + 0.5 * normal.dot(Camera::up());
        let diffuse = 0.80 * key + 0.20 * fill + 0.09 + 0.24 * sky;

        // The eye looks along −z.
        let mirrored = 2.0 * normal.z * normal - Vec3::Z;
        let grazing = (1.0 - normal.z).powi(5);
        let plain = Vec3::splat(0.04).lerp(self.base, self.metallic);
        let reflectance = plain + (Vec3::ONE - plain) * grazing * 0.4 * (1.0 - self.roughness);
        let matt = self.base * (1.0 - self.metallic) * diffuse;
        let color = matt + reflectance * self.studio(mirrored, diffuse);
        color.min(Vec3::ONE).extend(self.opacity)
    }

    /// The light that comes from a direction of the studio: a large soft box above, a dim floor.
    /// The rougher the surface, the less it tells directions apart.
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
