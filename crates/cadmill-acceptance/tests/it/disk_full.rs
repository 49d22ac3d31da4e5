//! A disk that is full, or a file that may not grow: a clear error, and nothing half under a final
//! name.

use std::{fs, path::Path, process::Command};

use cadmill_domain::FailureCode;

use crate::{
    inputs::{INPUTS, Input},
    milled::{fresh_folder, medium},
    program::{Convert, Ended},
};

/// Runs the arguments after the first two with a file system of this size on the second, and lists
/// what is on it in the end.
const ON_A_SMALL_DISK: &str = r#"
set -e
mount -t tmpfs -o size="$1" small "$2"
folder=$2
shift 2
code=0
"$@" || code=$?
find "$folder" -mindepth 1 -type f >&2
exit $code
"#;

#[test]
fn a_full_disk_is_told_and_leaves_nothing_half() {
    let folder = fresh_folder("disk-full");
    let media = folder.join("media");
    fs::create_dir(&media).unwrap();
    let convert = Convert::new(&[&largest().path], &media).command();
    let Some(mut unshare) = unshare() else {
        // Where no file system may be mounted, the other test below has to do.
        return;
    };
    unshare
        .args(["sh", "-c", ON_A_SMALL_DISK, "sh", "64k"])
        .arg(&media);
    unshare.arg(convert.get_program()).args(convert.get_args());
    for (name, value) in convert.get_envs() {
        unshare.env(name, value.unwrap());
    }
    let ended = Ended::from(unshare.output().unwrap());
    assert_fails_as(&ended, FailureCode::DiskFull);
    let left = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with(media.to_str().unwrap()));
    assert_eq!(left.count(), 0, "{}", ended.stderr);
}

/// `unshare` with mounts of its own: as root, else as root of a user namespace, if either may be.
pub(crate) fn unshare() -> Option<Command> {
    [&["--mount"][..], &["--user", "--map-root-user", "--mount"]]
        .into_iter()
        .map(|arguments| {
            let mut unshare = Command::new("unshare");
            unshare.args(arguments);
            unshare
        })
        .find_map(|mut unshare| {
            let mount = "mount -t tmpfs -o size=64k small /mnt";
            let probe = Command::new("unshare")
                .args(unshare.get_args())
                .args(["sh", "-c", mount])
                .output();
            probe.is_ok_and(|probe| probe.status.success()).then(|| {
                unshare.stdin(std::process::Stdio::null());
                unshare
            })
        })
}

#[test]
fn a_file_that_may_not_grow_leaves_the_old_media() {
    let folder = fresh_folder("no-growth");
    let media = folder.join("media");
    let input = largest();
    Convert::new(&[&input.path], &media).run().succeeded();
    let before = snapshot(&media, input);

    let maps = folder.join("materials.json");
    fs::write(
        &maps,
        r##"{"manual_overrides": {"*": {"color": "#102030"}}}"##,
    )
    .unwrap();
    let convert = Convert::new(&[&input.path], &media)
        .materials(&maps)
        .command();
    let mut limited = Command::new("sh");
    // 4 blocks of 512 bytes, and an error instead of a signal beyond them.
    limited.args(["-c", r#"trap "" XFSZ; ulimit -f 4; exec "$@""#, "sh"]);
    limited.arg(convert.get_program()).args(convert.get_args());
    for (name, value) in convert.get_envs() {
        limited.env(name, value.unwrap());
    }
    let ended = Ended::from(limited.output().unwrap());
    assert_fails_as(&ended, FailureCode::Storage);
    assert!(
        before == snapshot(&media, input),
        "the old media were changed"
    );
}

/// Every file in `media`, and its bytes.
fn snapshot(media: &Path, input: &Input) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(media)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    assert!(medium(media, input, cadmill_domain::MediaKind::GltfGeometry).is_file());
    files
}

fn assert_fails_as(ended: &Ended, code: FailureCode) {
    let Ended {
        code: exit,
        stdout,
        stderr,
    } = ended;
    assert_eq!(*exit, Some(1), "{stdout}\n{stderr}");
    let told = stdout.contains(code.sentence()) || stderr.contains(code.sentence());
    assert!(told, "{code} is not told:\n{stdout}\n{stderr}");
}

/// The input with the largest file, and so with media that fill a small disk.
fn largest() -> &'static Input {
    let bytes = |input: &&Input| input.path.metadata().unwrap().len();
    INPUTS.iter().max_by_key(bytes).unwrap()
}
