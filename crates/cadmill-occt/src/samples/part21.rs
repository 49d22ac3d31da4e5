//! Corrects the text of STEP files written by the kernel.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// Corrects errors of the kernel's writer: styles ordered by memory address, an invalid density
/// unit, and raw UTF-8. Returns `None` if the text does not have the expected form.
pub(crate) fn finish(text: &str) -> Option<String> {
    let (head, rest) = text.split_once("DATA;\n")?;
    let (data, tail) = rest.rsplit_once("ENDSEC;")?;
    let mut entities = entities(data)?;
    correct_density(&mut entities)?;
    let mut out = format!("{head}DATA;\n");
    for (id, body) in in_stable_order(&entities) {
        writeln!(out, "#{id} = {body};").ok()?;
    }
    out.push_str("ENDSEC;");
    out.push_str(tail);
    Some(escape(&out))
}

type Entities = BTreeMap<u32, String>;

fn entities(data: &str) -> Option<Entities> {
    statements(data)
        .map(|statement| {
            let (id, body) = statement.split_once('=')?;
            let id = id.trim().strip_prefix('#')?.trim().parse().ok()?;
            Some((id, unwrapped(body.trim())))
        })
        .collect()
}

/// Splits at semicolons outside strings.
fn statements(data: &str) -> impl Iterator<Item = &str> {
    let mut in_string = false;
    data.split_terminator(move |c| {
        in_string ^= c == '\'';
        c == ';' && !in_string
    })
    .filter(|statement| !statement.trim().is_empty())
}

/// Removes the line breaks of the writer, which may be within strings.
fn unwrapped(body: &str) -> String {
    body.lines()
        .enumerate()
        .map(|(i, line)| if i == 0 { line } else { line.trim_start() })
        .collect()
}

/// Replaces the kernel's density unit g³·cm² by kg/m³.
fn correct_density(entities: &mut Entities) -> Option<()> {
    let units: Vec<_> = entities
        .values()
        .filter(|body| body.starts_with("DERIVED_UNIT("))
        .map(|body| references(body))
        .collect();
    for elements in units {
        for element in elements {
            let base = *references(entities.get(&element)?).first()?;
            let mass = entities.get(&base)?.contains("MASS_UNIT");
            let (exponent, unit) = if mass {
                ("1.", "( MASS_UNIT() NAMED_UNIT(*) SI_UNIT(.KILO.,.GRAM.) )")
            } else {
                ("-3.", "( LENGTH_UNIT() NAMED_UNIT(*) SI_UNIT($,.METRE.) )")
            };
            entities.insert(element, format!("DERIVED_UNIT_ELEMENT(#{base},{exponent})"));
            entities.insert(base, unit.to_owned());
        }
    }
    Some(())
}

/// Renumbers the entities so that styles, which come last, have the order of the styled items.
fn in_stable_order(entities: &Entities) -> Vec<(u32, String)> {
    const STYLES: &str = "MECHANICAL_DESIGN_GEOMETRIC_PRESENTATION_REPRESENTATION(";
    let first = entities.iter().find(|(_, body)| body.starts_with(STYLES));
    let first = first.map_or(u32::MAX, |(&id, _)| id);
    let mut roots: Vec<_> = entities
        .iter()
        .filter(|(_, body)| body.starts_with(STYLES))
        .map(|(&id, _)| {
            let reached = reached(entities, id, &mut BTreeSet::new());
            // Styled items keep their numbers, which identify the root of the style.
            let styled: Vec<_> = reached.into_iter().filter(|&id| id < first).collect();
            (styled, id)
        })
        .collect();
    roots.sort_unstable();

    let mut seen = BTreeSet::new();
    let mut order: Vec<u32> = entities.range(..first).map(|(&id, _)| id).collect();
    for (_, root) in roots {
        order.extend(
            reached(entities, root, &mut seen)
                .into_iter()
                .filter(|&id| id >= first),
        );
    }
    let number: BTreeMap<u32, u32> = order.iter().copied().zip(1..).collect();
    order
        .iter()
        .map(|id| (number[id], renumbered(&entities[id], &number)))
        .collect()
}

/// Returns an entity and everything it refers to that was not seen before, in order of reference.
fn reached(entities: &Entities, root: u32, seen: &mut BTreeSet<u32>) -> Vec<u32> {
    let mut found = Vec::new();
    let mut pending = vec![root];
    while let Some(id) = pending.pop() {
        if seen.insert(id) {
            found.push(id);
            pending.extend(references(&entities[&id]).into_iter().rev());
        }
    }
    found
}

fn references(body: &str) -> Vec<u32> {
    let mut found = Vec::new();
    pieces(body, |piece| found.extend(piece.err()));
    found
}

fn renumbered(body: &str, number: &BTreeMap<u32, u32>) -> String {
    let mut out = String::with_capacity(body.len());
    pieces(body, |piece| match piece {
        Ok(text) => out.push_str(text),
        Err(id) => write!(out, "#{}", number[&id]).expect("a string takes all that is written"),
    });
    out
}

/// Splits a body into text and (as errors) entity numbers.
fn pieces(body: &str, mut take: impl FnMut(Result<&str, u32>)) {
    // Every second piece between apostrophes is a string.
    for (i, piece) in body.split('\'').enumerate() {
        if i > 0 {
            take(Ok("'"));
        }
        if i % 2 == 1 {
            take(Ok(piece));
            continue;
        }
        let mut parts = piece.split('#');
        take(Ok(parts.next().unwrap_or_default()));
        for part in parts {
            let digits = part
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(part.len());
            if let Ok(id) = part[..digits].parse() {
                take(Err(id));
            }
            take(Ok(&part[digits..]));
        }
    }
}

/// Encodes non-ASCII text as `\X2\…\X0\` (UTF-16) or `\X4\…\X0\` of Part 21, because files of
/// implementation level 2 must not contain raw UTF-8.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut width = 0;
    for c in text.chars() {
        let wanted = match c {
            _ if c.is_ascii() => 0,
            '\0'..='\u{FFFF}' => 4,
            _ => 8,
        };
        if wanted != width {
            if width != 0 {
                out.push_str(r"\X0\");
            }
            match wanted {
                4 => out.push_str(r"\X2\"),
                8 => out.push_str(r"\X4\"),
                _ => {}
            }
            width = wanted;
        }
        if width == 0 {
            out.push(c);
        } else {
            write!(out, "{:0width$X}", u32::from(c)).expect("a string takes all that is written");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "ISO-10303-21;\nHEADER;\nENDSEC;\nDATA;\n";
    const TAIL: &str = "ENDSEC;\nEND-ISO-10303-21;\n";
    const STYLES: &str = "MECHANICAL_DESIGN_GEOMETRIC_PRESENTATION_REPRESENTATION";

    fn check(data: &str, wanted: &str) {
        let finished = finish(&format!("{HEAD}{data}{TAIL}")).expect("it is as the writer writes");
        assert_eq!(finished, format!("{HEAD}{wanted}{TAIL}"));
    }

    #[test]
    fn the_order_of_styles_follows_what_they_style() {
        let one = format!(
            "#1 = A('#7;');\n#2 = B(#1);\n\
             #3 = {STYLES}('',(#4),#2);\n#4 = S(#5,#2);\n#5 = C('red');\n\
             #6 = {STYLES}('',(#7),#1);\n#7 = S(#5,#1);\n"
        );
        let other = format!(
            "#1 = A('#7;');\n#2 = B(#1);\n\
             #3 = {STYLES}('',(#4),#1);\n#4 = S(#5,#1);\n#5 = C('red');\n\
             #6 = {STYLES}('',(#7),#2);\n#7 = S(#5,#2);\n"
        );
        check(&one, &other);
        check(&other, &other);
    }

    #[test]
    fn density_is_in_kilograms_per_cubic_metre() {
        check(
            "#1 = DERIVED_UNIT((#2,#4));\n#2 = DERIVED_UNIT_ELEMENT(#3,3.);\n\
             #3 = ( MASS_UNIT() NAMED_UNIT(*) SI_UNIT($,.GRAM.) );\n\
             #4 = DERIVED_UNIT_ELEMENT(#5,2.);\n\
             #5 = ( LENGTH_UNIT() NAMED_UNIT(*) SI_UNIT(.CENTI.,.METRE.) );\n",
            "#1 = DERIVED_UNIT((#2,#4));\n#2 = DERIVED_UNIT_ELEMENT(#3,1.);\n\
             #3 = ( MASS_UNIT() NAMED_UNIT(*) SI_UNIT(.KILO.,.GRAM.) );\n\
             #4 = DERIVED_UNIT_ELEMENT(#5,-3.);\n\
             #5 = ( LENGTH_UNIT() NAMED_UNIT(*) SI_UNIT($,.METRE.) );\n",
        );
    }

    #[test]
    fn names_are_escaped() {
        check(
            "#1 = P('ä零件 𝄞');\n",
            "#1 = P('\\X2\\00E496F64EF6\\X0\\ \\X4\\0001D11E\\X0\\');\n",
        );
    }
}
