//! The tables of Cadmill, step by step, for SQLite and PostgreSQL.

mod m20261124_000001_ledger;
mod m20261125_000001_service;
mod m20261129_000001_many_rows;
mod m20261130_000001_events;
mod m20261130_000002_confirmations;
mod m20261130_000003_fairness;
mod m20261130_000004_blobs;

use sea_orm_migration::{MigrationTrait, MigratorTrait, async_trait};

/// Brings a database to the newest tables.
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_ledger::Migration),
            Box::new(m20261125_000001_service::Migration),
            Box::new(m20261129_000001_many_rows::Migration),
            Box::new(m20261130_000001_events::Migration),
            Box::new(m20261130_000002_confirmations::Migration),
            Box::new(m20261130_000003_fairness::Migration),
            Box::new(m20261130_000004_blobs::Migration),
        ]
    }
}
