//! Two messages in turns, with the SHA instructions of x86-64.
//!
//! The algorithm is that of FIPS 180-4, section 6.2.2, in the layout that the instructions ask for.
//! The tests of [`Messages`](super::Messages) compare it with `sha2`.
#![allow(unsafe_code, reason = "one call, of functions for which the processor was asked")]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
    _mm_shuffle_epi32,
};

use super::Padded;
use crate::hash::{BLOCK, INITIAL, digest_of};

/// The constants of the rounds, four by four.
const ROUNDS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

/// Hashes the messages, if this processor has the instructions; tells whether it did.
pub(super) fn digest(messages: Padded<'_>, digests: &mut [[u8; 32]]) -> bool {
    let is_able = is_x86_feature_detected!("sha")
        && is_x86_feature_detected!("ssse3")
        && is_x86_feature_detected!("sse4.1");
    if is_able {
        // SAFETY: the processor has each feature that the function is compiled for.
        unsafe { digest_in_lanes(messages, digests) };
    }
    is_able
}

/// The words of the state, as the instructions take them: a, b, e, f and c, d, g, h, the first one
/// in the highest place.
type State = [__m128i; 2];

/// A message that is being hashed.
struct Lane<'a> {
    digest: &'a mut [u8; 32],
    state: State,
    rest: &'a [[u8; BLOCK]],
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn digest_in_lanes<'a>(messages: Padded<'a>, digests: &'a mut [[u8; 32]]) {
    let initial = state_of(INITIAL);
    let mut lanes =
        messages.iter().zip(digests).map(|(rest, digest)| Lane { digest, state: initial, rest });
    let (mut left, mut right) = (lanes.next(), lanes.next());
    while let (Some(one), Some(other)) = (&mut left, &mut right) {
        let shared = one.rest.len().min(other.rest.len());
        let (one_now, one_rest) = one.rest.split_at(shared);
        let (other_now, other_rest) = other.rest.split_at(shared);
        [one.state, other.state] = compress([one.state, other.state], [one_now, other_now]);
        (one.rest, other.rest) = (one_rest, other_rest);
        if one.rest.is_empty() {
            *one.digest = digest_of(words_of(one.state));
            left = lanes.next();
        }
        if other.rest.is_empty() {
            *other.digest = digest_of(words_of(other.state));
            right = lanes.next();
        }
    }
    for lane in [left, right].into_iter().flatten() {
        let [state] = compress([lane.state], [lane.rest]);
        *lane.digest = digest_of(words_of(state));
    }
}

/// The states behind the blocks of `L` messages, as many of each.
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn compress<const L: usize>(mut states: [State; L], messages: [&[[u8; BLOCK]]; L]) -> [State; L] {
    let count = messages.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    for index in 0..count {
        let before = states;
        let mut w = [before.map(|[word, _]| word); 4];
        for (part, w) in w.iter_mut().enumerate() {
            for (w, blocks) in w.iter_mut().zip(messages) {
                *w = words_at(&blocks[index], part);
            }
        }
        let (extended, last) = ROUNDS.split_at(12);
        for [k0, k1, k2, k3] in extended.as_chunks().0 {
            four_rounds(&mut states, w[0], *k0);
            w[0] = extend(w);
            four_rounds(&mut states, w[1], *k1);
            w[1] = extend([w[1], w[2], w[3], w[0]]);
            four_rounds(&mut states, w[2], *k2);
            w[2] = extend([w[2], w[3], w[0], w[1]]);
            four_rounds(&mut states, w[3], *k3);
            w[3] = extend([w[3], w[0], w[1], w[2]]);
        }
        for (w, k) in w.iter().zip(last) {
            four_rounds(&mut states, *w, *k);
        }
        for (state, before) in states.iter_mut().zip(before) {
            *state = [_mm_add_epi32(state[0], before[0]), _mm_add_epi32(state[1], before[1])];
        }
    }
    states
}

/// Four rounds of each message with the words `w` of its schedule.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn four_rounds<const L: usize>(states: &mut [State; L], w: [__m128i; L], k: [u32; 4]) {
    let k = vector([k[3], k[2], k[1], k[0]]);
    for ([abef, cdgh], w) in states.iter_mut().zip(w) {
        let sum = _mm_add_epi32(w, k);
        *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, sum);
        *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32::<0b00_00_11_10>(sum));
    }
}

/// The four words of each schedule behind these sixteen.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn extend<const L: usize>(w: [[__m128i; L]; 4]) -> [__m128i; L] {
    let [w0, w1, w2, w3] = w;
    let mut next = w0;
    for lane in 0..L {
        let sigma = _mm_sha256msg1_epu32(w0[lane], w1[lane]);
        let sum = _mm_add_epi32(sigma, _mm_alignr_epi8::<4>(w3[lane], w2[lane]));
        next[lane] = _mm_sha256msg2_epu32(sum, w3[lane]);
    }
    next
}

/// Four words of a block, the first one in the lowest place.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn words_at(block: &[u8; BLOCK], part: usize) -> __m128i {
    let halves = block.as_chunks().0;
    let (low, high) = (halves[2 * part], halves[2 * part + 1]);
    let big_endian = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm_shuffle_epi8(_mm_set_epi64x(i64::from_le_bytes(high), i64::from_le_bytes(low)), big_endian)
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn state_of([a, b, c, d, e, f, g, h]: [u32; 8]) -> State {
    [vector([a, b, e, f]), vector([c, d, g, h])]
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn words_of([abef, cdgh]: State) -> [u32; 8] {
    let [a, b, e, f] = words(abef);
    let [c, d, g, h] = words(cdgh);
    [a, b, c, d, e, f, g, h]
}

/// The words as a vector, the first one in the highest place.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn vector(words: [u32; 4]) -> __m128i {
    let [a, b, c, d] = words.map(u32::cast_signed);
    _mm_set_epi32(a, b, c, d)
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn words(vector: __m128i) -> [u32; 4] {
    [
        _mm_extract_epi32::<3>(vector),
        _mm_extract_epi32::<2>(vector),
        _mm_extract_epi32::<1>(vector),
        _mm_extract_epi32::<0>(vector),
    ]
    .map(i32::cast_unsigned)
}
