//! How media stand, in every combination of what a row holds: the databases find what the domain
//! tells.

use std::time::Duration;

use cadmill_domain::{
    Input, MediaAssetId, MediaKind, NewCadFile, Recipe, TaskKind,
    cad_file::{CadFileQuery, MediaState},
    contract,
    ledger::{Row, RowState},
    tessellator::Conditions,
};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Statement};

use crate::open;

const KIND: MediaKind = MediaKind::UsdMaster;

#[tokio::test]
async fn sqlite_finds_what_the_domain_tells() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/cadmill.db", folder.path().display());
    check(open::sqlite_in(folder.path()).await, &url).await;
}

#[tokio::test]
async fn postgres_finds_what_the_domain_tells() {
    let url = open::new_postgres_database().await;
    let connect = cadmill_store::Database::connect_postgres(&url, 4);
    check(connect.await.unwrap(), &url).await;
}

async fn check(database: cadmill_store::Database, url: &str) {
    let deployment = open::deployment(database, std::sync::Arc::default()).await;
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await.unwrap();
    let mut expected = Vec::new();
    for (number, row) in rows().into_iter().enumerate() {
        let new = NewCadFile {
            name: format!("{number}.step"),
            source: cadmill_domain::Blob::of(&number.to_le_bytes()).into(),
        };
        let file = deployment.files.add(new, None).await.unwrap();
        let wanted = contract::plan().input(TaskKind::Make(KIND), &file.subject());
        let of = |input: Option<Which>| {
            input.map(|which| match which {
                Which::Wanted => wanted.clone(),
                Which::Coarser => {
                    let conditions = Conditions::new("kernel", 1, Duration::from_secs(1));
                    wanted.coarser(Recipe::STANDARD, &conditions)
                }
                Which::Other => wanted.clone().with_scene(cadmill_domain::SceneInput {
                    source: cadmill_domain::ContentHash::of(b"other bytes"),
                    ..wanted.scene().unwrap().clone()
                }),
            })
        };
        let (desired, ready) = (of(row.desired), of(row.ready));
        let asset = row
            .asset
            .then(|| MediaAssetId::generate(&*deployment.clock));
        let text = |input: &Option<Input>| input.as_ref().map(ToString::to_string);
        let insert = "INSERT INTO ledger (cad_file_id, kind, state, priority, desired_input, \
                      ready_input, asset_id, fence, crashes, attempts) \
                      VALUES ($1, $2, $3, 0, $4, $5, $6, 0, 0, 0)";
        let values = [
            file.id.as_uuid().into(),
            KIND.as_str().into(),
            row.state.as_str().into(),
            text(&desired).into(),
            text(&ready).into(),
            asset.map(|asset| asset.as_uuid()).into(),
        ];
        let backend = connection.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, insert, values);
        connection.execute_raw(statement).await.unwrap();
        let row = Row {
            state: row.state,
            desired,
            ready,
            asset,
            ..Row::default()
        };
        expected.push((file.id, MediaState::of(&row, &wanted)));
    }
    for state in MediaState::ALL {
        let query = CadFileQuery {
            media: vec![(KIND, state)],
            ..CadFileQuery::first(1_000)
        };
        let page = deployment.files.list(&query).await.unwrap();
        let mut found: Vec<_> = page.files.iter().map(|file| file.file.id).collect();
        let of_state = expected.iter().filter(|(_, told)| *told == state);
        let mut told: Vec<_> = of_state.map(|(file, _)| *file).collect();
        found.sort();
        told.sort();
        assert_eq!(found, told, "{state}");
        assert!(!told.is_empty(), "{state} is among the combinations");
        for file in page.files {
            assert_eq!(file.media[1].state, state, "as it is shown");
        }
    }
}

/// What a row may hold.
struct Combination {
    state: RowState,
    desired: Option<Which>,
    ready: Option<Which>,
    asset: bool,
}

/// An input of a row.
#[derive(Clone, Copy)]
enum Which {
    Wanted,
    /// That of a medium of a coarser scene.
    Coarser,
    Other,
}

fn rows() -> Vec<Combination> {
    let inputs = [
        None,
        Some(Which::Wanted),
        Some(Which::Coarser),
        Some(Which::Other),
    ];
    let mut rows = Vec::new();
    for state in RowState::ALL {
        for desired in inputs {
            for ready in inputs {
                for asset in [false, true] {
                    rows.push(Combination {
                        state,
                        desired,
                        ready,
                        asset,
                    });
                }
            }
        }
    }
    rows
}
