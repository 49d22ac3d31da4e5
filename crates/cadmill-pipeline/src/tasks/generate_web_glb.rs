//! `generate_web_glb`: the compressed copy of the scene for the web.

use cadmill_domain::{Failure, MediaKind};

use super::{Made, scene};
use crate::runner::Job;

pub(super) async fn run(job: &Job<'_>) -> Result<Made, Failure> {
    scene::derive(job, MediaKind::WebGlb).await
}
