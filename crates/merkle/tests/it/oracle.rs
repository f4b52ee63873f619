//! Agreement with `tlog_tiles`, a port of Go's `sumdb/tlog`.

use std::collections::BTreeMap;

use tlog_tiles::{Tile, TileHashReader, TileReader};
use trailkeeper_merkle::{
    Checkpoint, Hash, LeafIndex, RightEdge, TileId, TreeSize, Verdict, hash_leaf,
    prove_consistency, prove_inclusion, root_of, verify_consistency, verify_inclusion,
};

use crate::naive::{leaves, number};

/// Our tiles, as the other implementation reads them; it checks each against the
/// root.
struct Folder(BTreeMap<TileId, Vec<u8>>);

impl Folder {
    fn read(&self, tile: TileId) -> Result<Vec<u8>, trailkeeper_merkle::MerkleError> {
        Ok(self.0[&tile].clone())
    }
}

impl TileReader for Folder {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &Tile| self.0.get(&ours(tile)).cloned();
        tiles.iter().map(read).collect::<Option<_>>().ok_or(tlog_tiles::Error::InvalidTile)
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn ours(tile: &Tile) -> TileId {
    let width = u16::try_from(tile.width()).unwrap();
    TileId::new(tile.level(), tile.level_index(), width).unwrap()
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash.into())
}

fn all_theirs(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().copied().map(theirs).collect()
}

#[test]
fn leaves_and_tile_names_are_theirs() {
    assert_eq!(theirs(hash_leaf(b"core")), tlog_tiles::record_hash(b"core"));
    let leaves = leaves(70_000);
    for (old, new) in
        [(0, 1), (0, 70_000), (255, 256), (256, 300), (1_000, 1_001), (65_000, 70_000)]
    {
        let mut edge = RightEdge::empty();
        let _ = edge.append(&leaves[..old]);
        let tiles: Vec<_> = edge.append(&leaves[old..new]).into_iter().map(|tile| tile.0).collect();
        let expected = Tile::new_tiles(8, number(old), number(new));
        assert_eq!(tiles, expected.iter().map(ours).collect::<Vec<_>>());
        for (tile, expected) in tiles.iter().zip(&expected) {
            // Go's paths name the height, C2SP's do not.
            assert_eq!(tile.path().replacen("tile/", "tile/8/", 1), expected.path());
        }
    }
}

#[test]
fn proofs_are_theirs_and_each_accepts_the_others() {
    for size in [1, 2, 3, 255, 256, 257, 511, 1_000, 65_537, 70_000] {
        let leaves = leaves(size);
        let mut edge = RightEdge::empty();
        let folder = Folder(edge.append(&leaves).into_iter().collect());
        let (root, count) = (edge.root(), number(size));
        let reader = TileHashReader::new(count, theirs(root), &folder);
        for index in [0, size / 3, size / 2, size - 1] {
            let (place, leaf) = (LeafIndex::new(number(index)), leaves[index]);
            let proof = prove_inclusion(place, edge.size(), |tile| folder.read(tile)).unwrap();
            let expected = tlog_tiles::prove_record(count, place.get(), &reader).unwrap();
            assert_eq!(all_theirs(&proof), expected);
            tlog_tiles::check_record(&expected, count, theirs(root), place.get(), theirs(leaf))
                .unwrap();
            let verdict = verify_inclusion(&leaf, place, edge.size(), &proof, &root);
            assert_eq!(verdict, Ok(Verdict::Verified));

            let old_size = TreeSize::new(number(index + 1));
            let old_root = root_of(&leaves[..=index]);
            let read = |tile| folder.read(tile);
            let proof = prove_consistency(old_size, edge.size(), read).unwrap();
            let expected = tlog_tiles::prove_tree(count, old_size.get(), &reader).unwrap();
            assert_eq!(all_theirs(&proof), expected);
            tlog_tiles::check_tree(
                &expected,
                count,
                theirs(root),
                old_size.get(),
                theirs(old_root),
            )
            .unwrap();
            let verdict = verify_consistency(old_size, &old_root, edge.size(), &root, &proof);
            assert_eq!(verdict, Ok(Verdict::Verified));
        }
    }
}

#[test]
fn checkpoints_are_theirs() {
    let root = hash_leaf(b"root");
    let ours = Checkpoint::new("example.org/a", 42.into(), root, vec!["more".into()]).unwrap();
    let theirs = tlog_tiles::Checkpoint::new("example.org/a", 42, theirs(root), "more\n").unwrap();
    assert_eq!(ours.to_string().as_bytes(), theirs.to_bytes());
}
