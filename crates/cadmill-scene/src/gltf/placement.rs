//! Transforms of glTF nodes: translation, rotation and scale, each omitted if it is the identity.

use glam::{DAffine3, DQuat, DVec3};

use crate::gltf::document::Node;

/// Rotates the axes of CAD (+Z up) to those of glTF (+Y up), by a quarter turn about X.
pub(crate) const Z_UP_TO_Y_UP: [f64; 4] = [
    -std::f64::consts::FRAC_1_SQRT_2,
    0.0,
    0.0,
    std::f64::consts::FRAC_1_SQRT_2,
];

/// Scales this close to 1 are rounding errors of a kernel's matrix.
const UNIT_SCALE_TOLERANCE: f64 = 1e-13;

impl Default for Placement {
    fn default() -> Self {
        Self {
            translation: DVec3::ZERO,
            rotation: DQuat::IDENTITY,
            scale: DVec3::ONE,
        }
    }
}

/// A translation, rotation and scale. Mirrored transforms have a negative X scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placement {
    pub translation: DVec3,
    pub rotation: DQuat,
    pub scale: DVec3,
}

impl Placement {
    /// Decomposes a transform without shear.
    pub(crate) fn of(transform: &DAffine3) -> Self {
        let (scale, rotation, translation) = transform.to_scale_rotation_translation();
        let snapped = scale.to_array().map(|s| {
            if (s.abs() - 1.0).abs() <= UNIT_SCALE_TOLERANCE {
                s.signum()
            } else {
                s
            }
        });
        Self {
            translation,
            rotation: rotation.normalize(),
            scale: DVec3::from_array(snapped),
        }
    }

    /// Reads the transform of a node. Returns `None` if it is not finite or its rotation is not a
    /// unit quaternion.
    pub(crate) fn of_node(node: &Node) -> Option<Self> {
        let placement = Self {
            translation: node.translation.map_or(DVec3::ZERO, DVec3::from_array),
            rotation: node.rotation.map_or(DQuat::IDENTITY, DQuat::from_array),
            scale: node.scale.map_or(DVec3::ONE, DVec3::from_array),
        };
        let sound = placement.translation.is_finite()
            && placement.scale.is_finite()
            && (placement.rotation.length_squared() - 1.0).abs() < 1e-9;
        sound.then_some(placement)
    }

    /// Returns this transform for coordinates with their origin at `offset` and the unit `scale`.
    pub(crate) fn rebased(self, offset: DVec3, scale: f64) -> Self {
        Self {
            translation: self.to_transform().transform_point3(offset),
            rotation: self.rotation,
            scale: self.scale * scale,
        }
    }

    pub(crate) fn to_transform(self) -> DAffine3 {
        DAffine3::from_scale_rotation_translation(self.scale, self.rotation, self.translation)
    }

    /// Writes the transform to `node`.
    pub(crate) fn place(self, node: &mut Node) {
        // `+ 0.0` turns -0.0 into 0.0, so that equal transforms have equal bytes.
        let translation = (self.translation + 0.0).to_array();
        let rotation = self.rotation.to_array().map(|x| x + 0.0);
        let scale = self.scale.to_array();
        node.translation = (translation != [0.0; 3]).then_some(translation);
        node.rotation = (rotation[..3] != [0.0; 3]).then_some(rotation);
        node.scale = (scale != [1.0; 3]).then_some(scale);
    }
}

#[cfg(test)]
mod tests {
    use glam::DMat3;
    use proptest::prelude::*;

    use super::*;
    use crate::gltf::document::Node;

    fn round_trip(transform: &DAffine3) -> DAffine3 {
        let mut node = Node {
            name: String::new(),
            translation: None,
            rotation: None,
            scale: None,
            mesh: None,
            children: Vec::new(),
            extras: None,
        };
        Placement::of(transform).place(&mut node);
        Placement::of_node(&node).unwrap().to_transform()
    }

    proptest! {
        #[test]
        fn transforms_round_trip(
            angles in prop::array::uniform3(-4.0..4.0_f64),
            translation in prop::array::uniform3(-1e3..1e3_f64),
            scale in prop_oneof![Just(1.0), 1e-3..1e3_f64],
            mirrored: bool,
        ) {
            let [a, b, c] = angles;
            let rotation = DQuat::from_euler(glam::EulerRot::XYZ, a, b, c);
            let mirror = DMat3::from_diagonal(DVec3::new(1.0, if mirrored { -1.0 } else { 1.0 }, 1.0));
            let transform = DAffine3 {
                matrix3: DMat3::from_quat(rotation) * mirror * scale,
                translation: DVec3::from_array(translation),
            };
            let back = round_trip(&transform);
            prop_assert!(back.abs_diff_eq(transform, 1e-12 * scale.max(1.0)), "{back} {transform}");
            prop_assert_eq!(back.matrix3.determinant() < 0.0, mirrored);
        }
    }

    #[test]
    fn half_turns_and_the_identity_round_trip_exactly() {
        for quarter_turns in 0..4 {
            let half = DAffine3::from_axis_angle(
                DVec3::Z,
                f64::from(quarter_turns) * std::f64::consts::FRAC_PI_2,
            );
            assert!(round_trip(&half).abs_diff_eq(half, 1e-15));
        }
        assert_eq!(round_trip(&DAffine3::IDENTITY), DAffine3::IDENTITY);
    }

    #[test]
    fn the_root_converts_z_up_to_y_up() {
        let up = DQuat::from_array(Z_UP_TO_Y_UP) * DVec3::Z;
        assert!(up.abs_diff_eq(DVec3::Y, 1e-15));
    }
}
