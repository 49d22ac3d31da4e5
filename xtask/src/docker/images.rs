//! The images: built as the Dockerfile has it, and then run.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, ensure};

use super::buildah::Buildah;
use crate::workspace::Workspace;

/// The user that both run as.
const USER: &str = "10001";
/// Starts the server on a port, waits until it is healthy, stops it and waits for its end.
const SERVE: &str = "
cadmill serve --listen 127.0.0.1:$1 & server=$!
tries=0
until cadmill health http://127.0.0.1:$1/healthz; do
    tries=$((tries + 1))
    test $tries -lt 60
    kill -0 $server
    sleep 1
done
kill $server
wait $server
";

/// Builds both images, with the arguments `how`, and checks what they can do.
pub(super) fn check(workspace: &Workspace, buildah: &Buildah, how: &[String]) -> Result<()> {
    let dockerfile = workspace.root.join("docker/Dockerfile");
    let build = |target: &str| {
        let how = [&["--target".to_owned(), target.to_owned()], how].concat();
        buildah.build(target, &dockerfile, &workspace.root, &how)
    };
    let api = build("api")?;
    let everything = build("cadmill")?;
    buildah.prune()?;
    for image in [&api, &everything] {
        check_common(buildah, image)?;
    }
    check_without_kernel(buildah, &api)?;
    check_converting(workspace, buildah, &everything)?;
    check_serving(buildah, &api, &everything)?;
    println!("\nBoth images were built and run:");
    for image in [api, everything] {
        println!("  {image}");
    }
    Ok(())
}

/// Both run as a user who may write to the data folder alone, and tell how to ask for their health.
fn check_common(buildah: &Buildah, image: &str) -> Result<()> {
    let fields = "{{.Docker.Config.Entrypoint}} {{.Docker.Config.Healthcheck.Test}} \
                  {{.Docker.Config.User}}";
    let config = buildah.inspect(image, fields)?;
    ensure!(
        config == format!("[cadmill] [CMD cadmill health] {USER}:{USER}"),
        "{image} starts and is asked for its health by `{config}`"
    );
    let container = buildah.container(image)?;
    container.prints(&["id", "-u"], USER)?;
    container.prints(&["cadmill", "--version"], "cadmill ")?;
    container.output(&["sh", "-ec", "! test -w /usr/local/bin/cadmill"])?;
    container
        .output(&["sh", "-ec", "test -w /data && ! test -w /"])
        .map(drop)
}

fn check_without_kernel(buildah: &Buildah, image: &str) -> Result<()> {
    let container = buildah.container(image)?;
    container.output(&["sh", "-ec", "! command -v cadmill-tessellate"])?;
    let find = ["find", "/usr", "-name", "libTK*", "-o", "-name", "libocct*"];
    let found = container.output(&find)?;
    ensure!(found.is_empty(), "the API has parts of a kernel:\n{found}");
    Ok(())
}

fn check_converting(workspace: &Workspace, buildah: &Buildah, image: &str) -> Result<()> {
    let container = buildah.container(image)?;
    container.bring(&workspace.samples().join("inch-cube.step"), "/data/")?;
    let convert = "cadmill convert inch-cube.step -o media --kinds glb,usd,web-glb,thumbnail";
    let convert: Vec<&str> = convert.split(' ').collect();
    let expected = "inch-cube.step: 1 part, 1 occurrence, 12 triangles";
    container.prints(&convert, expected)?;
    let media = "inch-cube.glb\ninch-cube.json\ninch-cube.png\ninch-cube.usdz\ninch-cube.web.glb\n";
    container.prints(&["ls", "media"], media)
}

/// What the images do when nothing else is said, and the health check.
fn check_serving(buildah: &Buildah, api: &str, everything: &str) -> Result<()> {
    buildah
        .container(api)?
        .output(&["cadmill", "api", "--help"])?;
    let port = free_port()?.to_string();
    let serve = ["sh", "-ec", SERVE, "sh", &port];
    buildah.container(everything)?.output(&serve).map(drop)
}

/// A port that nothing listens on.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
    let address = listener.local_addr().context("there is no free port")?;
    Ok(address.port())
}
