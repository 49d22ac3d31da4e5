//! A run of the tessellator, which converts a STEP file to `scene.glb` and `report.json`.

use std::{
    fs::File,
    io::{BufWriter, Seek as _, Write as _},
    mem::ManuallyDrop,
    num::NonZero,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use cadmill_domain::{
    ContentHash, Failure, FailureCode, Recipe,
    tessellator::{Phase, Timings},
};
use cadmill_scene::{Overlay, Provenance, Scene, SceneError, glb};

use crate::{
    assemble, encoding,
    kernel::{self, Document, KernelError, PartMesh},
    meshing::transfer_and_mesh,
    protocol, sandbox,
};

/// The stack size of the thread that reads and transfers, in bytes. The kernel recurses over
/// assemblies, and with 20 000 levels it overflows the usual 8 MiB.
const STACK_BYTES: usize = 512 << 20;
/// The maximum stack size as a fraction of the address space limit of this process.
const STACK_SHARE: usize = 4;

/// The options of `cadmill-tessellate`.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "cadmill-tessellate",
    about = "Tessellates the STEP file on standard input, a regular file; run by cadmill"
)]
pub struct Options {
    /// Folder for scene.glb and report.json.
    #[arg(long)]
    pub output_dir: PathBuf,
    /// Recipe, as JSON.
    #[arg(long, value_parser = recipe)]
    pub recipe: Recipe,
    /// SHA-256 of the input.
    #[arg(long)]
    pub source_hash: ContentHash,
    /// Number of faces that the input declares.
    #[arg(long, default_value_t = 0)]
    pub source_faces: u64,
    /// Number of threads.
    #[arg(long, default_value_t = NonZero::<usize>::MIN)]
    pub threads: NonZero<usize>,
    /// Refuse to read the input if the system does not support the complete sandbox.
    #[arg(long)]
    pub require_sandbox: bool,
}

/// Options of `cadmill-tessellate check-sandbox`.
#[derive(Debug, Clone, clap::Parser)]
pub struct CheckOptions {
    /// The only folder whose files a confined process can open.
    #[arg(long)]
    pub output_dir: PathBuf,
}

fn recipe(json: &str) -> Result<Recipe, serde_json::Error> {
    serde_json::from_str(json)
}

/// Tessellates the input and reports the result on standard output. Must be called before any
/// thread is started, because the process is confined first.
///
/// # Errors
/// If the result cannot be reported.
pub fn run(options: Options) -> std::io::Result<bool> {
    let result = confine(&options).and_then(|()| on_a_large_stack(options));
    protocol::end(&result)?;
    Ok(result.is_ok())
}

/// Confines this process and prints as JSON what the sandbox lacks and what it permits.
///
/// # Errors
/// If the result cannot be printed.
pub fn check_sandbox(options: &CheckOptions) -> std::io::Result<()> {
    protocol::line(&sandbox::self_test(&options.output_dir))
}

fn confine(options: &Options) -> Result<(), Failure> {
    let missing = sandbox::enter(&options.output_dir).missing;
    if options.require_sandbox && !missing.is_empty() {
        let detail = format!("It lacks {}.", missing.join("; "));
        return Err(Failure::new(FailureCode::SandboxMissing, detail));
    }
    Ok(())
}

fn on_a_large_stack(options: Options) -> Result<(), Failure> {
    let thread = thread::Builder::new()
        .stack_size(STACK_BYTES.min(address_space() / STACK_SHARE))
        .spawn(move || tessellate(&options))
        .map_err(|error| {
            let detail = format!("A thread could not be started: {error}.");
            Failure::new(FailureCode::KernelMemory, detail)
        })?;
    thread.join().unwrap_or_else(|_| {
        let detail = "The tessellator panicked.";
        Err(Failure::new(FailureCode::KernelError, detail))
    })
}

fn tessellate(options: &Options) -> Result<(), Failure> {
    kernel::prepare(options.threads.get(), protocol::progress).map_err(failure)?;
    let mut clock = Clock::start();
    let mut timings = Timings::default();
    // Dropping it would free every entity individually, and the kernel may crash in the process.
    let document = &mut *ManuallyDrop::new(read(options)?);
    timings.read_s = clock.lap();
    let timed = &mut |phase| match phase {
        Phase::Transfer => timings.transfer_s = clock.lap(),
        _ => timings.mesh_s = clock.lap(),
    };
    let (tree, bodies) =
        transfer_and_mesh(document, &options.recipe, options.threads, timed).map_err(failure)?;
    let meshes = (0..tree.parts.len()).map(|part| document.extract(part));
    let meshes: Vec<PartMesh> = meshes.collect::<Result<_, _>>().map_err(failure)?;
    let unmeshed: Vec<u64> = meshes.iter().map(|mesh| mesh.unmeshed_faces).collect();

    let kernel = kernel::version();
    let provenance = Provenance {
        source_hash: options.source_hash,
        recipe: options.recipe.fingerprint(),
        converter: format!("Cadmill {} ({kernel})", env!("CARGO_PKG_VERSION")),
    };
    let scene = assemble::scene(&tree, meshes, provenance);
    if scene.parts.iter().all(|part| part.primitives.is_empty()) {
        let faces: u64 = tree.parts.iter().map(|part| part.faces).sum();
        let detail = format!("Of {faces} faces that it read, none could be meshed.");
        return Err(Failure::new(FailureCode::KernelEmpty, detail));
    }
    protocol::progress(Phase::Write, 0.0);
    write_glb(&scene, &options.output_dir.join("scene.glb"))?;
    timings.write_s = clock.lap();
    let found = assemble::Found {
        tree: &tree,
        bodies: &bodies,
        unmeshed: &unmeshed,
    };
    let report = assemble::report(&found, &scene, kernel, options.source_faces, timings);
    let json = serde_json::to_vec(&report)
        .map_err(|error| Failure::new(FailureCode::Storage, error.to_string()))?;
    std::fs::write(options.output_dir.join("report.json"), json)
        .map_err(|error| Failure::writing("the report", &error))?;
    protocol::progress(Phase::Write, 1.0);
    Ok(())
}

/// Reads the input, or a copy converted to UTF-8 if necessary.
fn read(options: &Options) -> Result<Document, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(
            FailureCode::Unreadable,
            format!("Reading it failed: {error}."),
        )
    };
    let input = std::io::stdin().as_fd().try_clone_to_owned();
    let mut input = File::from(input.map_err(unreadable)?);
    if encoding::is_utf8(&input).map_err(unreadable)? {
        input.rewind().map_err(unreadable)?;
        return Document::read(&input).map_err(failure);
    }
    let path = options.output_dir.join("utf8.step");
    let copied = File::create(&path).and_then(|copy| encoding::copy_as_utf8(&input, copy));
    copied.map_err(|error| Failure::writing("a copy of the input in UTF-8", &error))?;
    let copy = File::open(&path).map_err(unreadable)?;
    // The folder is removed later in any case; this only frees space earlier.
    let _ = std::fs::remove_file(path);
    Document::read(&copy).map_err(failure)
}

/// Returns the address space limit of this process, in bytes.
#[cfg(not(target_os = "linux"))]
fn address_space() -> usize {
    usize::MAX
}

/// Returns the address space limit of this process, in bytes.
#[cfg(target_os = "linux")]
fn address_space() -> usize {
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_AS);
    limit.map_or(usize::MAX, |(soft, _)| {
        usize::try_from(soft).unwrap_or(usize::MAX)
    })
}

fn write_glb(scene: &Scene, path: &Path) -> Result<(), Failure> {
    let writing = |error| Failure::writing("the scene", &error);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).map_err(writing)?);
    glb::write_to(scene, &Overlay::none(scene), &mut file).map_err(|error| match error {
        SceneError::Write(error) => writing(error),
        error @ SceneError::TooLarge { .. } => {
            Failure::new(FailureCode::TooLarge, format!("{error}."))
        }
        error => Failure::new(FailureCode::OutputInvalid, format!("{error}.")),
    })?;
    file.flush().map_err(writing)
}

fn failure(error: KernelError) -> Failure {
    Failure::new(error.code, error.detail)
}

/// Measures the duration of each phase.
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the seconds since the last lap.
    fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let elapsed = now.duration_since(self.0).as_secs_f64();
        self.0 = now;
        elapsed
    }
}
