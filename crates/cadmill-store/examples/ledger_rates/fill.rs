//! Statements that fill a database with files that were read and lack a scene.

use cadmill_domain::{ContentHash, MaterialMaps, MediaPlan, TaskKind};

/// Statements that add files whose `process_step` is there.
pub(crate) fn statements(is_postgres: bool, plan: &MediaPlan, files: usize) -> Vec<String> {
    let (numbers, id, hash, now) = if is_postgres {
        (
            format!("generate_series(1, {files}) AS numbers(n)"),
            "('019a' || lpad(to_hex(n), 28, '0'))::uuid",
            "lpad(to_hex(n), 64, '0')",
            "now()",
        )
    } else {
        let numbers = format!(
            "(WITH RECURSIVE numbers(n) AS \
             (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {files}) SELECT n FROM numbers)"
        );
        let now = "'2026-01-01T12:00:00+00:00'";
        (
            numbers,
            "unhex(printf('019a%028x', n))",
            "printf('%064x', n)",
            now,
        )
    };
    let materials: ContentHash = MaterialMaps::default().fingerprint();
    let step = TaskKind::ProcessStep;
    let ready = plan.pattern(step).after_source;
    vec![
        format!(
            "INSERT INTO cad_file (id, name, source_sha256, source_bytes, part_materials, \
             manual_overrides, materials_fingerprint, created_at, updated_at) \
             SELECT {id}, 'plant/line ' || n || '.step', {hash}, 1000000, '{{}}', '{{}}', \
             '{materials}', {now}, {now} FROM {numbers}"
        ),
        format!(
            "INSERT INTO ledger (cad_file_id, kind, state, priority, desired_input, ready_input, \
             fence, crashes, attempts, requested_at) \
             SELECT {id}, '{step}', 'idle', 0, {hash} || '{ready}', {hash} || '{ready}', \
             1, 0, 0, {now} FROM {numbers}"
        ),
        // As the databases do by themselves after a while: PostgreSQL leaves out tables in which
        // nothing has changed, and SQLite looks at some rows of each index, not at all of them.
        if is_postgres {
            "ANALYZE cad_file, ledger"
        } else {
            "PRAGMA optimize = 0x10012"
        }
        .to_owned(),
    ]
}
