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
    /// The first byte of U+E000, above which the order of bytes is another one.
    const PRIVATE: u8 = 0xEE;
    let pairs = left.bytes().zip(right.bytes());
    match pairs.into_iter().find(|(one, other)| one != other) {
        None => left.len().cmp(&right.len()),
        Some((one, other)) if one < PRIVATE && other < PRIVATE => one.cmp(&other),
        Some(_) => left.encode_utf16().cmp(right.encode_utf16()),
    }
}

/// Appends `text` as a JSON string in canonical form.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + 2);
    out.push(b'"');
    loop {
        let (plain, special) = rest.split_at(plain_len(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else { break };
        write_escaped(out, byte);
        rest = after;
    }
    out.push(b'"');
}

/// How many bytes from the first on stand for themselves.
fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // The high bit of each byte that is zero; above the first one it may be set in others too.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let is_plain = |word: u64| {
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let quotes = zeros(word ^ (ONES * u64::from(b'"')));
        let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
        controls | quotes | backslashes == 0
    };
    let (words, _) = bytes.as_chunks();
    let skipped = 8 * words.iter().take_while(|word| is_plain(u64::from_le_bytes(**word))).count();
    let is_special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    let tail = bytes.get(skipped..).unwrap_or_default();
    skipped + tail.iter().position(is_special).unwrap_or(tail.len())
}

fn write_escaped(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend([b'\\', short]);
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
    fn each_character_is_escaped_at_each_place_or_at_none() {
        for character in (0..0x100).filter_map(char::from_u32) {
            let alone = written(|out| write_json_string(out, &character.to_string()));
            let alone = alone.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
            let alone = if character == '"' { "\\\"" } else { alone };
            for place in 0..20 {
                let (before, after) = ("x".repeat(place), "\u{e9}".repeat(19 - place));
                assert_eq!(
                    written(|out| write_json_string(out, &format!("{before}{character}{after}"))),
                    format!("\"{before}{alone}{after}\"")
                );
            }
        }
        let escaped = written(|out| write_json_string(out, "\u{1f}\u{20}\u{7f}\u{80}\u{ff}"));
        assert_eq!(escaped, "\"\\u001f\u{20}\u{7f}\u{80}\u{ff}\"");
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
