//! Numbers, times and values as people read them.

use anyhow::Context as _;
use serde_json::Value;
use trailkeeper_engine::Micros;

/// A time as `2026-11-23 09:02:11.120 UTC`; `-` if there is none.
pub(crate) fn time_of(time: Option<Micros>) -> String {
    let Some(Micros(micros)) = time else { return "-".to_owned() };
    let seconds = micros.div_euclid(1_000_000);
    let millis = micros.rem_euclid(1_000_000) / 1000;
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03} UTC")
}

/// Reads `2026-11-23`, or `2026-11-23T09:00:00` with an optional fraction and an optional `Z`: a time in UTC.
pub(crate) fn parse_time(text: &str) -> anyhow::Result<Micros> {
    read_time(text).with_context(|| {
        format!("{text:?} is not a time; write 2026-11-23 or 2026-11-23T09:00:00Z, in UTC")
    })
}

fn read_time(text: &str) -> Option<Micros> {
    let text = text.trim().strip_suffix('Z').unwrap_or(text.trim());
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let mut parts = date.splitn(3, '-');
    let mut number = |low: i64, high: i64| {
        parts.next()?.parse().ok().filter(|value: &i64| (low..=high).contains(value))
    };
    let (year, month, day) = (number(1970, 9999)?, number(1, 12)?, number(1, 31)?);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = clock.splitn(3, ':');
    let mut number = |high: i64| {
        parts.next().unwrap_or("0").parse().ok().filter(|value: &i64| (0..=high).contains(value))
    };
    let (hour, minute, second) = (number(23)?, number(59)?, number(59)?);
    let digits = format!("{fraction:0<6}");
    let micros: i64 = digits.get(..6)?.parse().ok()?;
    let days = days_of(year, month, day);
    (civil(days) == (year, month, day)).then_some(())?;
    Some(Micros(((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + micros))
}

/// The day counted from 1970-01-01 (Howard Hinnant, `days_from_civil`).
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of a day counted from 1970-01-01 (Howard Hinnant, `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A JSON value without the quotes of a text.
pub(crate) fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// At most `width` characters of `text`, on one line, with an ellipsis where it was cut.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    let line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(width + 1).collect();
    if line.chars().count() <= width {
        return line;
    }
    let kept: String = line.chars().take(width.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

/// A count with thin groups: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size: `12.3 MB`.
#[allow(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trailkeeper_engine::Micros;

    use super::{bytes, count, parse_time, shorten, time_of, value_text};

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(time_of(Some(Micros(0))), "1970-01-01 00:00:00.000 UTC");
        assert_eq!(time_of(Some(Micros(951_826_211_120_999))), "2000-02-29 12:10:11.120 UTC");
        assert_eq!(time_of(Some(Micros(-1))), "1969-12-31 23:59:59.999 UTC");
        assert_eq!(time_of(None), "-");
    }

    #[test]
    fn times_are_read_in_utc() {
        for (text, micros) in [
            ("1970-01-02", 86_400_000_000),
            ("2000-02-29T12:10:11.120999Z", 951_826_211_120_999),
            ("2000-02-29 12:10", 951_826_200_000_000),
        ] {
            assert_eq!(parse_time(text).unwrap(), Micros(micros), "{text}");
        }
        for text in ["", "today", "2026-02-30", "2026-13-01", "2026-01-01T25:00:00", "-1-1-1"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(12_345_678), "12.3 MB");
    }

    #[test]
    fn values_stay_on_one_line() {
        assert_eq!(shorten("a\nb", 10), "a b");
        assert_eq!(shorten("abcdefgh", 8), "abcdefgh");
        assert_eq!(shorten("abcdefghi", 8), "abcde...");
        assert_eq!(value_text(&json!("")), "(empty)");
        assert_eq!(value_text(&json!(null)), "(none)");
        assert_eq!(value_text(&json!([1, "a"])), "[1,\"a\"]");
    }
}
