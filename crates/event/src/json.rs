//! Canonical JSON scalars (RFC 8785).
//!
//! Objects are written by their owners, who sort the keys with
//! [`compare_utf16`].

use std::cmp::Ordering;

/// The order of object keys in RFC 8785: by UTF-16 code units.
///
/// It differs from the order of the bytes only where one key has a character
/// above U+FFFF and the other one from U+E000 to U+FFFF.
#[must_use]
pub fn compare_utf16(left: &str, right: &str) -> Ordering {
    left.encode_utf16().cmp(right.encode_utf16())
}

/// Appends `text` as a JSON string in canonical form.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[start..index]);
        start = index + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

/// Appends an integer: a number up to 2^53-1 in absolute value, else a string.
pub fn write_json_i64(out: &mut Vec<u8>, value: i64) {
    const MAX_SAFE: u64 = (1 << 53) - 1;
    let is_exact = value.unsigned_abs() <= MAX_SAFE;
    if !is_exact {
        out.push(b'"');
    }
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
    if !is_exact {
        out.push(b'"');
    }
}

/// Appends a float: in ECMAScript's shortest form, or as a string if not finite.
pub fn write_json_f64(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    } else {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{compare_utf16, write_json_f64, write_json_i64, write_json_string};

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_rfc_8785_says() {
        let text = "\u{20ac}$\u{f}\u{0}\nA'B\"\\\\\"/\u{8}\t\r\u{c}";
        assert_eq!(
            written(|out| write_json_string(out, text)),
            "\"\u{20ac}$\\u000f\\u0000\\nA'B\\\"\\\\\\\\\\\"/\\b\\t\\r\\f\""
        );
    }

    #[test]
    fn numbers_are_written_as_rfc_8785_says() {
        for (value, text) in [
            (333_333_333.333_333_3, "333333333.3333333"),
            (1e30, "1e+30"),
            (4.50, "4.5"),
            (2e-3, "0.002"),
            (1e-27, "1e-27"),
            (-0.0, "0"),
            (f64::NAN, "\"NaN\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(written(|out| write_json_f64(out, value)), text);
        }
        for (value, text) in [
            (0, "0"),
            (-42, "-42"),
            (9_007_199_254_740_991, "9007199254740991"),
            (9_007_199_254_740_992, "\"9007199254740992\""),
            (i64::MIN, "\"-9223372036854775808\""),
        ] {
            assert_eq!(written(|out| write_json_i64(out, value)), text);
        }
    }

    #[test]
    fn keys_are_ordered_by_utf16_units() {
        assert_eq!(compare_utf16("\u{1f600}", "\u{fb33}"), Ordering::Less);
        assert_eq!(compare_utf16("a", "b"), Ordering::Less);
        assert_eq!(compare_utf16("a", "aa"), Ordering::Less);
    }
}
