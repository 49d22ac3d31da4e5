//! The command line.

use std::{net::SocketAddr, num::NonZero, path::PathBuf, time::Duration};

use anyhow::Result;
use cadmill_domain::{MediaKind, Recipe, RecipeError, Role};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::{config::Config, quantity, traces::Endpoint};

const AFTER_HELP: &str = "\
Exit codes: 0 all went well, 1 failure, 2 wrong usage, 3 some files failed, 130 interrupted.

Environment:
  CADMILL_TESSELLATOR  the program `cadmill-tessellate`, if neither beside this one nor on PATH
  CADMILL_…            the keys of the configuration, for example CADMILL_DATA_DIR
  CADMILL_LOG          what is logged on standard error, for example `debug`
  TMPDIR               where the tessellator's private folders are made
  NO_COLOR             no colours";

/// Turns STEP files into GLB scenes and USD masters.
#[derive(Debug, Parser)]
#[command(name = "cadmill", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// Logs more on standard error; twice and thrice even more.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Logs one JSON object a line.
    #[arg(long, global = true)]
    pub(crate) log_json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Converts STEP files into media.
    Convert(Box<ConvertArguments>),
    /// Tells what STEP files hold, without a geometry kernel.
    Inspect(InspectArguments),
    /// Runs the API and the pipeline in one process: everything is kept in one folder.
    Serve(ServeArguments),
    /// Runs the API alone, over PostgreSQL and Redis.
    Api(ServeArguments),
    /// Runs one of many workers over PostgreSQL and Redis.
    Worker(WorkerArguments),
    /// Brings the tables of the database to this version.
    Migrate(DeploymentArguments),
    /// Brings STEP files into the pipeline, each once.
    Import(ImportArguments),
    /// Asks for every medium of a kind that is missing.
    GenerateMissing(MissingArguments),
    /// Tells what is queued, running, there and failed, or the story of one file.
    Status(StatusArguments),
    /// Asks again for what has failed.
    Retry(RetryArguments),
    /// Compares all stored bytes with their hashes.
    Verify(VerifyArguments),
    /// Removes blobs that nothing refers to, which a server does by itself once an hour.
    Gc(GcArguments),
    /// Makes the blobs those of this database, after a restore or a copy.
    Adopt(AdoptArguments),
    /// Makes, lists and revokes the tokens by which the API is used.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Asks a server whether it lives; fails if it does not.
    Health(HealthArguments),
    /// Shows and replaces the materials of a file.
    #[command(subcommand)]
    Materials(MaterialsCommand),
    /// Checks that everything is there that a conversion needs.
    Doctor(DoctorArguments),
    /// Prints completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Prints the man page.
    Man {
        /// Writes a page for each command into this folder instead.
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "\
Media are named after the input: part.glb, part.usdz, part.web.glb, part.png, and part.json with
what was found and measured. Inputs that share a stem keep their relative folders. If part.glb and
part.json are there, whole and of the same file and recipe, it is not tessellated again.")]
pub(crate) struct ConvertArguments {
    /// STEP files; a folder means every *.step, *.stp and *.p21 file below it.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Where the media go.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,
    /// Which media are written.
    #[arg(long, value_delimiter = ',', default_value = "glb,usd")]
    pub(crate) kinds: Vec<Kind>,
    /// Materials to lay over the parts: a JSON document with `part_materials` and
    /// `manual_overrides`, or one map from parts to materials.
    #[arg(long, value_name = "MAP.json")]
    pub(crate) materials: Option<PathBuf>,
    /// Also writes the USD layers as loose files, into part.usd/.
    #[arg(long)]
    pub(crate) usd_layers: bool,
    /// Tessellates again, even if the result of an earlier run is there.
    #[arg(long)]
    pub(crate) force: bool,
    /// How many files are converted at once [default: as many as there are processors].
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZero<usize>>,
    /// How long the tessellator may take for one file.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = quantity::duration)]
    pub(crate) timeout: Duration,
    /// How much memory the tessellator may use for one file, for example 4GiB [default: three
    /// quarters of the machine's, shared by the jobs].
    #[arg(long, value_name = "SIZE", value_parser = quantity::memory)]
    pub(crate) memory: Option<u64>,
    /// Refuses every file where the system does not offer the tessellator's whole sandbox.
    #[arg(long)]
    pub(crate) require_sandbox: bool,
    /// Prints one JSON object per file and one for the whole run.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RecipeArguments {
    /// How finely surfaces are meshed [default: standard].
    #[arg(long, value_name = "NAME", conflicts_with_all = ["linear_deflection_mm", "angular_deflection_deg"])]
    recipe: Option<NamedRecipe>,
    /// Greatest distance between mesh and surface, in mm, instead of a named recipe.
    #[arg(long, value_name = "MM")]
    linear_deflection_mm: Option<f64>,
    /// Greatest angle between neighbouring facets, in degrees, instead of a named recipe.
    #[arg(long, value_name = "DEG")]
    angular_deflection_deg: Option<f64>,
}

impl RecipeArguments {
    /// The recipe that is asked for. Of two deflections the one that is not given is that of
    /// *standard*.
    pub(crate) fn recipe(&self) -> Result<Recipe, RecipeError> {
        const STANDARD_MM: f64 = 0.1;
        const STANDARD_DEG: f64 = 20.0;
        match (self.linear_deflection_mm, self.angular_deflection_deg) {
            (None, None) => Ok(self.recipe.map_or(Recipe::STANDARD, Recipe::from)),
            (linear, angular) => Recipe::custom(
                linear.unwrap_or(STANDARD_MM),
                angular.unwrap_or(STANDARD_DEG),
            ),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum NamedRecipe {
    /// Four times coarser than standard.
    Draft,
    /// 0.1 mm, within 0.1 % and 0.001 % of the part's diagonal; 20°.
    Standard,
    /// Four times finer than standard.
    Fine,
}

impl From<NamedRecipe> for Recipe {
    fn from(name: NamedRecipe) -> Self {
        match name {
            NamedRecipe::Draft => Self::DRAFT,
            NamedRecipe::Standard => Self::STANDARD,
            NamedRecipe::Fine => Self::FINE,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The canonical scene, a plain glTF 2.0 binary.
    Glb,
    /// The USD master, a .usdz package.
    Usd,
    /// A copy of the scene for the web, compressed by meshopt.
    WebGlb,
    /// A PNG picture of 512 × 512 pixels.
    Thumbnail,
}

impl From<Kind> for MediaKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Glb => Self::GltfGeometry,
            Kind::Usd => Self::UsdMaster,
            Kind::WebGlb => Self::WebGlb,
            Kind::Thumbnail => Self::Thumbnail,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// STEP files.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Prints one JSON object per file.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The output folder whose disk is checked.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) deployment: DeploymentArguments,
}

/// Which deployment is meant, and how it is set up.
#[derive(Debug, Args)]
pub(crate) struct DeploymentArguments {
    /// The configuration [default: cadmill.toml, if it is there].
    #[arg(long, value_name = "FILE", env = "CADMILL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where everything is kept that is not kept elsewhere [default: ./cadmill-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How many pieces of work are done at once [default: as many as there are processors].
    #[arg(long, value_name = "N")]
    pub(crate) slots: Option<NonZero<usize>>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A file is known by its name, or by its path below the folder that is named. One that is there with
the same bytes is left alone; one with other bytes is a new revision, and its media are made anew.")]
pub(crate) struct ImportArguments {
    /// STEP files; a folder means every *.step, *.stp and *.p21 file below it.
    #[arg(required = true, value_name = "DIR")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Only brings new files in; nothing is made of them until `generate-missing` asks for it.
    #[arg(long, conflicts_with = "wait")]
    pub(crate) later: bool,
    /// Waits until nothing is under way; does the work if nobody else does.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) deployment: DeploymentArguments,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "\
Asking twice queues nothing twice: what is queued or running already is in flight.")]
pub(crate) struct MissingArguments {
    /// What is to be there.
    pub(crate) what: MissingKind,
    /// Only files whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name_contains: Option<String>,
    /// Tries again what has failed, too.
    #[arg(long)]
    pub(crate) include_failed: bool,
    /// Only counts.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Waits until nothing is under way; does the work if nobody else does.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) deployment: DeploymentArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MissingKind {
    /// The canonical scenes.
    CanonicalScenes,
    /// The USD masters, and the canonical scenes that they are made of.
    UsdMasters,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The id or the name of a file.
    #[arg(value_name = "ID")]
    pub(crate) file: Option<String>,
    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) deployment: DeploymentArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RetryArguments {
    /// Ids or names of files; all that have failed if there are none.
    #[arg(value_name = "ID")]
    pub(crate) files: Vec<String>,
    /// Waits until nothing is under way; does the work if nobody else does.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) deployment: DeploymentArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Every blob to which a file or a medium refers is read. It ends with 1 if something is wrong; with
--repair, if the source of a file is lost or a blob cannot be read.")]
pub(crate) struct VerifyArguments {
    /// Lets media whose bytes are missing or damaged be made again, and marks files whose source is lost.
    #[arg(long)]
    pub(crate) repair: bool,
    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) deployment: DeploymentArguments,
}

#[derive(Debug, Args)]
pub(crate) struct GcArguments {
    /// Removes blobs also if they are more than 100 and more than a tenth of all, though neither a
    /// deletion nor a new revision released them.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) deployment: DeploymentArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A database and its blobs bear the same mark. After a restore, or where a copy of a database gets
blobs of its own, stop all processes and run this once. Other copies of the database are refused
by these blobs from then on.")]
pub(crate) struct AdoptArguments {
    #[command(flatten)]
    pub(crate) deployment: DeploymentArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MaterialsCommand {
    /// Replaces the materials of a file. The media that show them are made anew; nothing is
    /// tessellated.
    Set {
        /// The id or the name of the file.
        #[arg(value_name = "ID")]
        file: String,
        /// A JSON document with `part_materials` and `manual_overrides`, of which those that are
        /// there are replaced; or one map from parts to materials, which replaces the overrides.
        #[arg(value_name = "MAP.json")]
        map: PathBuf,
        #[command(flatten)]
        deployment: DeploymentArguments,
    },
    /// Prints the materials of a file as such a document.
    Show {
        /// The id or the name of the file.
        #[arg(value_name = "ID")]
        file: String,
        #[command(flatten)]
        deployment: DeploymentArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Where the API listens [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    tracing: TraceArguments,
    #[command(flatten)]
    deployment: DeploymentArguments,
}

/// Where traces go.
#[derive(Debug, Args)]
struct TraceArguments {
    /// The OpenTelemetry collector that traces are sent to by HTTP, for example
    /// `http://127.0.0.1:4318`; none are made if nothing is said.
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<Endpoint>,
}

impl TraceArguments {
    fn put_into(&self, config: &mut Config) {
        if let Some(endpoint) = &self.otlp_endpoint {
            config.otlp_endpoint = Some(endpoint.clone());
        }
    }
}

impl ServeArguments {
    pub(crate) fn config(&self) -> Result<Config> {
        let mut config = Config::load(&self.deployment)?;
        config.listen = self.listen.unwrap_or(config.listen);
        self.tracing.put_into(&mut config);
        Ok(config)
    }
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    /// Where `/healthz` and `/metrics` of this worker are told; nowhere if nothing is said.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    #[command(flatten)]
    tracing: TraceArguments,
    #[command(flatten)]
    deployment: DeploymentArguments,
}

impl WorkerArguments {
    pub(crate) fn config(&self) -> Result<Config> {
        let mut config = Config::load(&self.deployment)?;
        self.tracing.put_into(&mut config);
        Ok(config)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token, and prints it: it is shown only this once.
    Create {
        /// For whom or what it is.
        #[arg(long)]
        name: String,
        /// What it allows.
        #[arg(long, default_value = "viewer")]
        role: NamedRole,
        /// For how long it is good, such as `720h`; for ever if nothing is said.
        #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
        expires_in: Option<Duration>,
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        deployment: DeploymentArguments,
    },
    /// Lists all tokens, without what is secret of them.
    List {
        /// Prints one JSON array.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        deployment: DeploymentArguments,
    },
    /// Makes a token worthless.
    Revoke {
        /// Its id, as `token list` tells it.
        id: String,
        #[command(flatten)]
        deployment: DeploymentArguments,
    },
}

impl TokenCommand {
    pub(crate) const fn deployment(&self) -> &DeploymentArguments {
        match self {
            Self::Create { deployment, .. }
            | Self::List { deployment, .. }
            | Self::Revoke { deployment, .. } => deployment,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum NamedRole {
    /// Looks and downloads.
    Viewer,
    /// Brings files in, changes them and asks for media, too.
    Editor,
    /// Everything.
    Admin,
}

impl From<NamedRole> for Role {
    fn from(role: NamedRole) -> Self {
        match role {
            NamedRole::Viewer => Self::Viewer,
            NamedRole::Editor => Self::Editor,
            NamedRole::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct HealthArguments {
    /// What is asked, by plain HTTP.
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080/healthz")]
    pub(crate) url: String,
}

impl Command {
    /// How much is logged without being asked: what runs for days tells what it does.
    pub(crate) fn verbosity(&self) -> u8 {
        u8::from(self.is_server())
    }

    /// Whether it runs until it is stopped.
    pub(crate) const fn is_server(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Api(_) | Self::Worker(_))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
