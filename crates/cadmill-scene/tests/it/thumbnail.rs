//! The thumbnail.

use cadmill_scene::{Material, MaterialIndex, Overlay, Primitive, Scene, sample, thumbnail};
use glam::{DAffine3, DVec3};
use proptest::prelude::*;

use crate::generated;

struct Picture {
    size: usize,
    pixels: Vec<[u8; 4]>,
}

impl Picture {
    #[track_caller]
    fn of(scene: &Scene, size: u32) -> Self {
        let png = thumbnail::render(scene, &Overlay::none(scene), size).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(png))
            .read_info()
            .unwrap();
        let info = reader.info();
        assert_eq!((info.width, info.height), (size, size));
        assert_eq!(
            (info.color_type, info.bit_depth),
            (png::ColorType::Rgba, png::BitDepth::Eight)
        );
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut bytes).unwrap();
        let pixels = bytes.as_chunks::<4>().0.to_vec();
        Self {
            size: size as usize,
            pixels,
        }
    }

    /// Returns the pixel at these fractions of the width and height.
    fn at(&self, x: f64, y: f64) -> [u8; 4] {
        let index = |fraction: f64| (fraction * self.size as f64) as usize;
        self.pixels[index(y) * self.size + index(x)]
    }

    fn is_empty(&self) -> bool {
        self.pixels.iter().all(|pixel| *pixel == [0; 4])
    }
}

const TOP: (f64, f64) = (0.5, 0.2);
const LEFT: (f64, f64) = (0.25, 0.6);
const RIGHT: (f64, f64) = (0.75, 0.6);

#[test]
fn a_cube_is_seen_from_above_its_nearest_corner() {
    let picture = Picture::of(&sample::cube(), 128);
    let faces = [TOP, LEFT, RIGHT].map(|(x, y)| picture.at(x, y));
    for [r, g, b, opacity] in faces {
        assert!(
            r > g && g > b && opacity == 255,
            "orange, not {r} {g} {b} {opacity}"
        );
    }
    let [top, left, right] = faces.map(|[r, ..]| i32::from(r));
    assert!(top > left + 20 && left > right + 20, "{top} {left} {right}");
    for (x, y) in [
        (0.01, 0.01),
        (0.99, 0.01),
        (0.01, 0.99),
        (0.99, 0.99),
        (0.5, 0.01),
        (0.01, 0.5),
    ] {
        assert_eq!(picture.at(x, y), [0; 4]);
    }
}

#[test]
fn edge_pixels_fade_without_changing_colour() {
    let picture = Picture::of(&sample::cube(), 128);
    let fading: Vec<_> = picture
        .pixels
        .iter()
        .filter(|[.., a]| (1..255).contains(a))
        .collect();
    assert!(fading.len() > 100, "{}", fading.len());
    for [r, g, b, opacity] in fading {
        assert!(r > g && g > b, "{r} {g} {b} {opacity}");
    }
}

#[test]
fn the_number_of_threads_does_not_change_the_picture() {
    let scene = sample::gearbox_like();
    let render = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| thumbnail::render(&scene, &Overlay::none(&scene), 200).unwrap())
    };
    assert!(render(1) == render(8));
}

/// A square of 1 m × 1 m in the plane z = `height`, made of two triangles.
fn sheet(height: f32, material: MaterialIndex) -> Primitive {
    Primitive {
        material,
        positions: vec![
            [0.0, 0.0, height],
            [1.0, 0.0, height],
            [1.0, 1.0, height],
            [0.0, 1.0, height],
        ],
        normals: vec![[0.0, 0.0, 1.0]; 4],
        indices: vec![0, 1, 2, 0, 2, 3],
    }
}

fn scene_of(primitives: Vec<Primitive>) -> Scene {
    let mut scene = sample::cube();
    let material = |name: &str, base_color| Material {
        name: name.to_owned(),
        base_color,
        metallic: 0.0,
        roughness: 1.0,
    };
    scene.materials = vec![
        material("red glass", [0.8, 0.0, 0.0, 0.5]),
        material("blue glass", [0.0, 0.0, 0.8, 0.5]),
        material("lime", [0.0, 0.8, 0.0, 1.0]),
    ];
    scene.parts[0].primitives = primitives;
    scene
}

const RED_GLASS: MaterialIndex = MaterialIndex(0);
const BLUE_GLASS: MaterialIndex = MaterialIndex(1);
const LIME: MaterialIndex = MaterialIndex(2);

#[test]
fn adjacent_triangles_leave_no_gap_and_do_not_overlap() {
    let picture = Picture::of(&scene_of(vec![sheet(0.0, RED_GLASS)]), 64);
    let mut seen = std::collections::BTreeSet::new();
    for y in 26..=38 {
        for x in 26..=38 {
            seen.insert(picture.pixels[y * 64 + x]);
        }
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen.first().unwrap()[3], 128);
}

#[test]
fn transparent_surfaces_show_and_opaque_surfaces_hide_what_is_behind() {
    let center = |primitives| Picture::of(&scene_of(primitives), 64).at(0.5, 0.5);
    let through = center(vec![sheet(0.0, LIME), sheet(0.01, RED_GLASS)]);
    assert!(
        through[0] > 60 && through[1] > 60 && through[3] == 255,
        "{through:?}"
    );
    let hidden = center(vec![sheet(0.01, LIME), sheet(0.0, RED_GLASS)]);
    assert_eq!(hidden, center(vec![sheet(0.01, LIME), sheet(0.0, LIME)]));
    let two = center(vec![sheet(0.0, RED_GLASS), sheet(0.01, BLUE_GLASS)]);
    assert_eq!(two[3], 191, "two halves let a quarter pass");
    let swapped = center(vec![sheet(0.01, BLUE_GLASS), sheet(0.0, RED_GLASS)]);
    let off = two.iter().zip(swapped).map(|(a, b)| a.abs_diff(b)).max();
    assert!(off <= Some(1), "{two:?} {swapped:?}");
}

#[test]
fn a_mirrored_part_is_lit_like_any_other() {
    let cube = sample::cube();
    let mut mirrored = cube.clone();
    mirrored.occurrences[0].transform = DAffine3::from_scale(DVec3::new(-1.0, 1.0, 1.0));
    let (cube, mirrored) = (Picture::of(&cube, 64), Picture::of(&mirrored, 64));
    for (x, y) in [TOP, LEFT, RIGHT] {
        assert_eq!(cube.at(x, y), mirrored.at(x, y));
    }
}

#[test]
fn scenes_without_visible_geometry_give_an_empty_picture() {
    assert!(Picture::of(&sample::empty(), 16).is_empty());
    let mut point = sheet(0.0, LIME);
    point.positions = vec![[0.0; 3]; 4];
    assert!(Picture::of(&scene_of(vec![point]), 16).is_empty());
    let mut far = sample::cube();
    far.occurrences[0].transform.translation = DVec3::splat(f64::MAX);
    far.occurrences.push(far.occurrences[0].clone());
    far.occurrences[1].parent = Some(cadmill_scene::OccurrenceIndex(0));
    far.occurrences[1].key = cadmill_scene::OccurrenceKey::new("/cube/cube");
    far.occurrences[0].part = None;
    assert!(Picture::of(&far, 16).is_empty());
}

#[test]
fn unsupported_sizes_are_refused() {
    let scene = sample::cube();
    for size in [0, thumbnail::MAX_SIZE + 1] {
        let error = thumbnail::render(&scene, &Overlay::none(&scene), size).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the picture size must be from 1 to 1024 pixels, not {size}")
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_scene_has_a_picture(scene in generated::scene(), size in 1..40_u32) {
        Picture::of(&scene, size);
    }
}
