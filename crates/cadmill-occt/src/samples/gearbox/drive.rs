//! The rotating components: shafts, gears, bearings.

use std::f64::consts::{PI, TAU};

use cadmill_occt::kernel::KernelError;
use glam::DAffine3;

use super::super::modelling::{Corner, EVERYWHERE, Made, Model, Product, Solid, Y, Z};
use super::{BEARING_STEEL, BLACK_STEEL, BRONZE, HARDENED, STEEL, at};

pub(super) const BEARING_RADIUS: f64 = 16.0;
const BEARING_WIDTH: f64 = 9.0;
const BALL_RING: f64 = 11.75;
const BALL_RADIUS: f64 = 2.4;
const BALLS: u32 = 9;
/// The start of the lower and the upper bearing along the shaft.
const BEARINGS: [(f64, &str); 2] = [(5.0, "lower"), (52.0, "upper")];

/// The gear module: pitch diameter divided by the number of teeth.
const MODULE: f64 = 2.5;
const SHAFT_RADIUS: f64 = 7.5;
const SEAT_RADIUS: f64 = 9.5;

pub(super) fn bearing(model: &mut Model) -> Result<Product, KernelError> {
    let bearing = model.assembly("bearing-6002")?;
    let groove = Solid::torus(BALL_RING, BALL_RADIUS + 0.1)?.moved(middle())?;
    for (name, inner, outer) in [
        ("inner-ring", SHAFT_RADIUS, 10.4),
        ("outer-ring", 13.1, BEARING_RADIUS),
    ] {
        let ring = model.part(
            name,
            HARDENED,
            &ring(inner, outer, BEARING_WIDTH)?.cut(&groove)?,
        )?;
        model.place(bearing, ring, DAffine3::IDENTITY, name)?;
    }
    let ball = model.part(
        "ball",
        BEARING_STEEL,
        &Solid::sphere([0.0; 3], BALL_RADIUS)?,
    )?;
    for i in 0..BALLS {
        let turn = DAffine3::from_rotation_z(TAU * f64::from(i) / f64::from(BALLS));
        let place = middle() * turn * at(BALL_RING, 0.0, 0.0);
        model.place(bearing, ball, place, &format!("ball-{}", i + 1))?;
    }
    Ok(bearing)
}

pub(super) fn input(model: &mut Model, bearing: Product) -> Result<Product, KernelError> {
    let assembly = model.assembly("input-shaft-assembly")?;
    let slot = key()?.moved(at(0.0, -4.5, 76.0))?;
    let shaft = model.part("input-shaft", STEEL, &shaft(100.0)?.cut(&slot)?)?;
    model.place(assembly, shaft, DAffine3::IDENTITY, "shaft")?;
    let key = model.part("key-5x5x20", HARDENED, &key()?)?;
    model.place(assembly, key, at(0.0, -4.5, 76.0), "key")?;
    let pinion = model.part("pinion", STEEL, &gear(16, 20.0)?)?;
    // A gap between teeth must face the wheel.
    let turn = DAffine3::from_rotation_z(PI / 16.0);
    model.place(assembly, pinion, at(0.0, 0.0, 21.0) * turn, "pinion")?;
    place_bearings(model, assembly, bearing)?;
    Ok(assembly)
}

pub(super) fn output(model: &mut Model, bearing: Product) -> Result<Product, KernelError> {
    let assembly = model.assembly("output-shaft-assembly")?;
    let shaft = model.part("output-shaft", STEEL, &shaft(90.0)?)?;
    model.place(assembly, shaft, DAffine3::IDENTITY, "shaft")?;
    let wheel = model.part("wheel", BRONZE, &wheel()?)?;
    model.place(assembly, wheel, at(0.0, 0.0, 22.0), "wheel")?;
    let coupling = model.part("coupling", BLACK_STEEL, &coupling()?)?;
    model.place(assembly, coupling, at(0.0, 0.0, 67.0), "coupling")?;
    place_bearings(model, assembly, bearing)?;
    Ok(assembly)
}

fn place_bearings(
    model: &mut Model,
    assembly: Product,
    bearing: Product,
) -> Result<(), KernelError> {
    for (z, name) in BEARINGS {
        model.place(
            assembly,
            bearing,
            at(0.0, 0.0, z),
            &format!("{name}-bearing"),
        )?;
    }
    Ok(())
}

fn middle() -> DAffine3 {
    at(0.0, 0.0, BEARING_WIDTH / 2.0)
}

/// A ring with bevelled edges.
fn ring(inner: f64, outer: f64, width: f64) -> Made {
    let bevel = 0.5;
    Solid::turned(&[
        (inner, bevel),
        (inner + bevel, 0.0),
        (outer - bevel, 0.0),
        (outer, bevel),
        (outer, width - bevel),
        (outer - bevel, width),
        (inner + bevel, width),
        (inner, width - bevel),
    ])
}

fn shaft(end: f64) -> Made {
    let (lower, upper) = (BEARINGS[0].0 + BEARING_WIDTH, BEARINGS[1].0);
    Solid::turned(&[
        (0.0, 3.0),
        (SHAFT_RADIUS - 1.0, 3.0),
        (SHAFT_RADIUS, 4.0),
        (SHAFT_RADIUS, lower),
        (SEAT_RADIUS, lower),
        (SEAT_RADIUS, upper),
        (SHAFT_RADIUS, upper),
        (SHAFT_RADIUS, 67.0),
        (7.0, 67.0),
        (7.0, end - 1.0),
        (6.0, end),
        (0.0, end),
    ])
}

/// An upright key with rounded ends; its bottom is in the XZ plane.
fn key() -> Made {
    Solid::cuboid([-2.5, -5.0, 0.0], [2.5, 0.0, 20.0])?.fillet(EVERYWHERE, Y, 2.49)
}

/// A spur gear with straight flanks at 20° and a bore for its seat.
fn gear(teeth: u32, width: f64) -> Made {
    let pitch = MODULE * f64::from(teeth) / 2.0;
    let (root, tip) = (pitch - 1.25 * MODULE, pitch + MODULE);
    let backlash = 0.05;
    let half_angle = |radius: f64| {
        let half = PI * MODULE / 4.0 - backlash - (radius - pitch) * 20_f64.to_radians().tan();
        (half / radius).asin()
    };
    let mut outline = Vec::new();
    for tooth in 0..teeth {
        let middle = TAU * f64::from(tooth) / f64::from(teeth);
        for (radius, side) in [(root, -1.0), (tip, -1.0), (tip, 1.0), (root, 1.0)] {
            let (sin, cos) = (middle + side * half_angle(radius)).sin_cos();
            outline.push(Corner {
                x: radius * cos,
                y: radius * sin,
            });
        }
    }
    let bevel = 1.0;
    let blank = Solid::turned(&[
        (SEAT_RADIUS, 0.0),
        (tip - bevel, 0.0),
        (tip, bevel),
        (tip, width - bevel),
        (tip - bevel, width),
        (SEAT_RADIUS, width),
    ])?;
    Solid::prism(&outline, width)?.common(&blank)
}

/// The larger gear, with a thin web and holes in it.
fn wheel() -> Made {
    let width = 18.0;
    let mut wheel = gear(32, width)?;
    for (from, to) in [(-1.0, 5.0), (width - 5.0, width + 1.0)] {
        let groove = Solid::turned(&[(15.0, from), (32.0, from), (32.0, to), (15.0, to)])?;
        wheel = wheel.cut(&groove)?;
    }
    for i in 0..6 {
        let (sin, cos) = (TAU * f64::from(i) / 6.0).sin_cos();
        let hole = Solid::cylinder([23.5 * cos, 23.5 * sin, 0.0], Z, 5.5, width)?;
        wheel = wheel.cut(&hole)?;
    }
    Ok(wheel)
}

/// A flange for the driven machine.
fn coupling() -> Made {
    let mut coupling = Solid::turned(&[
        (7.0, 0.0),
        (13.0, 0.0),
        (14.0, 1.0),
        (14.0, 11.0),
        (25.5, 11.0),
        (26.5, 12.0),
        (26.5, 18.0),
        (25.5, 19.0),
        (7.0, 19.0),
    ])?;
    for i in 0..6 {
        let (sin, cos) = (TAU * (f64::from(i) + 0.5) / 6.0).sin_cos();
        let hole = Solid::cylinder([20.0 * cos, 20.0 * sin, 0.0], Z, 3.0, 30.0)?;
        coupling = coupling.cut(&hole)?;
    }
    Ok(coupling)
}
