//! Small samples, each with one feature.

use std::f64::consts::PI;

use cadmill_occt::kernel::KernelError;
use glam::{DAffine3, dvec3};

use super::modelling::{
    ANY, Color, EVERYWHERE, Made, Model, Region, Solid, Stock, Z, color, region,
};

const STEEL: Stock = Stock {
    color: color(0x9A_A5_AE),
    material: "Steel S235",
    density: 7850.0,
};
const RESIN: Stock = Stock {
    color: color(0x2B_3A_4A),
    material: "Epoxy resin",
    density: 1200.0,
};
const SIGNAL: Color = color(0xE8_69_2C);

/// A cube of one inch.
pub(super) fn inch_cube() -> Result<Model, KernelError> {
    let mut model = Model::new()?;
    model.plain_part("inch-cube", &Solid::cuboid([0.0; 3], [25.4; 3])?)?;
    Ok(model)
}

/// A die with a colour for each side, one for the pips, and one for the rest.
pub(super) fn face_colors() -> Result<Model, KernelError> {
    /// Half the width of the die, and the offset of pips from the centre of a side.
    const HALF: f64 = 10.0;
    const PIP: f64 = 4.4;
    /// The possible positions of pips.
    const DIAGONAL: [[f64; 2]; 2] = [[-PIP, -PIP], [PIP, PIP]];
    const OTHER_DIAGONAL: [[f64; 2]; 2] = [[-PIP, PIP], [PIP, -PIP]];
    const MIDDLE: [[f64; 2]; 1] = [[0.0, 0.0]];
    const EDGES: [[f64; 2]; 2] = [[-PIP, 0.0], [PIP, 0.0]];
    /// Axis, sign and colour of the sides with one pip, two pips and so on.
    const SIDES: [(usize, f64, Color); 6] = [
        (2, 1.0, color(0xE8_B1_3A)),
        (1, -1.0, color(0x2E_7F_8C)),
        (0, 1.0, color(0xD1_60_3D)),
        (0, -1.0, color(0x5A_4E_7C)),
        (1, 1.0, color(0x6E_9B_4E)),
        (2, -1.0, color(0xB2_3A_48)),
    ];
    const IVORY: Color = color(0xF4_F1_E8);

    let mut die = Solid::cuboid([-HALF; 3], [HALF; 3])?.fillet(EVERYWHERE, ANY, 2.5)?;
    for (pips, (axis, sign, _)) in (1..).zip(SIDES) {
        let odd = MIDDLE.iter().filter(|_| pips % 2 == 1);
        let two = DIAGONAL.iter().filter(|_| pips >= 2);
        let four = OTHER_DIAGONAL.iter().filter(|_| pips >= 4);
        let six = EDGES.iter().filter(|_| pips == 6);
        for [a, b] in odd.chain(two).chain(four).chain(six) {
            let mut center = [0.0; 3];
            center[axis] = sign * (HALF + 1.2);
            center[(axis + 1) % 3] = *a;
            center[(axis + 2) % 3] = *b;
            die = die.cut(&Solid::sphere(center, 2.0)?)?;
        }
    }
    let mut model = Model::new()?;
    let part = model.part("die", RESIN, &die)?;
    for (axis, sign, color) in SIDES {
        // The flat of a side is within the slice of its pips, so it is painted after them.
        model.paint_faces(part, slice(axis, sign, HALF - 1.0, HALF), IVORY)?;
        model.paint_faces(part, slice(axis, sign, HALF, HALF), color)?;
    }
    Ok(model)
}

/// The region between two distances from the centre along one axis, without the rounded rim.
fn slice(axis: usize, sign: f64, from: f64, to: f64) -> Region {
    let (mut min, mut max) = ([-7.5; 3], [7.5; 3]);
    min[axis] = (sign * from).min(sign * to);
    max[axis] = (sign * from).max(sign * to);
    region(min, max)
}

/// A rack with two shelves of three plates with two pins each: nested instances.
pub(super) fn plate_instances() -> Result<Model, KernelError> {
    let mut model = Model::new()?;
    let rack = model.assembly("rack")?;
    let shelf = model.assembly("shelf")?;
    let unit = model.assembly("plate-with-pins")?;

    let hole = Solid::cylinder([0.0, 0.0, -1.0], Z, 5.0, 10.0)?;
    let plate = Solid::rounded_cuboid([20.0, 12.0], 0.0, 4.0, 4.0)?.cut(&hole)?;
    let plate = model.part("plate", STEEL, &plate)?;
    let pin = model.part("pin", RESIN, &pin()?)?;
    let at = |x: f64, y: f64, z: f64| DAffine3::from_translation(dvec3(x, y, z));

    model.place(unit, plate, DAffine3::IDENTITY, "plate")?;
    model.place(unit, pin, at(-13.0, 0.0, 4.0), "left-pin")?;
    model.place(unit, pin, at(13.0, 0.0, 4.0), "right-pin")?;
    for i in 0..3 {
        let place = at(0.0, f64::from(i) * 30.0, 0.0);
        model.place(shelf, unit, place, &format!("unit-{}", i + 1))?;
    }
    model.place(rack, shelf, DAffine3::IDENTITY, "lower-shelf")?;
    let turned = at(0.0, 60.0, 30.0) * DAffine3::from_rotation_z(PI);
    model.place(rack, shelf, turned, "upper-shelf")?;
    Ok(model)
}

fn pin() -> Made {
    Solid::turned(&[
        (0.0, 0.0),
        (3.0, 0.0),
        (3.0, 11.0),
        (2.0, 12.0),
        (0.0, 12.0),
    ])
}

/// Open surfaces: a freeform patch, and a funnel that is open at both ends.
pub(super) fn surfaces() -> Result<Model, KernelError> {
    const COLUMNS: usize = 9;
    const SPACING: f64 = 10.0;
    let heights: Vec<f64> = (0..COLUMNS * COLUMNS)
        .map(|i| {
            let (x, y) = ((i % COLUMNS) as f64, (i / COLUMNS) as f64);
            8.0 * (x * PI / 4.0).sin() * (y * PI / 8.0).cos() + 0.15 * (y - 4.0).powi(2)
        })
        .collect();
    let freeform = Solid::freeform_surface(&heights, COLUMNS, SPACING)?;
    let funnel = Solid::turned_surface(
        &[(4.0, 0.0), (4.0, 15.0), (25.0, 40.0), (27.0, 46.0)],
        1.5 * PI,
    )?;

    let mut model = Model::new()?;
    let surfaces = model.assembly("surfaces")?;
    let sheet = Stock {
        color: color(0x2E_7F_8C),
        ..STEEL
    };
    let freeform = model.part("freeform", sheet, &freeform)?;
    model.put_on_layer(freeform, "skins")?;
    model.place(surfaces, freeform, DAffine3::IDENTITY, "freeform")?;
    let painted = Stock {
        color: SIGNAL,
        ..STEEL
    };
    let funnel = model.part("funnel", painted, &funnel)?;
    model.put_on_layer(funnel, "skins")?;
    let beside = DAffine3::from_translation(dvec3(120.0, 40.0, -10.0));
    model.place(surfaces, funnel, beside, "funnel")?;
    Ok(model)
}
