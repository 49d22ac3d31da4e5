//! Cursors as texts.

use cadmill_domain::{
    Blob, CadFile, CadFileCursor, CadFileId, CadFileOrder, Clock as _, CursorError, Direction,
    MaterialMaps, SortKey, WorkCursor, cad_file::Revision, fakes::ManualClock,
};

fn file(name: &str) -> CadFile {
    let clock = ManualClock::new();
    CadFile {
        id: CadFileId::generate(&clock),
        name: name.to_owned(),
        source: Blob::of(b"a"),
        step: None,
        materials: MaterialMaps::default(),
        created_at: clock.now(),
        updated_at: clock.now() + chrono::TimeDelta::microseconds(1_234_567),
    }
}

#[test]
fn a_cursor_is_read_back_and_fits_one_order() {
    let orders: Vec<_> = [SortKey::Name, SortKey::CreatedAt, SortKey::UpdatedAt]
        .into_iter()
        .flat_map(|key| {
            [Direction::Ascending, Direction::Descending]
                .map(|direction| CadFileOrder { key, direction })
        })
        .collect();
    for name in ["", "a", "it's \"ü\" 螺丝 \n", &"é".repeat(5_000)] {
        let file = file(name);
        for order in &orders {
            let cursor = CadFileCursor::behind(&file, *order);
            let text = cursor.to_text();
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            assert!(text.bytes().all(is_plain), "{text}");
            for other in &orders {
                let expected = if other == order {
                    Ok(cursor.clone())
                } else {
                    Err(CursorError::OtherOrder)
                };
                assert_eq!(CadFileCursor::parse(&text, *other), expected);
            }
        }
    }
}

#[test]
fn what_is_no_cursor_is_refused() {
    let order = CadFileOrder::default();
    let good = CadFileCursor::behind(&file("a"), order).to_text();
    let mut wrong = vec![
        String::new(),
        "1".to_owned(),
        "1e30".to_owned(),
        "ü".to_owned(),
    ];
    wrong.push(format!("2{}", &good[1..]));
    wrong.push(good[..good.len() - 2].to_owned());
    wrong.push(format!("{good}=="));
    wrong.push(good.replace('e', "!"));
    for text in wrong {
        let read = CadFileCursor::parse(&text, order);
        assert_eq!(read, Err(CursorError::Unreadable), "{text}");
        assert_eq!(
            WorkCursor::parse(&text),
            Err(CursorError::Unreadable),
            "{text}"
        );
    }
    assert_eq!(WorkCursor::parse(&good), Err(CursorError::Unreadable));
}

#[test]
fn a_revision_is_read_back() {
    let revision = file("a").revision();
    assert_eq!(revision.to_string().parse(), Ok(revision));
    assert_eq!(revision, Revision::of(file("a").updated_at));
    for text in ["", "1.5", "x", "99999999999999999999"] {
        assert!(text.parse::<Revision>().is_err(), "{text}");
    }
}
