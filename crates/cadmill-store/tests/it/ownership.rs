//! Whose blobs are swept, when a sweep asks first, and requests of commands.

use std::{fs::DirEntry, path::PathBuf, sync::Arc, time::Duration};

use cadmill_domain::{
    Blobs as _, CadFiles as _, Clock as _, FailureCode, NewCadFile, SweepId, SystemClock,
    blobs::{BlobCopy, BlobUpload, keep_bytes, report_blob_loss},
    contract,
    fakes::ManualClock,
    ledger::WorkerName,
};
use cadmill_store::{
    Database, LocalWorkNotifier, MaintenanceKind, MaintenanceState, Marker, ObjectBlobs, Owner,
    OwnershipError, Store, Sweep, SweepOptions,
};
use chrono::TimeDelta;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::open;

/// Two databases beside each other, and blobs.
struct Beside {
    blobs: ObjectBlobs,
    own: Store,
    other: Store,
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

impl Beside {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new());
        let path = folder.path().join("other");
        std::fs::create_dir(&path).unwrap();
        let url = open::new_postgres_database().await;
        let own = open::sqlite_in(folder.path()).await;
        let other = Database::connect_postgres(&url, 8).await.unwrap();
        Self {
            blobs: ObjectBlobs::in_folder(&folder.path().join("blobs")).unwrap(),
            own: store(own, &clock).await,
            other: store(other, &clock).await,
            clock,
            folder,
        }
    }

    /// As another process opens the blobs when it starts.
    fn open(&self) -> ObjectBlobs {
        ObjectBlobs::in_folder(&self.folder.path().join("blobs")).unwrap()
    }

    fn marker(&self) -> PathBuf {
        self.folder.path().join("blobs/cadmill-owner.json")
    }

    /// Leaves an empty folder where the blobs were, as if their disk were not mounted.
    fn unmount(&self) {
        let folder = self.folder.path().join("blobs");
        std::fs::rename(&folder, self.folder.path().join("disk")).unwrap();
        std::fs::create_dir(folder).unwrap();
    }

    /// Brings back what was there before, and removes what was stored below.
    fn mount(&self) {
        let folder = self.folder.path().join("blobs");
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::rename(self.folder.path().join("disk"), folder).unwrap();
    }

    /// What lies where the disk should be mounted.
    fn left_below(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("blobs")).unwrap();
        let name = |entry: std::io::Result<DirEntry>| {
            entry.unwrap().file_name().to_string_lossy().into_owned()
        };
        entries.map(name).collect()
    }

    /// Has the own database do something by another connection.
    async fn execute(&self, sql: &str) {
        let database = self.folder.path().join("cadmill.db");
        let url = format!("sqlite://{}", database.display());
        let connection = sea_orm::Database::connect(url).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
    }
}

#[tokio::test]
async fn blobs_belong_to_the_first_database_that_works_with_them() {
    let beside = Beside::new().await;
    let Beside {
        blobs, own, other, ..
    } = &beside;
    let owner = own.own_blobs(blobs).await.unwrap();
    assert_eq!(own.own_blobs(blobs).await.unwrap(), owner, "a second start");
    assert_eq!(blobs.marker().await.unwrap(), Marker::Owner(owner));
    let refused = other.own_blobs(blobs).await.unwrap_err();
    assert!(matches!(refused, OwnershipError::OtherOwner { .. }));
    let text = refused.to_string();
    assert!(text.contains("cadmill adopt"), "{text}");
}

#[tokio::test]
async fn nothing_is_lost_where_the_blobs_are_no_longer_those_that_were_owned() {
    let beside = Beside::new().await;
    let Beside { blobs, own, .. } = &beside;
    let source = blobs.put(b"a source".to_vec()).await.unwrap();
    let new = NewCadFile {
        name: "a.step".to_owned(),
        source: source.into(),
    };
    own.add(new, None).await.unwrap();
    own.own_blobs(blobs).await.unwrap();
    let report = async || {
        let failure = blobs.get(&source).await.unwrap_err();
        let finder = WorkerName::new("verify");
        report_blob_loss(blobs, own, &source, failure, &finder).await
    };
    beside.unmount();
    let failure = report().await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Storage);
    assert!(failure.detail.contains("mounted"), "{failure}");
    assert!(blobs.probe().await.is_err(), "it is not ready, either");

    beside.mount();
    blobs.get(&source).await.unwrap();
    // As if only a disk below were not mounted.
    let blobs_folder = beside.folder.path().join("blobs/sha256");
    let aside = beside.folder.path().join("aside");
    std::fs::rename(&blobs_folder, &aside).unwrap();
    for is_there in [false, true] {
        let failure = report().await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Storage);
        assert!(failure.detail.contains("mounted"), "{failure}");
        if !is_there {
            std::fs::create_dir(&blobs_folder).unwrap();
        }
    }
    std::fs::remove_dir(&blobs_folder).unwrap();
    std::fs::rename(&aside, &blobs_folder).unwrap();
    let hash = source.sha256.to_string();
    let path = beside.folder.path().join("blobs/sha256");
    let path = path.join(&hash[..2]).join(hash);
    std::fs::remove_file(path).unwrap();
    assert_eq!(report().await.unwrap().sources, 1, "now it is lost");
}

#[tokio::test]
async fn an_empty_database_beside_blobs_is_refused_and_may_adopt_them() {
    let beside = Beside::new().await;
    let Beside { blobs, own, .. } = &beside;
    blobs.put(b"left".to_vec()).await.unwrap();
    let refused = own.own_blobs(blobs).await.unwrap_err();
    assert!(
        matches!(refused, OwnershipError::EmptyDatabase),
        "{refused}"
    );
    assert_eq!(
        blobs.marker().await.unwrap(),
        Marker::Missing,
        "it is not marked either"
    );
    let adopted = own.adopt_blobs(blobs).await.unwrap();
    assert_eq!(own.own_blobs(blobs).await.unwrap(), adopted);
}

#[tokio::test]
async fn a_first_start_beside_an_empty_blob_store_is_refused_if_there_are_files() {
    let beside = Beside::new().await;
    let Beside { blobs, own, .. } = &beside;
    add(own, blobs, "bracket").await;
    beside.unmount();
    let refused = own.own_blobs(blobs).await.unwrap_err();
    assert!(matches!(refused, OwnershipError::EmptyBlobs), "{refused}");
    assert!(refused.to_string().contains("cadmill adopt"), "{refused}");
    assert_eq!(beside.left_below(), [""; 0], "nothing is written");
    let adopted = own.adopt_blobs(blobs).await.unwrap();
    assert_eq!(own.own_blobs(blobs).await.unwrap(), adopted);
}

#[tokio::test]
async fn a_database_that_has_owned_blobs_marks_none_by_itself() {
    for is_stray in [false, true] {
        let beside = Beside::new().await;
        let Beside { blobs, own, .. } = &beside;
        let before = own.own_blobs(blobs).await.unwrap();
        add(own, blobs, "bracket").await;
        beside.unmount();
        // As a process finds it that starts while the disk is not mounted.
        let unmounted = beside.open();
        if is_stray {
            unmounted.put(b"a stray upload".to_vec()).await.unwrap();
        }
        let refused = own.own_blobs(&unmounted).await.unwrap_err();
        assert!(matches!(refused, OwnershipError::NoMarker), "{refused}");
        assert!(refused.to_string().contains("cadmill adopt"), "{refused}");
        assert_eq!(unmounted.marker().await.unwrap(), Marker::Missing);

        beside.mount();
        assert_eq!(own.own_blobs(&beside.open()).await.unwrap(), before);
        beside.unmount();
        let unmounted = beside.open();
        let adopted = own.adopt_blobs(&unmounted).await.unwrap();
        assert_eq!(adopted.generation, before.generation + 1);
        assert_eq!(own.own_blobs(&unmounted).await.unwrap(), adopted);
    }
}

#[tokio::test]
async fn nothing_is_stored_where_the_marker_is_missing_or_another() {
    let beside = Beside::new().await;
    let Beside { blobs, own, .. } = &beside;
    own.own_blobs(blobs).await.unwrap();
    let file = beside.folder.path().join("part.step");
    std::fs::write(&file, "a part").unwrap();
    let begun = async || {
        let mut upload = blobs.begin().await.unwrap();
        upload
            .write(b"begun before".as_slice().into())
            .await
            .unwrap();
        upload
    };
    let refused = async |upload: Box<dyn BlobUpload>, expected: &str| {
        let hashed = blobs.hash_file(&file).await.unwrap();
        for failure in [
            blobs.put(b"a source".to_vec()).await.unwrap_err(),
            blobs
                .put_file_copy(&file, hashed, BlobCopy::FIRST)
                .await
                .unwrap_err(),
            blobs.begin().await.err().unwrap(),
            upload.finish_copy(BlobCopy::FIRST).await.unwrap_err(),
        ] {
            assert_eq!(failure.code, FailureCode::Storage);
            assert!(failure.detail.contains(expected), "{failure}");
        }
    };
    let upload = begun().await;
    beside.unmount();
    refused(upload, "mounted").await;
    assert_eq!(beside.left_below(), [""; 0], "nothing lies below the disk");
    beside.mount();
    blobs.put(b"a source".to_vec()).await.unwrap();

    let upload = begun().await;
    std::fs::write(beside.marker(), "").unwrap();
    refused(upload, "cannot be read").await;
    own.adopt_blobs(blobs).await.unwrap();
    let refusal = blobs.put(b"a source".to_vec()).await.unwrap_err();
    assert!(refusal.detail.contains("cadmill adopt"), "{refusal}");
    let restarted = beside.open();
    own.own_blobs(&restarted).await.unwrap();
    restarted.put(b"a source".to_vec()).await.unwrap();
}

#[tokio::test]
async fn a_torn_marker_is_refused_and_replaced_by_adopting() {
    let whole = {
        let beside = Beside::new().await;
        beside.own.own_blobs(&beside.blobs).await.unwrap();
        std::fs::read(beside.marker()).unwrap()
    };
    for torn in [&[][..], &whole[..20], b"\0\0\0\0", b"{}"] {
        let beside = Beside::new().await;
        let Beside { blobs, own, .. } = &beside;
        let before = own.own_blobs(blobs).await.unwrap();
        std::fs::write(beside.marker(), torn).unwrap();
        let refused = own.own_blobs(blobs).await.unwrap_err();
        assert!(
            matches!(refused, OwnershipError::UnreadableMarker(_)),
            "{refused}"
        );
        assert!(refused.to_string().contains("cadmill adopt"), "{refused}");
        let adopted = own.adopt_blobs(blobs).await.unwrap();
        assert_eq!(adopted.generation, before.generation + 1);
        assert_eq!(own.own_blobs(&beside.open()).await.unwrap(), adopted);
    }
}

#[tokio::test]
async fn what_a_process_began_to_mark_is_marked_by_the_next() {
    let beside = Beside::new().await;
    let Beside { blobs, own, .. } = &beside;
    let owner = own.own_blobs(blobs).await.unwrap();
    // It had made its row, and then written the marker as well.
    for has_marked in [false, true] {
        beside.execute("UPDATE deployment SET generation = 0").await;
        if !has_marked {
            std::fs::remove_file(beside.marker()).unwrap();
        }
        assert_eq!(own.check_blobs(blobs).await.unwrap(), None);
        assert_eq!(own.own_blobs(blobs).await.unwrap(), owner);
        assert_eq!(own.check_blobs(blobs).await.unwrap(), Some(owner));
    }
}

#[tokio::test]
async fn processes_that_start_at_once_agree() {
    let beside = Beside::new().await;
    let Beside { blobs, other, .. } = &beside;
    let starts = (0..16).map(|_| other.own_blobs(blobs));
    let owners = futures_util::future::join_all(starts).await;
    let owners: Vec<Owner> = owners.into_iter().map(Result::unwrap).collect();
    assert!(owners.iter().all(|owner| *owner == owners[0]), "{owners:?}");
}

#[tokio::test]
async fn of_two_restores_of_one_backup_the_later_owns_the_blobs() {
    let beside = Beside::new().await;
    let Beside { blobs, own, .. } = &beside;
    own.own_blobs(blobs).await.unwrap();
    let restore = async |name: &str| {
        let folder = beside.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let copy = format!("VACUUM INTO '{}'", folder.join("cadmill.db").display());
        beside.execute(&copy).await;
        store(open::sqlite_in(&folder).await, &beside.clock).await
    };
    let (first, second) = (restore("first").await, restore("second").await);
    let of_first = first.adopt_blobs(blobs).await.unwrap();
    assert_eq!(first.own_blobs(&beside.open()).await.unwrap(), of_first);
    let blobs = &beside.open();
    let of_second = second.adopt_blobs(blobs).await.unwrap();
    assert!(of_first.generation < of_second.generation);
    assert_eq!(second.own_blobs(blobs).await.unwrap(), of_second);
    for copy in [own, &first] {
        let refused = copy.own_blobs(&beside.open()).await.unwrap_err();
        assert!(matches!(refused, OwnershipError::OtherOwner { .. }));
    }
    // The marker of the first restore comes back with a copy of its blobs.
    blobs.mark_again(of_first).await.unwrap();
    second.own_blobs(blobs).await.unwrap_err();
}

#[tokio::test]
async fn a_database_with_files_adopts_blobs_without_a_marker() {
    let beside = Beside::new().await;
    let Beside { blobs, own, .. } = &beside;
    add(own, blobs, "bracket").await;
    let owner = own.own_blobs(blobs).await.unwrap();
    assert_eq!(blobs.marker().await.unwrap(), Marker::Owner(owner));
}

#[tokio::test]
async fn adopting_refuses_every_other_copy() {
    let beside = Beside::new().await;
    let Beside {
        blobs, own, other, ..
    } = &beside;
    let first = own.own_blobs(blobs).await.unwrap();
    let adopted = own.adopt_blobs(blobs).await.unwrap();
    assert_eq!(adopted.generation, first.generation + 1);
    assert_ne!(adopted.id, first.id);
    let refused = own.own_blobs(blobs).await.unwrap_err();
    assert!(
        matches!(refused, OwnershipError::AdoptedMeanwhile),
        "{refused}"
    );
    let (blobs, of_other) = (&beside.open(), &beside.open());
    assert_eq!(own.own_blobs(blobs).await.unwrap(), adopted);
    // As an older copy of the database would find it.
    blobs.mark_again(first).await.unwrap();
    let refused = own.own_blobs(blobs).await.unwrap_err();
    assert!(matches!(refused, OwnershipError::OtherOwner { .. }));
    let taken = other.adopt_blobs(of_other).await.unwrap();
    assert_eq!(other.own_blobs(of_other).await.unwrap(), taken);
    own.own_blobs(blobs).await.unwrap_err();
}

#[tokio::test]
async fn a_sweep_ends_when_another_database_adopts_the_blobs() {
    let beside = Beside::new().await;
    let Beside {
        blobs, own, other, ..
    } = &beside;
    let owner = own.own_blobs(blobs).await.unwrap();
    let of_other = add(other, blobs, "not known to the first database").await;
    let taken = other.adopt_blobs(blobs).await.unwrap();
    let options = |owner| SweepOptions {
        owner: Some(owner),
        ..sweep(true)
    };
    let ended = blobs.sweep(own, options(owner)).await.unwrap_err();
    assert!(ended.detail.contains("adopted"), "{ended:?}");
    let swept = blobs.sweep(other, options(taken)).await.unwrap();
    assert_eq!((swept.seen, swept.removed), (1, 0));
    let kept = other.get(of_other).await.unwrap().unwrap();
    assert!(blobs.is_whole(&kept.source).await.unwrap());
}

#[tokio::test]
async fn many_that_were_not_released_are_removed_only_on_demand() {
    let beside = Beside::new().await;
    let Beside { blobs, own, .. } = &beside;
    for number in 0..120 {
        blobs
            .put(format!("lost {number}").into_bytes())
            .await
            .unwrap();
    }
    let deleted = add(own, blobs, "deleted").await;
    let kept = add(own, blobs, "kept").await;
    assert!(own.remove(deleted).await.unwrap());
    let asked = blobs.sweep(own, sweep(false)).await.unwrap();
    let expected = Sweep {
        seen: 122,
        removed: 0,
        unconfirmed: 120,
    };
    assert_eq!(asked, expected);
    let owner = Some(own.own_blobs(blobs).await.unwrap());
    own.end_sweep(&asked).await.unwrap();
    assert_eq!(own.last_sweep().await.unwrap(), Some(asked));
    let confirmed = SweepOptions {
        owner,
        ..sweep(true)
    };
    let confirmed = blobs.sweep(own, confirmed).await.unwrap();
    assert_eq!((confirmed.removed, confirmed.unconfirmed), (121, 0));
    let kept = own.get(kept).await.unwrap().unwrap();
    assert!(blobs.get(&kept.source).await.is_ok());
}

#[tokio::test]
async fn after_adopting_a_sweep_asks_before_it_removes_anything_newer() {
    let beside = Beside::new().await;
    let Beside { blobs, own, .. } = &beside;
    add(own, blobs, "kept").await;
    let first = own.own_blobs(blobs).await.unwrap();
    assert!(!own.is_swept_with_care(first).await.unwrap());
    let deleted = add(own, blobs, "deleted").await;
    assert!(own.remove(deleted).await.unwrap());
    // Of files that a restored database does not know.
    blobs.put(b"newer".to_vec()).await.unwrap();
    let owner = own.adopt_blobs(blobs).await.unwrap();
    assert_eq!(blobs.count_unused(own).await.unwrap(), (3, 2));
    for _ in 0..2 {
        assert!(own.is_swept_with_care(owner).await.unwrap());
        let careful = SweepOptions {
            is_careful: true,
            owner: Some(owner),
            ..sweep(false)
        };
        let asked = blobs.sweep(own, careful).await.unwrap();
        assert_eq!((asked.removed, asked.unconfirmed), (0, 1));
        own.end_sweep(&asked).await.unwrap();
    }
    let confirmed = SweepOptions {
        is_careful: true,
        owner: Some(owner),
        ..sweep(true)
    };
    let confirmed = blobs.sweep(own, confirmed).await.unwrap();
    assert_eq!((confirmed.removed, confirmed.unconfirmed), (2, 0));
    own.end_sweep(&confirmed).await.unwrap();
    assert!(!own.is_swept_with_care(owner).await.unwrap());
}

#[tokio::test]
async fn what_was_deleted_is_removed_without_asking() {
    let beside = Beside::new().await;
    let Beside { blobs, own, .. } = &beside;
    for number in 0..150 {
        let file = add(own, blobs, &format!("deleted {number}")).await;
        assert!(own.remove(file).await.unwrap());
    }
    let swept = blobs.sweep(own, sweep(false)).await.unwrap();
    let expected = Sweep {
        seen: 150,
        removed: 150,
        unconfirmed: 0,
    };
    assert_eq!(swept, expected);
    assert!(blobs.is_empty().await.unwrap());
}

#[tokio::test]
async fn one_of_all_begins_a_sweep_that_is_due() {
    let beside = Beside::new().await;
    let Beside {
        blobs,
        own,
        other,
        clock,
        ..
    } = &beside;
    let hour = Duration::from_hours(1);
    own.own_blobs(blobs).await.unwrap();
    other.adopt_blobs(blobs).await.unwrap();
    for store in [own, other] {
        for _ in 0..2 {
            assert!(store.is_sweep_due(hour).await.unwrap());
            let began = futures_util::future::join_all((0..8).map(|_| store.begin_sweep(hour)));
            let began = began
                .await
                .into_iter()
                .filter(|began| *began.as_ref().unwrap());
            assert_eq!(began.count(), 1);
            assert!(!store.is_sweep_due(hour).await.unwrap());
            clock.advance(TimeDelta::hours(1));
        }
    }
}

#[tokio::test]
async fn a_request_is_answered_once_also_after_the_first_process_has_died() {
    let beside = Beside::new().await;
    for store in [&beside.own, &beside.other] {
        let arguments = json!({"is_confirmed": true});
        let id = store.request_maintenance(MaintenanceKind::Gc, arguments.clone());
        let id = id.await.unwrap();
        let state = async || store.maintenance(id).await.unwrap().unwrap().state;
        assert_eq!(state().await, MaintenanceState::Queued);
        let taken = store
            .take_maintenance("first", None)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((taken.id, taken.arguments), (id, arguments));
        for only in [None, Some(id)] {
            assert_eq!(store.take_maintenance("second", only).await.unwrap(), None);
        }
        beside.clock.advance(TimeDelta::seconds(50));
        assert!(
            store
                .note_maintenance(id, "first", json!({"seen": 7}))
                .await
                .unwrap()
        );
        beside.clock.advance(TimeDelta::seconds(50));
        assert_eq!(store.take_maintenance("second", None).await.unwrap(), None);
        beside.clock.advance(TimeDelta::seconds(50));
        let taken = store.take_maintenance("second", Some(id)).await.unwrap();
        assert!(
            taken.is_some(),
            "the first has not been seen for over a minute"
        );
        let late = store.answer_maintenance(id, "first", Ok(json!(1))).await;
        assert!(!late.unwrap(), "it is no longer its own");
        assert!(
            !store
                .note_maintenance(id, "first", json!({}))
                .await
                .unwrap()
        );
        let answered = store.answer_maintenance(id, "second", Ok(json!(2))).await;
        assert!(answered.unwrap());
        let done = store.maintenance(id).await.unwrap().unwrap();
        assert_eq!(done.state, MaintenanceState::Done);
        assert_eq!(
            (done.answer, done.worker.as_deref()),
            (Some(json!(2)), Some("second"))
        );

        let id = store
            .request_maintenance(MaintenanceKind::Gc, json!({}))
            .await
            .unwrap();
        store.take_maintenance("first", None).await.unwrap();
        let failed = store
            .answer_maintenance(id, "first", Err("no".to_owned()))
            .await;
        assert!(failed.unwrap());
        let failed = store.maintenance(id).await.unwrap().unwrap();
        assert_eq!(
            (failed.state, failed.answer),
            (MaintenanceState::Failed, Some(json!("no")))
        );
    }
}

#[tokio::test]
async fn a_request_is_not_taken_when_its_command_is_gone() {
    let beside = Beside::new().await;
    for store in [&beside.own, &beside.other] {
        let request = async || {
            let id = store.request_maintenance(MaintenanceKind::Gc, json!({}));
            id.await.unwrap()
        };
        let take = async |worker, only| store.take_maintenance(worker, only).await.unwrap();
        let kept = request().await;
        let left = request().await;
        beside.clock.advance(TimeDelta::seconds(50));
        store.await_maintenance(kept).await.unwrap();
        beside.clock.advance(TimeDelta::seconds(50));
        assert_eq!(take("worker", Some(left)).await, None);
        let taken = take("worker", None).await.unwrap();
        assert_eq!(taken.id, kept);
        store.withdraw_maintenance(kept, "command").await.unwrap();
        let running = store.maintenance(kept).await.unwrap().unwrap();
        assert_eq!(running.state, MaintenanceState::Running, "it is under way");

        let own = request().await;
        take("command", Some(own)).await.unwrap();
        for id in [own, left] {
            store.withdraw_maintenance(id, "command").await.unwrap();
            assert_eq!(store.maintenance(id).await.unwrap(), None);
        }
    }
}

async fn add(store: &Store, blobs: &ObjectBlobs, text: &str) -> cadmill_domain::CadFileId {
    let bytes = text.as_bytes().to_vec().into();
    let source = keep_bytes(blobs, store, bytes).await.unwrap();
    let name = text.to_owned();
    let file = store.add(NewCadFile { name, source }, None).await;
    file.unwrap().id
}

/// A sweep of all that nothing refers to, however young.
fn sweep(is_confirmed: bool) -> SweepOptions {
    SweepOptions {
        id: SweepId::generate(&SystemClock),
        older_than: SystemClock.now() + TimeDelta::days(1),
        unfinished_before: SystemClock.now() - TimeDelta::days(1),
        is_confirmed,
        is_careful: false,
        owner: None,
    }
}

async fn store(database: Database, clock: &Arc<ManualClock>) -> Store {
    database.migrate().await.unwrap();
    let notifier = Arc::new(LocalWorkNotifier::default());
    Store::new(database, contract::plan(), clock.clone(), notifier)
}
