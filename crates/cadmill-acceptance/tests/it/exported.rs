//! The figures that the book explains are those that a server tells, and no others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{
    faults::{eventually, eventually_at_least, kernel::Kernel},
    milled::fresh_folder,
    service::{SAMPLES, Service, page},
};

/// The type and the labels of a figure.
type Shape = (String, BTreeSet<String>);

/// What the book has in its table.
fn explained() -> BTreeMap<String, Shape> {
    let page = page("operations.md");
    let rows = page.lines().filter(|line| line.starts_with("| `cadmill_"));
    let shapes = rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let code = |cell: &str| {
            let names = cell.split('`').skip(1).step_by(2);
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        let shape = (cells[1].to_owned(), code(cells[2]).into_iter().collect());
        (code(cells[0]).remove(0), shape)
    });
    shapes.collect()
}

/// What a server tells, as Prometheus reads it.
fn told(metrics: &str) -> BTreeMap<String, Shape> {
    let mut told = BTreeMap::new();
    for line in metrics.lines() {
        if let Some(line) = line.strip_prefix("# TYPE ") {
            let (name, kind) = line.split_once(' ').unwrap();
            let shape = (kind.to_owned(), BTreeSet::new());
            assert!(told.insert(name.to_owned(), shape).is_none(), "{name}");
        } else if let Some((series, labels)) = line.split_once('{')
            && !line.starts_with('#')
        {
            let parts = ["_bucket", "_sum", "_count"];
            let family = parts.iter().find_map(|part| series.strip_suffix(part));
            let name = family.filter(|family| told.contains_key(*family));
            let (_, names) = told.get_mut(name.unwrap_or(series)).unwrap();
            let (labels, _) = labels.split_once('}').unwrap();
            let labels = labels
                .split(',')
                .map(|label| label.split_once('=').unwrap());
            names.extend(labels.map(|(name, _)| name.to_owned()));
        }
    }
    for (kind, labels) in told.values_mut() {
        // By this label a histogram tells its buckets.
        assert!(!labels.remove("le") || kind == "histogram");
    }
    told
}

#[test]
fn every_figure_is_explained_and_told() {
    let kernel = Kernel::new(fresh_folder("figures-kernel").join("kernel"));
    let program = kernel.program();
    let variables = [
        ("CADMILL_SLOTS", "1"),
        ("CADMILL_TESSELLATOR", program.to_str().unwrap()),
    ];
    let service = Service::start("figures", &variables);
    let whole = Path::new(SAMPLES).join("inch-cube.step");
    let text = fs::read(&whole).unwrap();
    let half = service.folder.join("half.step");
    fs::write(&half, &text[..text.len() / 2]).unwrap();
    service.run(&[Path::new("import"), &whole, &half]);
    service.settles();
    service.run(&["verify"]);
    // One is held at the kernel and the other waits, so that the queue has something to tell.
    kernel.close_gate();
    for sample in ["gearbox.step", "surfaces.step"] {
        service.run(&[Path::new("import"), &Path::new(SAMPLES).join(sample)]);
    }
    eventually_at_least("the first is at the kernel", 2, || kernel.runs().len());
    eventually("the other has been read and waits", || {
        let waits = "cadmill_queue_depth{kind=\"gltf_geometry\"";
        service.get("/metrics").contains(waits)
    });
    assert_eq!(told(&service.get("/metrics")), explained());
    kernel.open_gate();
    service.settles();
    service.stop();
}
