//! Times and sizes as people write them: `90s`, `10m`, `4GiB`.

use std::time::Duration;

/// Units of time, in seconds.
const TIMES: [(&str, f64); 6] = [
    ("ms", 0.001),
    ("s", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("h", 3600.0),
    ("d", 86400.0),
];

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

/// A time such as `90s`, `10m`, `1.5h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = quantity(text, &TIMES)?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() {
        return Err("it must be longer than nothing".to_owned());
    }
    Ok(duration)
}

/// A size such as `512MiB` or `4G` (which is 4 GiB).
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let bytes = quantity(text, &SIZES)?;
    if !(1.0..=2e18).contains(&bytes) {
        return Err("it must be at least one byte, and no more than there can be".to_owned());
    }
    Ok(bytes as u64)
}

/// The least memory that a tessellator can start and say what is wrong in, in bytes.
const MIN_MEMORY: u64 = 32 << 20;

/// How much memory a tessellator may use.
pub(crate) fn memory(text: &str) -> Result<u64, String> {
    let bytes = bytes(text)?;
    if bytes < MIN_MEMORY {
        return Err("it must be at least 32MiB; below 400MiB most files fail".to_owned());
    }
    Ok(bytes)
}

fn quantity(text: &str, units: &[(&str, f64)]) -> Result<f64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit = unit.trim_start();
    let known = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit));
    if let (Ok(number), Some((_, factor))) = (number.parse::<f64>(), known) {
        return Ok(number * factor);
    }
    let names: Vec<_> = units.iter().map(|(name, _)| *name).collect();
    Err(format!("write a number and one of {}", names.join(", ")))
}

/// A size in words, to three digits.
pub(crate) fn in_words(bytes: u64) -> String {
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
    fn times_are_read_with_their_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("10 m"), Ok(Duration::from_mins(10)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_mins(90)));
        for bad in ["", "10", "s", "0s", "-1s", "1e3s", "10 parsecs", "1.2.3s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(bytes("4GiB"), Ok(4 << 30));
        assert_eq!(bytes("4g"), Ok(4 << 30));
        assert_eq!(bytes("1.5 MB"), Ok(1_500_000));
        for bad in ["", "4", "0B", "4 GiBs", "99999999999GiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_told_to_three_digits() {
        let told = [0, 999, 1_000, 9_994, 12_345, 999_499, 1_234_567].map(in_words);
        let expected = [
            "0 B", "999 B", "1.00 kB", "9.99 kB", "12.3 kB", "999 kB", "1.23 MB",
        ];
        assert_eq!(told, expected);
    }
}
