//! Integration tests of `cadmill-store`: the contract suites on SQLite and on a real PostgreSQL, and
//! of blobs in a folder, in memory and in a real S3 bucket.

mod events;
mod freezing_proxy;
mod locked_rows;
mod media_states;
mod open;
mod opening;
mod outage;
mod ownership;
mod ringing;
mod sessions;
mod state_machine;
mod sweep_races;
mod sweeping;

mod sqlite {
    mod access_tokens {
        cadmill_domain::access_tokens_contract!(crate::open::sqlite());
    }
    mod webhooks {
        cadmill_domain::webhooks_contract!(crate::open::sqlite());
    }
    mod blob_refs {
        cadmill_domain::blob_refs_contract!(crate::open::sqlite());
    }
    mod cad_files {
        cadmill_domain::cad_files_contract!(crate::open::sqlite());
    }
    mod ledger {
        cadmill_domain::ledger_contract!(crate::open::sqlite());
    }
    mod media_assets {
        cadmill_domain::media_assets_contract!(crate::open::sqlite());
    }
    mod pipeline_log {
        cadmill_domain::pipeline_log_contract!(crate::open::sqlite());
    }
}

mod postgres {
    mod access_tokens {
        cadmill_domain::access_tokens_contract!(crate::open::postgres());
    }
    mod webhooks {
        cadmill_domain::webhooks_contract!(crate::open::postgres());
    }
    mod blob_refs {
        cadmill_domain::blob_refs_contract!(crate::open::postgres());
    }
    mod cad_files {
        cadmill_domain::cad_files_contract!(crate::open::postgres());
    }
    mod notifier {
        cadmill_domain::doorbell_contract!(crate::open::postgres_doorbells());
    }
    mod ledger {
        cadmill_domain::ledger_contract!(crate::open::postgres());
    }
    mod media_assets {
        cadmill_domain::media_assets_contract!(crate::open::postgres());
    }
    mod pipeline_log {
        cadmill_domain::pipeline_log_contract!(crate::open::postgres());
    }
}

mod folder {
    mod blobs {
        cadmill_domain::blobs_contract!(crate::open::blobs_in_a_folder());
    }
}

#[cfg(feature = "s3")]
mod s3;

mod memory {
    mod blobs {
        cadmill_domain::blobs_contract!(crate::open::blobs_in_memory());
    }
    mod notifier {
        cadmill_domain::doorbell_contract!(crate::open::local_doorbell());
    }
}
