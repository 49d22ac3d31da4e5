//! The stationary components: housing, gasket, cover, sight glass, plugs.

use std::f64::consts::FRAC_PI_2;

use cadmill_occt::kernel::KernelError;
use glam::DAffine3;

use super::super::modelling::{
    ANY, Color, EVERYWHERE, Made, Model, Product, Solid, Stock, X, Y, Z, color, region,
};
use super::{
    ALUMINIUM, BOLTS, BRONZE, CAST_IRON, COVER, INPUT_X, OUTPUT_X, PAD_X, PAD_Y, PAD_Z, PAPER, RIM,
    SIGNAL, at, drive, fasteners,
};

pub(super) const COVER_HEIGHT: f64 = 8.0;

/// Half the length and width of housing, gasket and cover, and of the cavity.
const OUTER: [f64; 2] = [82.0, 62.0];
const INNER: [f64; 2] = [66.0, 46.0];
const OUTER_RADIUS: f64 = 16.0;
const INNER_RADIUS: f64 = 13.0;
const FLOOR: f64 = 10.0;
/// How far the bosses protrude from the front wall.
const BOSS_FRONT: f64 = -OUTER[1] - 3.0;
const SIGHT: [f64; 2] = [52.0, 25.0];
const DRAIN: [f64; 2] = [-54.0, 17.0];
const VENT: [f64; 2] = [-56.0, 36.0];
/// The bosses around the bearings in the cover.
const BOSS_RADIUS: f64 = 23.0;
const BOSS_HEIGHT: f64 = COVER_HEIGHT + 4.0;

const MACHINED: Color = color(0xC5_CC_D1);
const SAFETY_RED: Color = color(0xC6_32_2B);
const GLASS: Stock = Stock {
    color: Color {
        alpha: 0.55,
        ..color(0xF2_B1_3A)
    },
    material: "Borosilicate glass",
    density: 2230.0,
};

pub(super) fn assembly(model: &mut Model) -> Result<Product, KernelError> {
    let assembly = model.assembly("housing-assembly")?;

    let housing = model.part("Gehäuse 零件", CAST_IRON, &housing()?)?;
    model.put_on_layer(housing, "castings")?;
    let [x, y] = OUTER;
    model.paint_faces(housing, region([-x, -y, RIM], [x, y, RIM]), MACHINED)?;
    model.paint_faces(
        housing,
        region([-80.0, BOSS_FRONT, 0.0], [80.0, BOSS_FRONT, RIM]),
        MACHINED,
    )?;
    for side in [-PAD_X, PAD_X] {
        model.paint_faces(housing, region([side, -y, 0.0], [side, y, RIM]), MACHINED)?;
    }
    for center in [INPUT_X, OUTPUT_X] {
        let r = drive::BEARING_RADIUS;
        let seat = region([center - r, -r, 5.0], [center + r, r, FLOOR + 4.0]);
        model.paint_faces(housing, seat, MACHINED)?;
    }
    model.place(assembly, housing, DAffine3::IDENTITY, "body")?;

    let gasket = model.part("gasket", PAPER, &gasket()?)?;
    model.place(assembly, gasket, at(0.0, 0.0, RIM), "gasket")?;

    let cover = model.part("cover", ALUMINIUM, &cover()?)?;
    model.put_on_layer(cover, "castings")?;
    model.paint_faces(
        cover,
        region([-x, -y, BOSS_HEIGHT], [x, y, BOSS_HEIGHT]),
        MACHINED,
    )?;
    model.paint_faces(
        cover,
        region([-66.0, -46.0, 0.0], [66.0, 0.0, BOSS_HEIGHT]),
        SIGNAL,
    )?;
    model.place(assembly, cover, at(0.0, 0.0, COVER), "cover")?;

    let forward = DAffine3::from_rotation_x(FRAC_PI_2);
    let glass = Solid::cylinder([0.0, 0.0, -4.0], Z, 9.0, 5.0)?;
    let glass = model.part("sight-glass", GLASS, &glass)?;
    model.place(
        assembly,
        glass,
        at(SIGHT[0], BOSS_FRONT, SIGHT[1]) * forward,
        "oil-level",
    )?;

    let plug = model.part("plug", BRONZE, &fasteners::plug()?)?;
    model.place(
        assembly,
        plug,
        at(DRAIN[0], BOSS_FRONT, DRAIN[1]) * forward,
        "drain",
    )?;
    let vent = at(VENT[0], VENT[1], COVER + COVER_HEIGHT);
    let vent = model.place(assembly, plug, vent, "vent")?;
    model.paint_occurrence(vent, SAFETY_RED)?;
    Ok(assembly)
}

fn housing() -> Made {
    let mut body = Solid::rounded_cuboid(OUTER, 0.0, RIM, OUTER_RADIUS)?.chamfer(
        region([-100.0, -100.0, 0.0], [100.0, 100.0, 0.0]),
        ANY,
        2.0,
    )?;
    for side in [-1.0, 1.0] {
        let (from, to) = (side * (OUTER[0] - 1.0), side * PAD_X);
        let pad = Solid::cuboid([from.min(to), -34.0, 12.0], [from.max(to), 34.0, 42.0])?;
        body = body.fuse(&pad.fillet(EVERYWHERE, X, 8.0)?)?;
        for i in 0..6 {
            body = body.fuse(&rib(f64::from(i) * 13.0 - 30.0, side)?)?;
        }
    }
    for ([x, z], radius) in [(SIGHT, 14.0), (DRAIN, 11.0)] {
        body = body.fuse(&Solid::cylinder(
            [x, -OUTER[1] + 1.0, z],
            [0.0, -1.0, 0.0],
            radius,
            4.0,
        )?)?;
    }
    body = body.cut(&Solid::rounded_cuboid(
        INNER,
        FLOOR,
        RIM + 1.0,
        INNER_RADIUS,
    )?)?;
    for x in [INPUT_X, OUTPUT_X] {
        body = body.fuse(&Solid::cylinder([x, 0.0, FLOOR - 1.0], Z, 21.0, 5.0)?)?;
        body = body.cut(&Solid::cylinder(
            [x, 0.0, 5.0],
            Z,
            drive::BEARING_RADIUS,
            FLOOR,
        )?)?;
        body = body.cut(&Solid::cylinder([x, 0.0, 2.0], Z, 11.0, FLOOR)?)?;
    }
    body = body.cut(&Solid::cylinder([SIGHT[0], -80.0, SIGHT[1]], Y, 9.0, 40.0)?)?;
    body = body.cut(&Solid::cylinder([DRAIN[0], -80.0, DRAIN[1]], Y, 5.0, 40.0)?)?;
    for (x, y) in BOLTS {
        body = body.cut(&Solid::cylinder([x, y, RIM - 12.0], Z, 3.0, 20.0)?)?;
    }
    for x in [-PAD_X, PAD_X] {
        for y in [-PAD_Y, PAD_Y] {
            let inward = [-x.signum(), 0.0, 0.0];
            body = body.cut(&Solid::cylinder([x, y, PAD_Z], inward, 3.0, 12.0)?)?;
        }
    }
    Ok(body)
}

/// An upright rib on the front (-1) or back (1) wall.
fn rib(x: f64, side: f64) -> Made {
    let (root, tip) = (side * (OUTER[1] - 1.0), side * (OUTER[1] + 4.0));
    let rib = Solid::cuboid(
        [x - 2.5, root.min(tip), 6.0],
        [x + 2.5, root.max(tip), 43.0],
    )?;
    let outer = region([x - 3.0, tip, 0.0], [x + 3.0, tip, RIM]);
    rib.chamfer(outer, X, 3.0)?.fillet(outer, Z, 1.5)
}

fn gasket() -> Made {
    let hole = Solid::rounded_cuboid(INNER, -1.0, 2.0, INNER_RADIUS)?;
    bolt_holes(Solid::rounded_cuboid(OUTER, 0.0, COVER - RIM, OUTER_RADIUS)?.cut(&hole)?)
}

fn cover() -> Made {
    let top = region([-100.0, -100.0, COVER_HEIGHT], [100.0, 100.0, COVER_HEIGHT]);
    let mut cover =
        Solid::rounded_cuboid(OUTER, 0.0, COVER_HEIGHT, OUTER_RADIUS)?.chamfer(top, ANY, 1.5)?;
    for x in [INPUT_X, OUTPUT_X] {
        cover = cover.fuse(
            &Solid::turned(&[
                (0.0, 1.0),
                (BOSS_RADIUS + 2.0, 1.0),
                (BOSS_RADIUS + 2.0, COVER_HEIGHT),
                (BOSS_RADIUS, BOSS_HEIGHT),
                (0.0, BOSS_HEIGHT),
            ])?
            .moved(at(x, 0.0, 0.0))?,
        )?;
    }
    for x in [INPUT_X, OUTPUT_X] {
        cover = cover.cut(&Solid::cylinder(
            [x, 0.0, -1.0],
            Z,
            drive::BEARING_RADIUS,
            11.0,
        )?)?;
        cover = cover.cut(&Solid::cylinder([x, 0.0, -1.0], Z, 11.0, 20.0)?)?;
    }
    cover = cover.cut(&Solid::cylinder([VENT[0], VENT[1], -1.0], Z, 5.0, 20.0)?)?;
    let window = Solid::cuboid([-66.0, -46.0, -1.0], [66.0, 0.0, 20.0])?;
    let front = region([-70.0, -46.0, -1.0], [70.0, -46.0, 20.0]);
    bolt_holes(cover.cut(&window.fillet(front, Z, INNER_RADIUS)?)?)
}

fn bolt_holes(plate: Solid) -> Made {
    BOLTS.into_iter().try_fold(plate, |plate, (x, y)| {
        plate.cut(&Solid::cylinder([x, y, -1.0], Z, 3.3, 20.0)?)
    })
}
