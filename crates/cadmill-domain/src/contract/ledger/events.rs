//! The events of the transitions.

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    Blob, CadFileId, Clock as _, FailureCode, NewMediaAsset, TaskKind,
    cad_file::FileChange,
    contract::deployment::{
        Deployment,
        Do::{Bytes, Make, MakeAllFor},
        GLB, PNG, STEP, USD, WEB, failure, product, report, work, worker,
    },
    ledger::{CONVERTER, Claim, HandBack, MAX_CRASHES, Published, Recovered, Recovery, TaskOutput},
    pipeline_log::{NewPipelineEvent, StepEvent},
};

/// One `step_start`, and one `step_done` or `step_failed` for how the claim was closed.
pub async fn each_claim_has_its_beginning_and_its_end_in_the_timeline(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let ledger = &deployment.ledger;
    let mut expected = Vec::new();
    let claim = async |tries: u32| {
        deployment.later(3600);
        let claim = deployment.claim(file, STEP).await;
        let result = json!({"input": claim.input, "tries": tries, "converter": CONVERTER});
        let begun = event(&claim, StepEvent::StepStart, result);
        assert_eq!(begun, NewPipelineEvent::started(&claim));
        (claim, begun)
    };

    for (reason, result) in [
        (
            HandBack::Stopping,
            json!({"code": "cancelled", "sentence": FailureCode::Cancelled.sentence()}),
        ),
        (
            HandBack::LeaseLost,
            json!({"code": "lock_lost", "sentence": FailureCode::LockLost.sentence()}),
        ),
        (
            HandBack::Outdated,
            json!({"code": "cancelled", "sentence": FailureCode::Cancelled.sentence(),
                   "detail": "Something else is wanted by now."}),
        ),
    ] {
        let (claim, begun) = claim(0).await;
        assert!(ledger.hand_back(&claim, reason).await.unwrap());
        expected.extend([begun, event(&claim, StepEvent::StepFailed, result)]);
    }

    let (delayed, begun) = claim(0).await;
    let retry_at = deployment.clock.now() + TimeDelta::seconds(7);
    deployment.fail(&delayed, Some(TimeDelta::seconds(7))).await;
    let result = failed(json!(failure()), FailureCode::KernelError, json!(retry_at));
    expected.extend([begun, event(&delayed, StepEvent::StepFailed, result)]);

    let (failing, begun) = claim(1).await;
    deployment.fail(&failing, None).await;
    let result = failed(json!(failure()), FailureCode::KernelError, Value::Null);
    expected.extend([begun, event(&failing, StepEvent::StepFailed, result)]);

    deployment
        .request(file, STEP, crate::ledger::Request::ASKED)
        .await;
    for crashes in 1..=MAX_CRASHES {
        let (dead, begun) = claim(crashes - 1).await;
        let recovered = ledger.recover(&dead, Recovery::Ended).await.unwrap();
        let result = if crashes < MAX_CRASHES {
            assert_eq!(recovered, Recovered::Requeued);
            json!({"code": "lock_lost", "sentence": FailureCode::LockLost.sentence(),
                   "detail": "The worker did not answer, so its work was taken back."})
        } else {
            let failure = deployment.row(file, STEP).await.failure;
            failed(json!(failure), FailureCode::WorkerCrash, Value::Null)
        };
        expected.extend([begun, event(&dead, StepEvent::StepFailed, result)]);
    }

    deployment
        .request(file, STEP, crate::ledger::Request::ASKED)
        .await;
    let (cancelled, begun) = claim(0).await;
    assert!(deployment.cancel(file, STEP).await);
    let result = json!({"code": "cancelled", "sentence": FailureCode::Cancelled.sentence()});
    expected.extend([begun, event(&cancelled, StepEvent::StepFailed, result)]);

    deployment
        .request(file, STEP, crate::ledger::Request::ASKED)
        .await;
    let (read, begun) = claim(0).await;
    deployment.publish(&read).await;
    let result = json!({"processed": true, "again": false, "chained": {"gltf_geometry": "queued"}});
    expected.extend([begun, event(&read, StepEvent::StepDone, result)]);
    assert_eq!(timeline(deployment, file).await, expected);
}

/// Whether it was made, is the same as before, is another, or was made for another file.
pub async fn a_publication_shows_the_asset_that_it_left(deployment: &Deployment) {
    let file = deployment.add_with("a.step", &[Make(STEP)]).await;
    let twin = deployment.add_with("b.step", &[Make(STEP)]).await;
    let publish = async |file, bytes: &[u8]| {
        let claim = deployment.claim(file, GLB).await;
        let report = report("cadmill 1");
        let blob = Blob::of(bytes).into();
        let made = TaskOutput::Asset(NewMediaAsset { blob, report });
        let published = deployment.ledger.publish(&claim, made).await.unwrap();
        (asset_of(&published), claim)
    };
    let made = |asset, again, chained: Value| {
        json!({"cached": false, "asset_id": asset, "again": again, "chained": chained,
               "converter": "cadmill 1", "warnings": report("cadmill 1").warnings()})
    };
    let media = json!({"usd_master": "queued", "web_glb": "queued", "thumbnail": "queued"});
    let (first, claim) = publish(file, b"glTF").await;
    let done = last(deployment, file).await;
    assert_eq!(
        done,
        event(&claim, StepEvent::StepDone, made(first, false, media))
    );

    let again = crate::ledger::Request {
        force: true,
        ..crate::ledger::Request::ASKED
    };
    let in_flight = json!({
        "usd_master": "in_flight", "web_glb": "in_flight", "thumbnail": "in_flight",
    });
    for (bytes, is_same) in [(b"glTF", true), (b"glTX", false)] {
        deployment.request(file, GLB, again).await;
        let (asset, _) = publish(file, bytes).await;
        assert_eq!(asset == first, is_same, "other bytes have another id");
        assert_eq!(deployment.row(file, GLB).await.asset, asset);
        let done = last(deployment, file).await;
        assert_eq!(done.result, made(asset, false, in_flight.clone()));
    }

    // A cached medium has to be of the same input.
    let source = deployment.file(file).await.source;
    let replaced = deployment.files.change(
        twin,
        FileChange::Source(source.into(), crate::ledger::Request::BULK),
        None,
    );
    replaced.await.unwrap();
    deployment.happen(twin, &[Make(STEP)]).await;
    let found = deployment.row(file, GLB).await.asset.unwrap();
    let claim = deployment.claim(twin, GLB).await;
    let published = deployment.ledger.publish(&claim, TaskOutput::Cached(found));
    let copy = asset_of(&published.await.unwrap());
    assert_ne!(copy, Some(found), "it has an asset of its own");
    let done = last(deployment, twin).await;
    let queued = json!({"usd_master": "queued", "web_glb": "queued", "thumbnail": "queued"});
    let result = json!({"cached": true, "asset_id": copy, "again": false, "chained": queued});
    assert_eq!(done.result, result);

    // Something else was asked for meanwhile.
    let claim = deployment.claim(twin, USD).await;
    deployment
        .happen(twin, &[Bytes("C"), Make(STEP), Make(GLB)])
        .await;
    let published = deployment.publish(&claim).await;
    let asset = asset_of(&published);
    let done = last(deployment, twin).await;
    assert_eq!(done.fence, Some(claim.fence));
    assert_eq!(
        (&done.result["again"], &done.result["chained"]),
        (&json!(true), &json!({}))
    );
    assert_eq!(done.result["asset_id"], json!(asset));
}

/// A stale claim, or an operation that has nothing to do.
pub async fn what_changes_nothing_writes_no_event(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(GLB)])
        .await;
    let ledger = &deployment.ledger;
    let stale = deployment.claim(file, USD).await;
    assert!(deployment.hand_back(&stale).await);
    let open = deployment.claim(file, USD).await;
    assert!(deployment.cancel(file, PNG).await);
    let before = timeline(deployment, file).await;

    assert_eq!(deployment.publish(&stale).await, Published::Refused);
    assert!(!deployment.fail(&stale, None).await);
    assert!(!ledger.hand_back(&stale, HandBack::LeaseLost).await.unwrap());
    let recovered = ledger.recover(&stale, Recovery::Ended).await.unwrap();
    assert_eq!(recovered, Recovered::NoLonger);
    assert_eq!(deployment.try_claim(file, USD).await, None, "it is claimed");
    assert_eq!(deployment.try_claim(file, STEP).await, None, "it is there");
    assert!(!deployment.cancel(file, PNG).await, "it is cancelled");
    assert!(deployment.cancel(file, WEB).await, "it was not claimed");
    let unknown = crate::MediaAssetId::generate(&*deployment.clock);
    let published = ledger.publish(&open, TaskOutput::Cached(unknown)).await;
    assert!(published.is_err(), "there is no such asset");
    assert_eq!(timeline(deployment, file).await, before);

    // Once closed, it is closed.
    let made = product(&open);
    let published = ledger.publish(&open, made.clone()).await.unwrap();
    assert_ne!(published, Published::Refused);
    assert_eq!(
        ledger.publish(&open, made).await.unwrap(),
        Published::Refused
    );
    let ends = timeline(deployment, file).await;
    assert_eq!(ends.len(), before.len() + 1);
}

/// Of the one that wins.
pub async fn claims_at_once_write_one_event(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let worker = worker();
    let claims = (0..20).map(|_| deployment.ledger.claim(work(file, STEP), &worker));
    let claims = join_all(claims).await.into_iter();
    let claims: Vec<_> = claims.filter_map(Result::unwrap).collect();
    let begun = claims.iter().map(NewPipelineEvent::started);
    let begun: Vec<_> = begun.collect();
    assert_eq!(begun.len(), 1);
    assert_eq!(timeline(deployment, file).await, begun);
}

fn event(claim: &Claim, event: StepEvent, result: Value) -> NewPipelineEvent {
    let task: TaskKind = claim.work.kind;
    NewPipelineEvent {
        cad_file_id: claim.work.cad_file_id,
        task,
        event,
        fence: Some(claim.fence),
        worker: worker(),
        result,
    }
}

/// The result of a failure.
fn failed(mut failure: Value, code: FailureCode, retry_at: Value) -> Value {
    assert_eq!(failure["code"], json!(code));
    failure["sentence"] = json!(code.sentence());
    failure["remedy"] = json!(code.remedy());
    failure["retry_at"] = retry_at;
    failure
}

fn asset_of(published: &Published) -> Option<crate::MediaAssetId> {
    match published {
        Published::Done { asset, .. } => *asset,
        Published::Refused => panic!("the claim holds"),
    }
}

async fn timeline(deployment: &Deployment, file: CadFileId) -> Vec<NewPipelineEvent> {
    let timeline = deployment.log.timeline(file).await.unwrap();
    timeline.into_iter().map(|event| event.event).collect()
}

async fn last(deployment: &Deployment, file: CadFileId) -> NewPipelineEvent {
    let mut timeline = timeline(deployment, file).await;
    timeline.pop().expect("the file has events")
}
