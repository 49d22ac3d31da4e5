//! A single-stage gearbox with nested assemblies, shared parts, face colours and a mirrored
//! bracket.
//!
//! The shafts are vertical. The cover is cut open to show the gears.

mod drive;
mod fasteners;
mod housing;

use std::f64::consts::FRAC_PI_2;

use cadmill_occt::kernel::KernelError;
use glam::{DAffine3, DVec3, dvec3};

use super::modelling::{Color, Model, Stock, color};
use fasteners::Fasteners;

const STEEL: Stock = stock(0xAE_B6_BD, "Steel C45", 7850.0);
const HARDENED: Stock = stock(0x8B_94_9C, "Steel 16MnCr5", 7850.0);
const BEARING_STEEL: Stock = stock(0xC7_CD_D2, "Steel 100Cr6", 7810.0);
const BLACK_STEEL: Stock = stock(0x3B_40_46, "Steel S235", 7850.0);
const ZINC_STEEL: Stock = stock(0xD3_D6_D2, "Steel 8.8", 7850.0);
const BRONZE: Stock = stock(0xC0_8A_46, "Bronze CuSn12", 8700.0);
const CAST_IRON: Stock = stock(0x2F_60_74, "Cast iron EN-GJL-250", 7200.0);
const ALUMINIUM: Stock = stock(0x4F_84_98, "Aluminium EN AC-46000", 2680.0);
const PAPER: Stock = stock(0x24_28_2B, "Gasket paper", 1100.0);

const SIGNAL: Color = color(0xE8_69_2C);

/// The distance of the shafts from the centre of the housing, along X.
const INPUT_X: f64 = -40.0;
const OUTPUT_X: f64 = 20.0;
/// The height of the gasket on the housing, and of the cover on the gasket.
const RIM: f64 = 50.0;
const COVER: f64 = 51.0;
/// The positions of the bolts of the cover.
const BOLTS: [(f64, f64); 12] = [
    (-73.0, -53.0),
    (-24.5, -54.0),
    (24.5, -54.0),
    (73.0, -53.0),
    (74.0, -17.5),
    (74.0, 17.5),
    (73.0, 53.0),
    (24.5, 54.0),
    (-24.5, 54.0),
    (-73.0, 53.0),
    (-74.0, 17.5),
    (-74.0, -17.5),
];
/// The position of the brackets: distance from the centre along X, height, and ±Y.
const PAD_X: f64 = 84.0;
const PAD_Z: f64 = 27.0;
const PAD_Y: f64 = 20.0;

pub(super) fn model() -> Result<Model, KernelError> {
    let mut model = Model::new()?;
    let gearbox = model.assembly("gearbox")?;
    let fasteners = Fasteners::new(&mut model)?;
    let bearing = drive::bearing(&mut model)?;

    let housing = housing::assembly(&mut model)?;
    model.place(gearbox, housing, DAffine3::IDENTITY, "housing")?;
    let input = drive::input(&mut model, bearing)?;
    model.place(gearbox, input, at(INPUT_X, 0.0, 0.0), "input")?;
    let output = drive::output(&mut model, bearing)?;
    model.place(gearbox, output, at(OUTPUT_X, 0.0, 0.0), "output")?;

    let mut bolts = Vec::new();
    for (i, (x, y)) in BOLTS.into_iter().enumerate() {
        let place = at(x, y, COVER + housing::COVER_HEIGHT);
        let name = format!("cover-bolt-{:02}", i + 1);
        bolts.push(model.place(gearbox, fasteners.bolt, place, &name)?);
    }
    // Marks the bolt that is tightened last.
    model.paint_in_context(&[bolts[BOLTS.len() - 1], fasteners.head], SIGNAL)?;
    let right = model.part("bracket", BLACK_STEEL, &fasteners::bracket()?)?;
    let left = model.part(
        "bracket-mirrored",
        BLACK_STEEL,
        &fasteners::bracket()?.mirrored()?,
    )?;
    for (bracket, side, name) in [(right, 1.0, "right"), (left, -1.0, "left")] {
        model.put_on_layer(bracket, "mounting")?;
        model.place(
            gearbox,
            bracket,
            at(side * PAD_X, 0.0, 0.0),
            &format!("bracket-{name}"),
        )?;
        for (y, end) in [(-PAD_Y, "front"), (PAD_Y, "back")] {
            let seat = dvec3(side * (PAD_X + fasteners::BRACKET_THICKNESS), y, PAD_Z);
            let outward = DAffine3::from_rotation_y(side * FRAC_PI_2);
            let place = DAffine3::from_translation(seat) * outward;
            model.place(
                gearbox,
                fasteners.bolt,
                place,
                &format!("{name}-bolt-{end}"),
            )?;
        }
    }
    Ok(model)
}

fn at(x: f64, y: f64, z: f64) -> DAffine3 {
    DAffine3::from_translation(DVec3::new(x, y, z))
}

const fn stock(rgb: u32, material: &'static str, density: f64) -> Stock {
    Stock {
        color: color(rgb),
        material,
        density,
    }
}
