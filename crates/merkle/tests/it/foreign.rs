//! Foreign bytes: any answer will do, except a panic or a second spelling.

use proptest::prelude::*;
use trailkeeper_merkle::{
    Checkpoint, Hash, MerkleError, RightEdge, SignedNote, SigningKey, TileId, TreeSize,
    VerifierKey, prove_consistency, prove_inclusion, stale_partials, verify_consistency,
    verify_inclusion,
};

/// Numbers of all magnitudes, and those around powers of two.
fn any_number() -> impl Strategy<Value = u64> {
    let near_power = (0..64_u32, 0..3_u64)
        .prop_map(|(bit, more)| (1_u64 << bit).wrapping_add(more).wrapping_sub(1));
    prop_oneof![0..600_u64, near_power, any::<u64>(), Just(u64::MAX)]
}

fn any_proof() -> impl Strategy<Value = Vec<Hash>> {
    prop::collection::vec(any::<[u8; 32]>().prop_map(Hash::from), 0..130)
}

/// Text that is near what the parsers expect.
fn near_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("tile/".to_owned()),
        Just(".p/".to_owned()),
        Just("x001/".to_owned()),
        Just("\u{2014} ".to_owned()),
        Just("\n\n".to_owned()),
        Just("\n".to_owned()),
        Just("PRIVATE+KEY+".to_owned()),
        Just("a+00000000+AQ".to_owned()),
        Just("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned()),
        "[0-9]{1,21}/?",
        "\\PC{0,8}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

fn zeros(tile: TileId) -> Result<Vec<u8>, MerkleError> {
    Ok(vec![0; tile.byte_len()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn text_is_refused_or_has_one_spelling(text in near_text()) {
        if let Ok(tile) = TileId::from_path(&text) {
            prop_assert_eq!(tile.path(), text.as_str());
        }
        if let Ok(hash) = text.parse::<Hash>() {
            prop_assert_eq!(hash.to_string(), text.as_str());
        }
        if let Ok(key) = text.parse::<VerifierKey>() {
            prop_assert_eq!(key.to_string(), text.as_str());
        }
        if let Ok(key) = text.parse::<SigningKey>() {
            prop_assert_eq!(key.to_secret_text(), text.as_str());
        }
        if let Ok(checkpoint) = text.parse::<Checkpoint>() {
            prop_assert_eq!(checkpoint.to_string(), text.as_str());
        }
        let key = SigningKey::from_seed("a", [0; 32]).unwrap().verifier_key();
        prop_assert!(SignedNote::open(text.as_bytes(), &key).is_err());
    }

    #[test]
    fn bytes_are_no_note(bytes: Vec<u8>) {
        let key = SigningKey::from_seed("a", [0; 32]).unwrap().verifier_key();
        prop_assert!(SignedNote::open(&bytes, &key).is_err());
    }

    #[test]
    fn tile_path_comes_back(level in 0..10_u8, index in any_number(), width in 0..300_u16) {
        if let Some(tile) = TileId::new(level, index, width) {
            prop_assert_eq!(TileId::from_path(&tile.path()), Ok(tile));
            prop_assert_eq!(tile.decode(&zeros(tile).unwrap()).unwrap().len(), usize::from(width));
        }
    }

    #[test]
    fn proof_of_any_shape_is_judged(a in any_number(), b in any_number(), proof in any_proof()) {
        let root = Hash::from([7; 32]);
        if let Ok(verdict) = verify_inclusion(&root, a.into(), b.into(), &proof, &root) {
            prop_assert_eq!(verdict.is_verified(), b == 1);
        }
        if let Ok(verdict) = verify_consistency(a.into(), &root, b.into(), &root, &proof) {
            prop_assert_eq!(verdict.is_verified(), a == b && a > 0);
        }
    }

    #[test]
    fn proof_in_a_tree_of_any_size_is_of_the_length_that_is_verified(
        a in any_number(),
        b in any_number(),
    ) {
        let (hash, size) = (Hash::from([7; 32]), TreeSize::new(b));
        match prove_inclusion(a.into(), size, zeros) {
            Ok(proof) => {
                let verdict = verify_inclusion(&hash, a.into(), size, &proof, &hash);
                prop_assert!(verdict.is_ok());
            }
            Err(_) => prop_assert!(a >= b),
        }
        match prove_consistency(a.into(), size, zeros) {
            Ok(proof) => {
                let verdict = verify_consistency(a.into(), &hash, size, &hash, &proof);
                prop_assert!(verdict.is_ok());
            }
            Err(_) => prop_assert!(a > b),
        }
    }

    #[test]
    fn edge_of_any_size_is_loaded_or_refused(a in any_number(), b in any_number()) {
        let (old_size, size) = (TreeSize::new(a), TreeSize::new(b));
        let loaded = RightEdge::load(size, |tile| zeros(tile).ok());
        match loaded {
            Ok(edge) => prop_assert_eq!(edge.size(), size),
            Err(error) => prop_assert_eq!(error, MerkleError::TreeTooLarge { size }),
        }
        for tile in stale_partials(old_size, size) {
            prop_assert!(RightEdge::tiles_needed(old_size).contains(&tile));
            prop_assert!(!RightEdge::tiles_needed(size).contains(&tile));
        }
    }
}
