//! Writes USD masters of sample scenes to a folder, as packages and as separate layers, and prints
//! the time taken: `cargo run --release -p cadmill-usd --example sample_master -- DIR`.

use std::{env, error::Error, fs, path::Path, time::Instant};

use cadmill_domain::{Color, MaterialKey, MaterialMaps, MaterialSpec};
use cadmill_scene::{
    MaterialIndex, Occurrence, OccurrenceIndex, OccurrenceKey, Overlay, Part, PartIndex, PartKey,
    Primitive, Scene, sample,
};
use cadmill_usd::master;
use glam::{DAffine3, DVec3};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("usage: sample_master DIR")?;
    let folder = Path::new(&folder);
    let gearbox = sample::gearbox_like();
    let maps = overrides()?;
    write(folder, "cube", &sample::cube(), &MaterialMaps::default())?;
    write(folder, "gearbox", &gearbox, &MaterialMaps::default())?;
    write(folder, "gearbox_recoloured", &gearbox, &maps)?;
    write(folder, "odd", &odd(), &maps)?;
    write(folder, "empty", &sample::empty(), &MaterialMaps::default())?;
    write(folder, "million", &million(), &MaterialMaps::default())
}

fn write(
    folder: &Path,
    name: &str,
    scene: &Scene,
    maps: &MaterialMaps,
) -> Result<(), Box<dyn Error>> {
    let overlay = Overlay::resolve(scene, maps);
    let start = Instant::now();
    let master = master::build(scene, &overlay)?;
    let built = start.elapsed();
    let start = Instant::now();
    let package = master.to_usdz()?;
    let packed = start.elapsed();

    let layers = folder.join(name);
    fs::create_dir_all(&layers)?;
    for (layer, bytes) in master.layers() {
        fs::write(layers.join(layer), bytes)?;
    }
    fs::write(folder.join(format!("{name}.usdz")), &package)?;
    let sizes: Vec<_> = master.layers().map(|(_, bytes)| bytes.len()).collect();
    println!(
        "{name}: {} bytes of layers {sizes:?}, built in {built:?}, packed in {packed:?}",
        package.len()
    );
    Ok(())
}

fn overrides() -> Result<MaterialMaps, Box<dyn Error>> {
    let spec = |name: &str, color: &str| -> Result<MaterialSpec, Box<dyn Error>> {
        Ok(MaterialSpec {
            name: Some(name.to_owned()),
            color: color.parse::<Color>()?,
            metallic: 0.25,
            roughness: 0.5,
            opacity: 1.0,
        })
    };
    let mut maps = MaterialMaps::default();
    let parts = &mut maps.part_materials;
    parts.insert(MaterialKey::new("bolt-m6"), spec("Zinc", "#b0b4b8")?);
    let manual = &mut maps.manual_overrides;
    let one_bolt = MaterialKey::new("/gearbox/bolts/bolt:3");
    manual.insert(one_bolt, spec("Signal red", "#ff0000")?);
    let housing = MaterialKey::new("/gearbox/housing");
    manual.insert(housing, spec("Signal red", "#ff0000")?);
    let nothing = MaterialKey::new("no such part");
    manual.insert(nothing, spec("Signal red", "#ff0000")?);
    Ok(maps)
}

/// A gearbox with unusual features: an occurrence with a part, children and its own colour, and
/// names that are not identifiers.
fn odd() -> Scene {
    let mut scene = sample::gearbox_like();
    let housing = scene
        .occurrences
        .iter()
        .position(|o| o.designator.as_deref() == Some("housing"));
    let housing = housing.map(OccurrenceIndex);
    for (index, name) in ["", "2 Räder", "a/b.c:d", "a b c d", "\0", "Prototypes"]
        .iter()
        .enumerate()
    {
        scene.occurrences.push(Occurrence {
            parent: housing.filter(|_| index % 2 == 0),
            key: OccurrenceKey::new(format!("/odd/{index}")),
            name: (*name).to_owned(),
            product_id: "odd".to_owned(),
            designator: None,
            transform: DAffine3::from_translation(DVec3::new(0.5, 0.01 * index as f64, 0.0)),
            part: Some(PartIndex(4)),
            material: (index == 4).then_some(MaterialIndex(4)),
            layers: Vec::new(),
        });
    }
    scene
}

/// A sheet with 1 000 000 triangles.
fn million() -> Scene {
    const SIDE: u32 = 1_000;
    const ROWS: u32 = 500;
    let mut scene = sample::cube();
    let height = |x: u32, y: u32| ((x * 31 + y * 17) % 97) as f32 * 1e-4;
    let (columns, rows) = (SIDE + 1, ROWS + 1);
    let positions: Vec<_> = (0..rows)
        .flat_map(|y| (0..columns).map(move |x| [x as f32 * 1e-3, y as f32 * 1e-3, height(x, y)]))
        .collect();
    let indices = (0..ROWS).flat_map(|y| {
        (0..SIDE).flat_map(move |x| {
            let at = y * columns + x;
            [
                at,
                at + 1,
                at + columns,
                at + 1,
                at + columns + 1,
                at + columns,
            ]
        })
    });
    let primitive = Primitive {
        material: MaterialIndex(0),
        normals: vec![[0.0, 0.0, 1.0]; positions.len()],
        indices: indices.collect(),
        positions,
    };
    scene.parts[0] = Part {
        key: PartKey::new("sheet"),
        name: "Sheet".to_owned(),
        physical: None,
        layers: Vec::new(),
        primitives: vec![primitive],
    };
    scene
}
