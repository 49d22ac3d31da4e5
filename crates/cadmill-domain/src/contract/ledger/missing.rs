//! All that is missing, asked for in one go.

use futures_util::future::join_all;

use crate::{
    Clock as _, TaskKind,
    contract::deployment::{
        Deployment,
        Do::{self, Bytes, Cancel, Claim, Delay, Fail, Make, MakeAllFor, Paint},
        GLB, PNG, STEP, USD, WEB, all_files, plan,
    },
    ledger::{
        FileRows, Missing, MissingFilter, MissingRequest, Priority, Request,
        Requested::{self, Failed, InFlight, Present, Queued},
        Row,
    },
};

/// A file of each class: its name, its story, and what becomes of a request for its scene and for
/// its master. The bytes that go, are being read and come back let the materials change while no
/// scene is there, so that nothing is asked for: the master is stale, and only what is missing tells.
#[rustfmt::skip]
const CLASSES: [(&str, &[Do], Requested, Requested); 27] = [
    ("new", &[], InFlight, InFlight),
    ("being read", &[Claim(STEP)], InFlight, InFlight),
    ("to be read later", &[Delay(STEP)], InFlight, InFlight),
    ("not read", &[Cancel(STEP)], Queued, Queued),
    ("unreadable", &[Fail(STEP)], Failed, Failed),
    ("read", &[Make(STEP)], InFlight, InFlight),
    ("being milled", &[Make(STEP), Claim(GLB)], InFlight, InFlight),
    ("to be milled later", &[Make(STEP), Delay(GLB)], InFlight, InFlight),
    ("not milled", &[Make(STEP), Cancel(GLB)], Queued, Queued),
    ("unmillable", &[Make(STEP), Fail(GLB)], Failed, Failed),
    ("milled", &[MakeAllFor(GLB)], Present, InFlight),
    ("being dressed", &[MakeAllFor(GLB), Claim(USD)], Present, InFlight),
    ("to be dressed later", &[MakeAllFor(GLB), Delay(USD)], Present, InFlight),
    ("not dressed", &[MakeAllFor(GLB), Cancel(USD)], Present, Queued),
    ("undressable", &[MakeAllFor(GLB), Fail(USD)], Present, Failed),
    ("done", &[MakeAllFor(USD), Make(WEB), Fail(PNG)], Present, Present),
    ("new bytes", &[MakeAllFor(USD), Bytes("B")], InFlight, InFlight),
    ("new bytes, read", &[MakeAllFor(USD), Bytes("B"), Make(STEP)], InFlight, InFlight),
    ("new bytes, not milled", &[MakeAllFor(USD), Bytes("B"), Make(STEP), Cancel(GLB)], Queued, Queued),
    ("dressed otherwise", &[MakeAllFor(USD), Bytes("B"), Claim(STEP), Paint("#ff0000"), Bytes("A")], Present, Queued),
    ("undressable otherwise", &[MakeAllFor(GLB), Fail(USD), Bytes("B"), Claim(STEP), Paint("#ff0000"), Bytes("A")], Present, Queued),
    ("being dressed otherwise", &[MakeAllFor(GLB), Claim(USD), Bytes("B"), Claim(STEP), Paint("#ff0000"), Bytes("A")], Present, InFlight),
    ("to be repainted", &[MakeAllFor(USD), Paint("#ff0000")], Present, InFlight),
    ("to be repainted as it is", &[Paint("#00ff00"), MakeAllFor(USD), Paint("#ff0000"), Paint("#00ff00")], Present, Present),
    ("done, then undressable", &[Paint("#00ff00"), MakeAllFor(USD), Paint("#ff0000"), Fail(USD), Bytes("B"), Claim(STEP), Paint("#00ff00"), Bytes("A")], Present, Present),
    ("done, then cancelled", &[Paint("#00ff00"), MakeAllFor(USD), Paint("#ff0000"), Cancel(USD), Bytes("B"), Claim(STEP), Paint("#00ff00"), Bytes("A")], Present, Present),
    ("not repainted", &[MakeAllFor(USD), Paint("#ff0000"), Cancel(USD)], Present, Queued),
];

/// The counts for every class at once, as a table says.
pub async fn missing_is_told_of_every_class(deployment: &Deployment) {
    mixed(deployment).await;
    for kind in [GLB, USD] {
        let mut expected = Missing::default();
        for (_, _, scene, master) in CLASSES {
            count(&mut expected, if kind == GLB { scene } else { master });
        }
        let dry = MissingRequest {
            dry_run: true,
            ..MissingRequest::of(kind)
        };
        let told = deployment.request_missing(&dry).await;
        assert_eq!(told, expected, "a dry run for {kind}");
        for (name, _, scene, master) in CLASSES {
            let became = if kind == GLB { scene } else { master };
            let mut expected = Missing::default();
            count(&mut expected, became);
            let told = deployment
                .request_missing(&named(&dry, &format!("<{name}>")))
                .await;
            assert_eq!(told, expected, "{kind} of what is {name}");
        }
    }
    // The scenes first, as an admin would; the masters of those are then in flight.
    let missing = deployment.request_missing(&MissingRequest::of(GLB)).await;
    assert_eq!(
        missing,
        Missing {
            queued: 3,
            in_flight: 8,
            present: 14,
            failed: 2
        },
        "scenes"
    );
    let missing = deployment.request_missing(&MissingRequest::of(USD)).await;
    assert_eq!(
        missing,
        Missing {
            queued: 4,
            in_flight: 16,
            present: 4,
            failed: 3
        },
        "masters"
    );
}

/// Every row of every file is what the pure machine makes of it.
pub async fn missing_runs_the_machine_on_every_row(deployment: &Deployment) {
    mixed(deployment).await;
    let requests = TaskKind::ALL.map(MissingRequest::of);
    let retries = requests.clone().map(|request| MissingRequest {
        include_failed: true,
        ..request
    });
    for request in requests.iter().rev().chain(&retries) {
        deployment.later(1);
        let (expected, rows) = oracle(deployment, request).await;
        let told = deployment.request_missing(request).await;
        assert_eq!(told, expected, "{request:?}");
        for (file, name, expected) in rows {
            let found = deployment.rows(file).await;
            assert_eq!(found, expected, "rows of {name} after {request:?}");
        }
    }
}

/// As often as they like: nothing is queued twice, and not a row changes.
pub async fn a_second_click_queues_nothing(deployment: &Deployment) {
    mixed(deployment).await;
    for kind in [GLB, USD] {
        let request = MissingRequest::of(kind);
        let first = deployment.request_missing(&request).await;
        let before = deployment.everything().await;
        deployment.later(1);
        let second = deployment.request_missing(&request).await;
        let expected = Missing {
            queued: 0,
            in_flight: first.in_flight + first.queued,
            ..first
        };
        assert_eq!(second, expected, "the second click for {kind}");
        assert_eq!(
            deployment.everything().await,
            before,
            "the second click for {kind}"
        );
    }
}

/// Only counts.
pub async fn a_dry_run_writes_nothing(deployment: &Deployment) {
    mixed(deployment).await;
    let before = deployment.everything().await;
    for kind in TaskKind::ALL {
        for include_failed in [false, true] {
            let wet = MissingRequest {
                include_failed,
                ..MissingRequest::of(kind)
            };
            let dry = MissingRequest {
                dry_run: true,
                ..wet.clone()
            };
            let told = deployment.request_missing(&dry).await;
            let (expected, _) = oracle(deployment, &wet).await;
            assert_eq!(told, expected, "{dry:?}");
            assert_eq!(
                deployment.everything().await,
                before,
                "a dry run writes nothing"
            );
        }
    }
}

/// With `include_failed` failures are queued, here and upstream, with a clean slate.
pub async fn failures_are_missing_if_asked(deployment: &Deployment) {
    let stories: [&[Do]; 3] = [
        &[Delay(STEP)],
        &[Make(STEP), Fail(GLB)],
        &[MakeAllFor(GLB), Fail(USD)],
    ];
    let mut files = Vec::new();
    for story in stories {
        files.push(deployment.add_with("bracket.step", story).await);
    }
    deployment.later(3600);
    deployment.happen(files[0], &[Fail(STEP)]).await;
    let request = MissingRequest::of(USD);
    let told = deployment.request_missing(&request).await;
    assert_eq!(
        told,
        Missing {
            failed: 3,
            ..Missing::default()
        },
        "left alone"
    );
    let request = MissingRequest {
        include_failed: true,
        ..request
    };
    let told = deployment.request_missing(&request).await;
    assert_eq!(
        told,
        Missing {
            queued: 3,
            ..Missing::default()
        },
        "tried again"
    );
    for (file, kind) in files.into_iter().zip([STEP, GLB, USD]) {
        let row = deployment.row(file, kind).await;
        assert_eq!(
            (row.attempts, row.not_before, row.failure),
            (0, None, None),
            "{kind}"
        );
        assert_eq!(row.priority, Priority::Bulk, "{kind}");
        assert_eq!(deployment.claim(file, kind).await.tries, 0, "{kind}");
    }
}

/// Part of a name, in upper or lower case of ASCII letters; no character is wild.
pub async fn names_are_filtered_as_they_are(deployment: &Deployment) {
    let names = [
        "Bracket.STEP",
        "bracket_2.step",
        "bracketX2.step",
        "100%.step",
        "100 percent.step",
        r"back\slash.step",
        "it's.step",
        "Ärger.step",
        "ärger.step",
        "🛠.step",
    ];
    for name in names {
        deployment.add_with(name, &[Cancel(STEP)]).await;
    }
    let cases = [
        ("", names.len()),
        ("bracket", 3),
        ("BRACKET.s", 1),
        ("t_2", 1),
        ("_", 1),
        ("%", 1),
        ("0%.", 1),
        (r"\", 1),
        (r"\s", 1),
        ("it's", 1),
        ("rger", 2),
        ("Ärger", 1),
        ("ÄRGER", 1),
        ("🛠", 1),
        ("*", 0),
        ("?", 0),
        (".step ", 0),
        ("[b]", 0),
    ];
    for (part, expected) in cases {
        let dry = MissingRequest {
            dry_run: true,
            ..MissingRequest::of(GLB)
        };
        let told = deployment.request_missing(&named(&dry, part)).await;
        let expected = Missing {
            queued: expected as u64,
            ..Missing::default()
        };
        assert_eq!(told, expected, "names that contain {part:?}");
    }
    let told = deployment
        .request_missing(&named(&MissingRequest::of(GLB), "BRACKET"))
        .await;
    assert_eq!(told.queued, 3);
    assert_eq!(
        deployment.next().await.len(),
        3,
        "only what was meant is queued"
    );
}

/// Ten admins click at once.
pub async fn ten_clicks_at_once_queue_each_file_once(deployment: &Deployment) {
    const MISSING: u64 = 30;
    for number in 0..MISSING {
        let story: &[Do] = match number % 3 {
            0 => &[Cancel(STEP)],
            1 => &[Make(STEP), Cancel(GLB)],
            _ => &[MakeAllFor(GLB), Cancel(USD)],
        };
        deployment.add_with(&format!("part {number}"), story).await;
    }
    let request = MissingRequest::of(USD);
    let clicks = (0..10).map(|_| deployment.request_missing(&request));
    let told = join_all(clicks).await;
    let queued: u64 = told.iter().map(|told| told.queued).sum();
    assert_eq!(
        queued, MISSING,
        "each file is queued by one click: {told:?}"
    );
    for told in &told {
        let all = told.queued + told.in_flight;
        assert_eq!(all, MISSING, "each click tells of each file: {told:?}");
    }
}

async fn mixed(deployment: &Deployment) {
    for (name, story, ..) in CLASSES {
        deployment.add_with(&format!("<{name}>"), story).await;
    }
}

fn named(request: &MissingRequest, part: &str) -> MissingRequest {
    let name_contains = Some(part.to_owned());
    MissingRequest {
        filter: MissingFilter {
            name_contains,
            ..MissingFilter::default()
        },
        ..request.clone()
    }
}

fn count(missing: &mut Missing, became: Requested) {
    *match became {
        Queued => &mut missing.queued,
        InFlight => &mut missing.in_flight,
        Present => &mut missing.present,
        Failed => &mut missing.failed,
    } += 1;
}

/// What the pure machine makes of a request for each file.
async fn oracle(
    deployment: &Deployment,
    request: &MissingRequest,
) -> (
    Missing,
    Vec<(crate::CadFileId, String, Vec<(TaskKind, Row)>)>,
) {
    let plan = plan();
    let how = Request {
        retry_failed: request.include_failed,
        ..Request::BULK
    };
    let (mut missing, mut all) = (Missing::default(), Vec::new());
    for file in all_files(&*deployment.files).await {
        let rows = deployment.rows(file.id).await;
        let mut file_rows = FileRows::open(&plan, file.subject(), rows, deployment.clock.now());
        count(&mut missing, file_rows.request(request.kind, how));
        let rows = TaskKind::ALL.into_iter();
        let rows = rows.filter_map(|kind| file_rows.row(kind).map(|row| (kind, row.clone())));
        all.push((file.id, file.name.clone(), rows.collect()));
    }
    (missing, all)
}
