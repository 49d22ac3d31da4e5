//! Length units: SI units with a prefix, and units defined by conversion, such as the inch.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::{
    InstanceId,
    record::{Token, parameters, real, reference, references, text},
};

/// The maximum number of conversions between a unit and its SI unit.
const MAX_CHAIN: usize = 16;
/// The maximum number of distinct units compared, which bounds the time for hostile files.
const MAX_UNITS: usize = 64;

/// A length unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LengthUnit {
    /// The name in lower case, such as `millimetre` or `inch`. Units other than SI are named as in
    /// the file.
    pub name: String,
    /// The size of the unit in metres.
    pub metres: f64,
}

/// Collects units until they can be resolved.
#[derive(Debug, Default)]
pub(crate) struct UnitReader {
    units: HashMap<InstanceId, Unit>,
    /// Measure → its value and unit.
    measures: HashMap<InstanceId, (f64, InstanceId)>,
    /// The number of contexts that assign each unit. Ties are resolved by file order.
    assigned: BTreeMap<InstanceId, Assigned>,
    /// The first length unit of the file, used if no context assigns one.
    first: Option<InstanceId>,
}

#[derive(Debug)]
enum Unit {
    Si { name: String, exponent: i32 },
    Converted { name: String, by: InstanceId },
}

#[derive(Debug, Clone, Copy)]
struct Assigned {
    contexts: u64,
    order: usize,
}

impl UnitReader {
    pub(crate) fn measure(&mut self, id: InstanceId, tokens: &[Token<'_>]) {
        let parameters = parameters(tokens);
        if let (Some(value), Some(unit)) = (real(parameters.first()), reference(parameters.get(1)))
        {
            self.measures.insert(id, (value, unit));
        }
    }

    /// Reads a complex instance, which may be a unit, a measure or a context that assigns units.
    pub(crate) fn complex(&mut self, id: InstanceId, entities: &[(Vec<u8>, &[Token<'_>])]) {
        let find = |keyword: &[u8]| {
            let found = entities.iter().find(|(name, _)| name == keyword);
            found.map(|(_, tokens)| parameters(tokens))
        };
        if let Some(parameters) = find(b"GLOBAL_UNIT_ASSIGNED_CONTEXT") {
            for unit in references(parameters.first()) {
                let order = self.assigned.len();
                let assigned = self
                    .assigned
                    .entry(unit)
                    .or_insert(Assigned { contexts: 0, order });
                assigned.contexts += 1;
            }
        }
        if let Some(parameters) = find(b"MEASURE_WITH_UNIT") {
            let parts = (real(parameters.first()), reference(parameters.get(1)));
            if let (Some(value), Some(unit)) = parts {
                self.measures.insert(id, (value, unit));
            }
        }
        if find(b"LENGTH_UNIT").is_none() {
            return;
        }
        let unit = if let Some(parameters) = find(b"SI_UNIT") {
            si_unit(&parameters)
        } else {
            find(b"CONVERSION_BASED_UNIT").and_then(|parameters| {
                let by = reference(parameters.get(1))?;
                let name = text(parameters.first()).trim().to_lowercase();
                Some(Unit::Converted { name, by })
            })
        };
        if let Some(unit) = unit {
            self.units.insert(id, unit);
            self.first.get_or_insert(id);
        }
    }

    /// Returns the unit that most contexts assign, and whether contexts assign different units.
    pub(crate) fn resolve(&self) -> (Option<LengthUnit>, bool) {
        let mut found: Vec<(LengthUnit, u64)> = Vec::new();
        let mut assigned: Vec<_> = self.assigned.iter().collect();
        assigned.sort_by_key(|(_, assigned)| assigned.order);
        for (&id, assigned) in assigned {
            let Some(unit) = self.length_unit(id) else {
                continue;
            };
            let known = found
                .iter_mut()
                .find(|(known, _)| known.metres == unit.metres);
            if let Some((_, contexts)) = known {
                *contexts += assigned.contexts;
            } else if found.len() < MAX_UNITS {
                found.push((unit, assigned.contexts));
            }
        }
        let mixed = found.len() > 1;
        let max = found.iter().map(|(_, contexts)| *contexts).max();
        let usual = found
            .into_iter()
            .find(|(_, contexts)| Some(*contexts) == max);
        let unit = usual.map(|(unit, _)| unit);
        (unit.or_else(|| self.length_unit(self.first?)), mixed)
    }

    fn length_unit(&self, id: InstanceId) -> Option<LengthUnit> {
        let mut factor = 1.0;
        let mut name = None;
        let mut id = id;
        for _ in 0..MAX_CHAIN {
            match self.units.get(&id)? {
                Unit::Si { name: si, exponent } => {
                    // Dividing instead of multiplying by 0.001 makes 25.4 mm exactly the f64
                    // 0.0254.
                    let metres = if *exponent < 0 {
                        factor / 10_f64.powi(-exponent)
                    } else {
                        factor * 10_f64.powi(*exponent)
                    };
                    let name = name.unwrap_or_else(|| si.clone());
                    let usable = metres.is_finite() && metres > 0.0;
                    return usable.then_some(LengthUnit { name, metres });
                }
                Unit::Converted { name: own, by } => {
                    name.get_or_insert_with(|| own.clone());
                    let (value, unit) = self.measures.get(by)?;
                    factor *= value;
                    id = *unit;
                }
            }
        }
        None
    }
}

/// Parses `SI_UNIT(.MILLI.,.METRE.)` or `SI_UNIT($,.METRE.)`.
fn si_unit(parameters: &[&[Token<'_>]]) -> Option<Unit> {
    let word = |index: usize| match parameters.get(index)? {
        [Token::Enumeration(word)] => Some(word.to_ascii_uppercase()),
        _ => None,
    };
    if word(1)? != b"METRE" {
        return None;
    }
    let (prefix, exponent) = match word(0).as_deref() {
        None => ("", 0),
        Some(b"EXA") => ("exa", 18),
        Some(b"PETA") => ("peta", 15),
        Some(b"TERA") => ("tera", 12),
        Some(b"GIGA") => ("giga", 9),
        Some(b"MEGA") => ("mega", 6),
        Some(b"KILO") => ("kilo", 3),
        Some(b"HECTO") => ("hecto", 2),
        Some(b"DECA") => ("deca", 1),
        Some(b"DECI") => ("deci", -1),
        Some(b"CENTI") => ("centi", -2),
        Some(b"MILLI") => ("milli", -3),
        Some(b"MICRO") => ("micro", -6),
        Some(b"NANO") => ("nano", -9),
        Some(b"PICO") => ("pico", -12),
        Some(b"FEMTO") => ("femto", -15),
        Some(b"ATTO") => ("atto", -18),
        Some(_) => return None,
    };
    let name = format!("{prefix}metre");
    Some(Unit::Si { name, exponent })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{partial_entities, tokens};

    const MILLIMETRE: &str = "LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT(.MILLI.,.METRE.)";
    const RADIAN: &str = "NAMED_UNIT(*)PLANE_ANGLE_UNIT()SI_UNIT($,.RADIAN.)";
    const INCH: &str = "CONVERSION_BASED_UNIT('INCH',#3)LENGTH_UNIT()NAMED_UNIT(#9)";

    /// Checks the unit resolved from these instances: complex instances without their outer
    /// parentheses, and measures.
    #[track_caller]
    fn check(instances: &[(u64, &str)], expected: Option<(&str, f64)>, mixed: bool) {
        let mut reader = UnitReader::default();
        for (id, text) in instances {
            let open = text.find('(').unwrap();
            let (first, rest) = text.split_at(open);
            let tokens = tokens(rest.as_bytes());
            if first == "LENGTH_MEASURE_WITH_UNIT" {
                reader.measure(InstanceId(*id), &tokens);
            } else {
                let entities = partial_entities(first.as_bytes(), &tokens);
                reader.complex(InstanceId(*id), &entities);
            }
        }
        let expected = expected.map(|(name, metres)| LengthUnit {
            name: name.to_owned(),
            metres,
        });
        assert_eq!(reader.resolve(), (expected, mixed));
    }

    #[test]
    fn the_most_frequently_assigned_unit_is_used() {
        let inch = (3, "LENGTH_MEASURE_WITH_UNIT(LENGTH_MEASURE(25.4),#1)");
        let context = "GEOMETRIC_REPRESENTATION_CONTEXT(3)GLOBAL_UNIT_ASSIGNED_CONTEXT((#8,#2))";
        let other = "GLOBAL_UNIT_ASSIGNED_CONTEXT((#1))";
        check(
            &[(1, MILLIMETRE), (2, INCH), inch, (8, RADIAN), (10, context)],
            Some(("inch", 0.0254)),
            false,
        );
        check(
            &[
                (1, MILLIMETRE),
                (2, INCH),
                inch,
                (10, context),
                (11, other),
                (12, other),
            ],
            Some(("millimetre", 0.001)),
            true,
        );
    }

    #[test]
    fn without_a_context_the_first_unit_is_used() {
        check(&[(1, MILLIMETRE)], Some(("millimetre", 0.001)), false);
        check(
            &[(1, "LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT($,.METRE.)")],
            Some(("metre", 1.0)),
            false,
        );
        check(&[(8, RADIAN)], None, false);
    }

    #[test]
    fn circular_and_zero_units_are_ignored() {
        let loop_back = (3, "LENGTH_MEASURE_WITH_UNIT(LENGTH_MEASURE(25.4),#2)");
        check(&[(2, INCH), loop_back], None, false);
        let nothing = (3, "LENGTH_MEASURE_WITH_UNIT(LENGTH_MEASURE(0.),#1)");
        check(
            &[
                (1, MILLIMETRE),
                (2, INCH),
                nothing,
                (4, "GLOBAL_UNIT_ASSIGNED_CONTEXT((#2))"),
            ],
            Some(("millimetre", 0.001)),
            false,
        );
    }
}
