//! Durations and sizes with their units, as in `90s`, `1h 30m` and `4GiB`.

use std::time::Duration;

/// Units of size, in bytes.
const SIZES: [(&str, f64); 11] = [
    ("B", 1.0),
    ("k", KIB),
    ("KiB", KIB),
    ("kB", 1e3),
    ("M", KIB * KIB),
    ("MiB", KIB * KIB),
    ("MB", 1e6),
    ("G", KIB * KIB * KIB),
    ("GiB", KIB * KIB * KIB),
    ("GB", 1e9),
    ("TiB", KIB * KIB * KIB * KIB),
];
const KIB: f64 = 1024.0;

/// The smallest memory in which a tessellator can start and report an error, in bytes.
const MIN_MEMORY: u64 = 32 << 20;

/// Parses a duration longer than zero, such as `90s`, `1.5h` or `1h 30m`. Case does not matter, so
/// `M` is minutes.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim().to_ascii_lowercase();
    let (number, unit) = split(&text);
    let duration = match number.parse::<f64>() {
        // humantime refuses fractions that are not whole in its smallest unit, such as `1.333h`.
        Ok(number) if unit.chars().all(|c| c.is_ascii_alphabetic()) => {
            let unit = humantime::parse_duration(&format!("1{unit}"));
            let unit = unit.map_err(|error| error.to_string())?;
            Duration::try_from_secs_f64(number * unit.as_secs_f64())
                .map_err(|error| error.to_string())?
        }
        _ => humantime::parse_duration(&text).map_err(|error| error.to_string())?,
    };
    if duration.is_zero() {
        return Err("it must be longer than zero".to_owned());
    }
    Ok(duration)
}

/// Parses a size of at least one byte, such as `512MiB` or `4G` (which is 4 GiB).
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text.trim());
    let known = SIZES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let (Ok(number), Some((_, factor))) = (number.parse::<f64>(), known) else {
        let units = SIZES.map(|(name, _)| name).join(", ");
        return Err(format!("write a number and one of {units}"));
    };
    let bytes = number * factor;
    if !(1.0..=2e18).contains(&bytes) {
        return Err("it must be between 1 byte and 2e18 bytes".to_owned());
    }
    Ok(bytes as u64)
}

/// Parses the memory that a tessellator may use, in bytes.
pub(crate) fn memory(text: &str) -> Result<u64, String> {
    let bytes = bytes(text)?;
    if bytes < MIN_MEMORY {
        return Err("it must be at least 32MiB; below 400MiB most files fail".to_owned());
    }
    Ok(bytes)
}

/// The number at the start of `text`, and the unit after it.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    (number, unit.trim_start())
}

/// Formats a size with three digits, such as `12.3 kB`.
pub(crate) fn format_bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    let decimals = if unit == "B" || value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("10 m"), Ok(Duration::from_mins(10)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_mins(90)));
        for bad in ["", "10", "s", "0s", "-1s", "1e3s", "10 parsecs", "1.2.3s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    /// Values that were accepted before `humantime` parsed the units.
    #[test]
    fn durations_keep_their_meaning() {
        for (text, seconds) in [
            ("250ms", 0.25),
            ("0.5MS", 0.0005),
            ("1S", 1.0),
            ("10M", 600.0),
            ("10 Min", 600.0),
            (".5m", 30.0),
            ("2.h", 7200.0),
            ("1.333h", 4798.8),
            ("0.123456789123s", 0.123_456_789_123),
            (" 30D ", 2_592_000.0),
        ] {
            let expected = Duration::from_secs_f64(seconds);
            let difference = duration(text).unwrap().abs_diff(expected);
            assert!(difference <= Duration::from_nanos(1), "{text}");
        }
    }

    #[test]
    fn durations_may_have_several_terms() {
        assert_eq!(duration("1h 30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("2h30min"), Ok(Duration::from_mins(150)));
        assert_eq!(duration("1 week"), Ok(Duration::from_hours(168)));
    }

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(bytes("4GiB"), Ok(4 << 30));
        assert_eq!(bytes("4g"), Ok(4 << 30));
        assert_eq!(bytes("1.5 MB"), Ok(1_500_000));
        for bad in ["", "4", "0B", "4 GiBs", "99999999999GiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_formatted_with_three_digits() {
        let sizes = [0, 999, 1_000, 9_994, 12_345, 999_499, 1_234_567].map(format_bytes);
        let expected = [
            "0 B", "999 B", "1.00 kB", "9.99 kB", "12.3 kB", "999 kB", "1.23 MB",
        ];
        assert_eq!(sizes, expected);
    }
}
