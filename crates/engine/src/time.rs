//! Times as text.

use trailkeeper_event::Micros;

/// RFC 3339 in UTC with six fractional digits: `2026-11-23T08:09:10.123456Z`.
#[must_use]
pub fn rfc3339(at: Micros) -> String {
    arrow::temporal_conversions::timestamp_us_to_datetime(at.0)
        .map_or_else(|| at.0.to_string(), |time| time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

#[cfg(test)]
mod tests {
    use trailkeeper_event::Micros;

    use super::rfc3339;

    #[test]
    fn a_time_is_utc_with_six_digits() {
        assert_eq!(rfc3339(Micros(1_794_700_800_000_001)), "2026-11-15T00:00:00.000001Z");
        assert_eq!(rfc3339(Micros(-1)), "1969-12-31T23:59:59.999999Z");
    }
}
