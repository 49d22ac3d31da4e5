//! `generate_usd_master`: the USD master, built from the canonical scene: nothing is tessellated.

use cadmill_domain::{Failure, MediaKind};

use super::{Made, scene};
use crate::runner::Job;

pub(super) async fn run(job: &Job<'_>) -> Result<Made, Failure> {
    scene::derive(job, MediaKind::UsdMaster).await
}
