//! `generate_thumbnail`: the picture of the scene.

use cadmill_domain::{Failure, MediaKind};

use super::{Made, scene};
use crate::runner::Job;

pub(super) async fn run(job: &Job<'_>) -> Result<Made, Failure> {
    scene::derive(job, MediaKind::Thumbnail).await
}
