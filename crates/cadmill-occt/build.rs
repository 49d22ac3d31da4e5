//! Finds Open CASCADE and compiles the shim against it.
//!
//! `OCCT_ROOT` selects an installation; otherwise the locations used by distributions are searched.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::exit,
};

/// Toolkits of all versions, in the order of static linking: dependents first.
const TOOLKITS: &[&str] = &[
    "TKXCAF",
    "TKLCAF",
    "TKCAF",
    "TKCDF",
    "TKXSBase",
    "TKMesh",
    "TKShHealing",
    "TKBool",
    "TKBO",
    "TKFillet",
    "TKPrim",
    "TKTopAlgo",
    "TKGeomAlgo",
    "TKBRep",
    "TKGeomBase",
    "TKG3d",
    "TKG2d",
    "TKMath",
    "TKernel",
];
/// The STEP toolkits before 7.8.
const STEP_BEFORE_7_8: &[&str] = &[
    "TKXDESTEP",
    "TKSTEP",
    "TKSTEP209",
    "TKSTEPAttr",
    "TKSTEPBase",
];
/// The STEP toolkits since 7.8.
const STEP_SINCE_7_8: &[&str] = &["TKDESTEP"];
/// The oldest version that the shim supports.
const MIN_VERSION: (u32, u32) = (7, 6);

fn main() {
    println!("cargo::rerun-if-env-changed=OCCT_ROOT");
    println!("cargo::rerun-if-changed=cpp");

    let found = Installation::find().unwrap_or_else(|message| {
        println!("cargo::error={message}");
        exit(1);
    });
    let mut bridges = vec!["src/kernel/bridge.rs", "src/sandbox/bridge.rs"];
    let mut sources = vec![
        "cpp/bounds.cxx",
        "cpp/document.cxx",
        "cpp/measure.cxx",
        "cpp/mesh.cxx",
        "cpp/probe.cxx",
        "cpp/signals.cxx",
        "cpp/tree.cxx",
    ];
    if env::var_os("CARGO_FEATURE_SAMPLES").is_some() {
        bridges.push("src/samples/bridge.rs");
        sources.push("cpp/samples.cxx");
    }
    cxx_build::bridges(&bridges)
        .files(&sources)
        .include("cpp")
        // `isystem` silences warnings about the headers of the kernel.
        .flag(format!("-isystem{}", found.include.display()))
        .std("c++17")
        .warnings(true)
        .compile("cadmill-occt-shim");
    found.link();
}

struct Installation {
    include: PathBuf,
    lib: PathBuf,
    version: (u32, u32),
}

impl Installation {
    fn find() -> Result<Self, String> {
        let roots = match env::var_os("OCCT_ROOT") {
            Some(root) => vec![PathBuf::from(root)],
            None => ["/usr", "/usr/local", "/opt/homebrew", "/opt/local"]
                .map(PathBuf::from)
                .into(),
        };
        roots.iter().find_map(|root| Self::below(root)).unwrap_or_else(|| {
            let places: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
            Err(format!(
                "Open CASCADE's headers and libraries were not found below {}. Install them with \
                 `apt-get install --no-install-recommends libocct-data-exchange-dev` (Debian, \
                 Ubuntu), `dnf install opencascade-devel` (Fedora) or `brew install opencascade` \
                 (macOS), or set OCCT_ROOT to an installation of version 7.6 or newer.",
                places.join(", ")
            ))
        })
    }

    /// Returns the installation below `root`, an error if it is too old, or `None`.
    fn below(root: &Path) -> Option<Result<Self, String>> {
        let include = ["include/opencascade", "inc", "include"]
            .map(|folder| root.join(folder))
            .into_iter()
            .find(|folder| folder.join("Standard_Version.hxx").is_file())?;
        let version = version(&include.join("Standard_Version.hxx"))?;
        let target = format!("lib/{}-linux-gnu", env::var("CARGO_CFG_TARGET_ARCH").ok()?);
        let lib = [target.as_str(), "lib64", "lib"]
            .map(|folder| root.join(folder))
            .into_iter()
            .find(|folder| {
                ["so", "dylib", "a"]
                    .iter()
                    .any(|ending| folder.join(format!("libTKernel.{ending}")).exists())
            })?;
        if version < MIN_VERSION {
            return Some(Err(format!(
                "Open CASCADE {}.{} in {} is too old: {}.{} or newer is needed. Set OCCT_ROOT to \
                 a newer installation.",
                version.0,
                version.1,
                root.display(),
                MIN_VERSION.0,
                MIN_VERSION.1
            )));
        }
        Some(Ok(Self {
            include,
            lib,
            version,
        }))
    }

    fn link(&self) {
        let step = if self.version < (7, 8) {
            STEP_BEFORE_7_8
        } else {
            STEP_SINCE_7_8
        };
        println!("cargo::rustc-link-search=native={}", self.lib.display());
        // Loading each library delays every start of the child process by milliseconds.
        println!("cargo::rustc-link-arg=-Wl,--as-needed");
        for toolkit in step.iter().chain(TOOLKITS) {
            println!("cargo::rustc-link-lib=dylib={toolkit}");
        }
        if env::var_os("OCCT_ROOT").is_some() {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{}", self.lib.display());
        }
    }
}

/// Reads the major and minor version from the version header.
fn version(header: &Path) -> Option<(u32, u32)> {
    let text = fs::read_to_string(header).ok()?;
    let number = |name: &str| {
        text.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("#define") && words.next() == Some(name))
                .then(|| words.next()?.parse().ok())?
        })
    };
    Some((number("OCC_VERSION_MAJOR")?, number("OCC_VERSION_MINOR")?))
}
