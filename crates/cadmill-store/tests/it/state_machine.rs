//! The databases against the fake: the same operations, one by one and several at once, must give the
//! same answers and the same rows. What happens at once may have happened in any order, but in one.

mod act;
mod side;
mod story;

use std::sync::Arc;

use cadmill_domain::{
    Clock as _, contract,
    fakes::{ManualClock, MemoryStore},
};
use chrono::TimeDelta;
use futures_util::future::join_all;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection};
use tokio::runtime::Runtime;

use self::{
    act::{Act, Answer, Ticket},
    side::{Side, Snapshot},
    story::{Draw, Step, any_step},
};
use crate::open;

const MAX_STEPS: usize = 30;

#[test]
fn sqlite_does_as_the_fake_does() {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/cadmill.db?mode=rwc", folder.path().display());
    let database = runtime.block_on(open::sqlite_in(folder.path()));
    check(&runtime, database, &url);
}

#[test]
fn postgres_does_as_the_fake_does() {
    let runtime = Runtime::new().unwrap();
    let url = runtime.block_on(open::new_postgres_database());
    let connect = cadmill_store::Database::connect_postgres(&url, 8);
    let database = runtime.block_on(connect).unwrap();
    check(&runtime, database, &url);
}

/// Tells many stories (`PROPTEST_CASES`), each on an empty database.
fn check(runtime: &Runtime, database: cadmill_store::Database, url: &str) {
    let clock = Arc::new(ManualClock::new());
    let real = runtime.block_on(open::deployment(database, clock));
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let emptying = runtime.block_on(sea_orm::Database::connect(options));
    let emptying = emptying.unwrap();
    let config = ProptestConfig {
        failure_persistence: None,
        // Each try costs as much as a case, and what runs at once does not fail each time.
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let stories = (2..=4_usize, vec(any_step(), 1..MAX_STEPS));
    let told = TestRunner::new(config).run(&stories, |(files, steps)| {
        let told = runtime.block_on(async {
            empty(&emptying).await;
            let mut world = World::new(&real, files).await;
            for step in &steps {
                world.step(step).await?;
            }
            world.compare_overviews().await
        });
        told.map_err(TestCaseError::fail)
    });
    if let Err(error) = told {
        panic!("{error}");
    }
}

/// Removes all files, and with them all rows.
async fn empty(connection: &DatabaseConnection) {
    let delete = "DELETE FROM cad_file";
    connection.execute_unprepared(delete).await.unwrap();
}

/// A database, the fake that it is compared with, and every claim that was ever given.
struct World {
    clock: Arc<ManualClock>,
    real: Side,
    model: Side,
    tickets: Vec<Ticket>,
    /// How many acts there were, so that no two make the same.
    acts: u32,
}

impl World {
    async fn new(real: &contract::Deployment, files: usize) -> Self {
        let clock = real.clock.clone();
        let mut world = Self {
            real: Side::of_database(real.clone()),
            model: Side::of_fake(MemoryStore::new(contract::plan(), clock.clone()), &clock),
            clock,
            tickets: Vec::new(),
            acts: 0,
        };
        for file in 0..files {
            // Ids sort by time, so they have the same order on both sides.
            world.clock.advance(TimeDelta::seconds(1));
            for side in [&mut world.real, &mut world.model] {
                side.add(&format!("Bracket {file}.step")).await;
            }
        }
        world
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let draws = match step {
            Step::Wait(seconds) => {
                self.clock.advance(TimeDelta::seconds(*seconds));
                return Ok(());
            }
            Step::One(draw) => std::slice::from_ref(draw),
            Step::AtOnce(draws) => draws,
        };
        let mut acts = Vec::new();
        for draw in draws {
            acts.extend(self.act(draw).await);
        }
        let answers = self.all_at_once(&acts).await;
        let rows = self.real.snapshot().await;
        let Some(model) = self.explained_by_an_order(&acts, &answers, &rows).await else {
            return Err(self.unexplained(&acts, &answers, &rows).await);
        };
        self.model = model;
        let claims = answers.into_iter().filter_map(|answer| match answer {
            Answer::Claimed(ticket) => ticket,
            _ => None,
        });
        self.tickets.extend(claims);
        Ok(())
    }

    /// What a draw comes to, if it comes to anything.
    async fn act(&mut self, draw: &Draw) -> Option<Act> {
        self.acts += 1;
        draw.resolve(&self.model, &self.tickets, self.acts, self.clock.now())
            .await
    }

    /// Each by a client of its own.
    async fn all_at_once(&self, acts: &[Act]) -> Vec<Answer> {
        if let [act] = acts {
            return vec![self.real.apply(act).await];
        }
        let clients = acts.iter().map(|act| {
            let (side, act) = (self.real.clone(), act.clone());
            tokio::spawn(async move { side.apply(&act).await })
        });
        let answers = join_all(clients).await.into_iter();
        answers
            .map(|answer| answer.expect("no client panics"))
            .collect()
    }

    /// The fake after the first order of the acts in which it gives these answers and has these rows.
    async fn explained_by_an_order(
        &self,
        acts: &[Act],
        answers: &[Answer],
        rows: &Snapshot,
    ) -> Option<Side> {
        let before = self.model.snapshot().await;
        for order in orders(acts.len()) {
            let model = self.model.fork(&self.clock);
            let mut agrees = true;
            for index in order {
                let answer = &answers[index];
                // Whoever claims does not wait for one who is just at another row of the file.
                let gave_way = acts.len() > 1 && *answer == Answer::Claimed(None);
                agrees = agrees && (gave_way || model.apply(&acts[index]).await == *answer);
            }
            if agrees && acts.len() > 1 {
                // A publication ends no wait of a row that another transaction holds.
                model.keep_waits(&before, rows).await;
            }
            if agrees && model.snapshot().await == *rows {
                return Some(model);
            }
        }
        None
    }

    async fn unexplained(&self, acts: &[Act], answers: &[Answer], rows: &Snapshot) -> String {
        let model = self.model.fork(&self.clock);
        let mut expected = Vec::new();
        for act in acts {
            expected.push(model.apply(act).await);
        }
        let before = self.model.snapshot().await;
        let after = model.snapshot().await;
        format!(
            "No order of these acts gives these answers and rows.\n{acts:#?}\n\
             answers of the database: {answers:#?}\nof the fake, in this order: {expected:#?}\n\
             before: {before}in the database: {rows}in the fake, in this order: {after}"
        )
    }

    /// What looks at all rows finds the same.
    async fn compare_overviews(&self) -> Result<(), String> {
        let (real, model) = (self.real.overview().await, self.model.overview().await);
        if real == model {
            return Ok(());
        }
        Err(format!("database: {real:?}\nfake: {model:?}"))
    }
}

/// All orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    (0..count).fold(vec![Vec::new()], |orders, next| {
        let insert = |order: &Vec<usize>, at: usize| {
            let mut longer = order.clone();
            longer.insert(at, next);
            longer
        };
        let longer = orders.iter();
        longer
            .flat_map(|order| (0..=order.len()).rev().map(move |at| insert(order, at)))
            .collect()
    })
}
