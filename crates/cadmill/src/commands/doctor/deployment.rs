//! Checks the deployment: database, lock and blobs.

use std::sync::Arc;

use anyhow::{Error, Result};
use cadmill_domain::{FailureCode, HealthCheck, sentence};
use cadmill_pipeline::LockCheck;
use cadmill_store::{Database, DurabilityRisk, ObjectBlobs, OpenError, OwnershipError, Store};

use super::finding::{Finding, Problem};
use crate::wiring::{config::Config, deployment, machine};

/// Checks what the deployment of `config` depends on, if it exists.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    if config.is_embedded() && !config.data_dir.is_dir() {
        let folder = config.data_dir.display();
        let found = format!("none in {folder} yet; `cadmill serve` creates one");
        return vec![Finding::new("pipeline", Ok(found))];
    }
    let store = deployment::open_store(config).await;
    let lock = deployment::open_lock(config, &machine::process_name()).await;
    let blobs = open_owned_blobs(config, &store).await;
    let database = store.as_ref().ok().map(|(_, database)| database.clone());
    let opened: [(_, _, Result<Arc<dyn HealthCheck>>); 3] = [
        (
            "database",
            match config.database_url {
                Some(_) => {
                    "Check `database_url`, and that PostgreSQL runs there and accepts the credentials."
                }
                None => "Check the contents of the data folder, and its permissions.",
            },
            store.map(|(store, _)| Arc::new(store) as _),
        ),
        (
            "lock",
            "Check `redis_url`, and that Redis runs there and accepts the credentials.",
            lock.map(|lock| Arc::new(LockCheck::new(lock)) as _),
        ),
        (
            "blobs",
            match config.blob_url {
                Some(_) => {
                    "Check `blob_url`, that the bucket exists, and that the keys in `AWS_…` may write."
                }
                None => {
                    "Check `blobs` in the data folder: that it is a folder, and its permissions."
                }
            },
            blobs.map(|blobs| Arc::new(blobs) as _),
        ),
    ];
    let mut findings = Vec::new();
    for (subject, remedy, opened) in opened {
        let result = match opened {
            Ok(check) => run(&*check, remedy).await,
            Err(error) => Err(open_problem(&error, remedy)),
        };
        findings.push(Finding::new(subject, result));
    }
    if let Some(database) = database {
        if let Some(finding) = findings.first_mut() {
            finding.warnings.extend(long_timeouts(config));
            check_durability(finding, &database).await;
        }
        database.close().await;
    }
    findings
}

/// Opens the blobs, unless they refuse the database. Nothing may be written into blobs that refuse it:
/// they may be a folder on which a disk should be mounted.
async fn open_owned_blobs(
    config: &Config,
    store: &Result<(Store, Database)>,
) -> Result<ObjectBlobs> {
    let blobs = deployment::open_blobs(config)?;
    if let Ok((store, _)) = store
        && let Err(error) = store.check_blobs(&blobs).await
        && error.is_refusal()
    {
        return Err(error.into());
    }
    Ok(blobs)
}

/// Runs a check. `remedy` is for failures that have no better one.
async fn run(check: &dyn HealthCheck, remedy: &str) -> Result<String, Problem> {
    let checked = check.check().await.map_err(|failure| {
        let remedy = match failure.code {
            FailureCode::DatabaseDamaged | FailureCode::DiskFull => failure.code.remedy(),
            _ => remedy,
        };
        (failure.to_string(), remedy.to_owned())
    });
    checked.map(|()| "works".to_owned())
}

/// The problem of something that cannot be opened. `remedy` is for errors that have no better one.
fn open_problem(error: &Error, remedy: &str) -> Problem {
    let is_other_version = matches!(
        error.downcast_ref(),
        Some(OpenError::Behind(_) | OpenError::Newer(_))
    );
    let remedy = if is_other_version {
        "Then run `cadmill doctor` again."
    } else if error.is::<OwnershipError>() {
        "docs/operations.md has more under \"Whose the blobs are\"."
    } else {
        remedy
    };
    (format!("{error:#}."), remedy.to_owned())
}

/// Warns of time-outs during which a frozen or lost process blocks others for longer than a lease.
fn long_timeouts(config: &Config) -> Option<Problem> {
    config.database_url.as_ref()?;
    let long: Vec<_> = config
        .database_timeouts()
        .into_iter()
        .filter(|(_, timeout)| *timeout >= config.lease)
        .map(|(key, _)| format!("`{key}`"))
        .collect();
    if long.is_empty() {
        return None;
    }
    let problem = format!(
        "Not shorter than `lease`: {}; a frozen process blocks others for that time.",
        long.join(", ")
    );
    let remedy = "Set them below `lease`, or raise `lease`.".to_owned();
    Some((problem, remedy))
}

/// Checks that the database keeps what is committed, and that all of it is readable.
async fn check_durability(finding: &mut Finding, database: &Database) {
    if finding.result.is_err() {
        return;
    }
    if let Err(error) = database.verify().await {
        let remedy = FailureCode::DatabaseDamaged.remedy().to_owned();
        finding.result = Err((sentence(&error), remedy));
        return;
    }
    match database.risks().await {
        Ok(risks) => {
            let risks = risks.into_iter().map(DurabilityRisk::description);
            let risks = risks.map(|(problem, remedy)| (problem, remedy.to_owned()));
            finding.warnings.extend(risks);
        }
        Err(error) => {
            let remedy = FailureCode::Database.remedy().to_owned();
            finding.result = Err((sentence(&error), remedy));
        }
    }
}
