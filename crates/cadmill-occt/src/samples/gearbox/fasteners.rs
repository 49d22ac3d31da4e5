//! The fasteners: bolts with washers, plugs, brackets.

use std::f64::consts::FRAC_PI_3;

use cadmill_occt::kernel::KernelError;
use glam::DAffine3;

use super::super::modelling::{
    Corner, Made, Model, Occurrence, Product, Solid, X, Y, Z, corners, region,
};
use super::{BLACK_STEEL, PAD_Y, PAD_Z, ZINC_STEEL, at};

pub(super) const BRACKET_THICKNESS: f64 = 8.0;
const WASHER_HEIGHT: f64 = 1.6;

pub(super) struct Fasteners {
    /// A bolt with its washer, which is in the XY plane.
    pub(super) bolt: Product,
    /// The bolt without its washer.
    pub(super) head: Occurrence,
}

impl Fasteners {
    pub(super) fn new(model: &mut Model) -> Result<Self, KernelError> {
        let assembly = model.assembly("bolt-with-washer")?;
        let washer = Solid::turned(&[
            (3.2, 0.0),
            (6.0, 0.0),
            (6.0, WASHER_HEIGHT - 0.3),
            (5.7, WASHER_HEIGHT),
            (3.2, WASHER_HEIGHT),
        ])?;
        let washer = model.part("washer-m6", ZINC_STEEL, &washer)?;
        model.place(assembly, washer, DAffine3::IDENTITY, "washer")?;
        let bolt = model.part("bolt-m6", BLACK_STEEL, &bolt()?)?;
        let head = model.place(assembly, bolt, at(0.0, 0.0, WASHER_HEIGHT), "bolt")?;
        for part in [washer, bolt] {
            model.put_on_layer(part, "fasteners")?;
        }
        Ok(Self {
            bolt: assembly,
            head,
        })
    }
}

fn bolt() -> Made {
    let shank = Solid::turned(&[
        (0.0, -18.0),
        (2.4, -18.0),
        (3.0, -17.0),
        (3.0, 1.0),
        (0.0, 1.0),
    ])?;
    hexagon(10.0, 4.2)?.fuse(&shank)
}

/// A plug with a hexagonal head; its collar is in the XY plane.
pub(super) fn plug() -> Made {
    let shank = Solid::turned(&[
        (0.0, -10.0),
        (4.2, -10.0),
        (5.0, -9.0),
        (5.0, 0.0),
        (9.0, 0.0),
        (9.0, 1.5),
        (8.5, 2.0),
        (0.0, 2.0),
    ])?;
    hexagon(13.0, 7.0)?.fuse(&shank)
}

/// The head of a bolt, with its upper corners chamfered at 30°.
fn hexagon(across_flats: f64, height: f64) -> Made {
    let radius = across_flats / 3_f64.sqrt();
    let outline: Vec<Corner> = (0..6)
        .map(|i| {
            let (sin, cos) = (f64::from(i) * FRAC_PI_3).sin_cos();
            Corner {
                x: radius * cos,
                y: radius * sin,
            }
        })
        .collect();
    let flat = 0.47 * across_flats;
    let drop = 2.0 * (radius - flat) * 30_f64.to_radians().tan();
    let turned = Solid::turned(&[
        (0.0, 0.0),
        (radius + (radius - flat), 0.0),
        (radius + (radius - flat), height - drop),
        (flat, height),
        (0.0, height),
    ])?;
    Solid::prism(&outline, height)?.common(&turned)
}

/// An angle bracket with a gusset for the +X side; its upright leg is in the YZ plane.
pub(super) fn bracket() -> Made {
    let t = BRACKET_THICKNESS;
    let profile = corners(&[
        (0.0, 0.0),
        (46.0, 0.0),
        (46.0, t),
        (t, t),
        (t, 46.0),
        (0.0, 46.0),
    ]);
    let upright =
        DAffine3::from_cols_array(&[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 34.0, 0.0]);
    let angle = Solid::prism(&profile, 68.0)?.moved(upright)?;
    let gusset = Solid::prism(&corners(&[(t, t), (38.0, t), (t, 40.0)]), t)?;
    let gusset =
        gusset.moved(DAffine3::from_translation([0.0, -26.0 - 34.0, 0.0].into()) * upright)?;

    let mut bracket = angle.fuse(&gusset)?;
    bracket = bracket.fillet(region([46.0, -34.0, 0.0], [46.0, 34.0, t]), Z, 10.0)?;
    bracket = bracket.fillet(region([0.0, -34.0, 46.0], [t, 34.0, 46.0]), X, 10.0)?;
    bracket = bracket.fillet(region([0.0, -34.0, 0.0], [0.0, 34.0, 0.0]), Y, 3.0)?;
    for y in [-PAD_Y, PAD_Y] {
        bracket = bracket.cut(&Solid::cylinder([-1.0, y, PAD_Z], X, 3.3, 20.0)?)?;
    }
    bracket = bracket.cut(&Solid::cylinder([30.0, -12.0, -1.0], Z, 4.5, 20.0)?)?;
    let slot = Solid::cuboid([23.0, 9.5, -1.0], [37.0, 18.5, 20.0])?;
    bracket.cut(&slot.fillet(region([20.0, 0.0, -1.0], [40.0, 30.0, 20.0]), Z, 4.49)?)
}
