//! Appending, against the tree over all leaves.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trailkeeper_merkle::{
    EMPTY_ROOT, MerkleError, RightEdge, RootBuilder, TileId, TreeSize, root_of, stale_partials,
};

use crate::naive::{NaiveTree, leaves, number};

/// Appends in steps, keeps the folder of tiles as a writer would, and checks
/// after each step that it is that of the naive tree, and nothing else.
fn append_in_steps(steps: &[usize]) {
    let leaves = leaves(steps.iter().sum());
    let naive = NaiveTree::new(leaves.clone());
    let mut edge = RightEdge::empty();
    let mut folder = BTreeMap::new();
    let mut size = 0;
    for step in steps {
        let tiles = edge.append(&leaves[size..size + step]);
        let (old_size, before) = (TreeSize::new(number(size)), naive.tiles(size));
        size += step;
        let (new_size, after) = (TreeSize::new(number(size)), naive.tiles(size));

        assert_eq!(edge.size(), new_size);
        assert_eq!(edge.root(), naive.root(size), "root at {size}");
        let fresh: Vec<_> =
            after.clone().into_iter().filter(|t| !before.contains_key(&t.0)).collect();
        assert_eq!(tiles, fresh, "tiles that are new from {old_size} to {new_size}");

        folder.extend(tiles);
        for tile in stale_partials(old_size, new_size) {
            assert!(folder.remove(&tile).is_some(), "{tile} was in the folder");
        }
        assert_eq!(folder, after, "folder at {size}");

        let needed: Vec<_> = after.keys().copied().filter(|tile| tile.width() < 256).collect();
        assert_eq!(RightEdge::tiles_needed(new_size), needed);
        assert_eq!(RightEdge::load(new_size, |tile| folder.get(&tile).cloned()), Ok(edge.clone()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn appending_in_chunks_gives_the_tiles_of_the_naive_tree(
        steps in prop::collection::vec(prop_oneof![0..4_usize, 200..600_usize], 1..9)
    ) {
        append_in_steps(&steps);
    }
}

#[test]
fn appending_over_the_borders_of_tiles_gives_the_tiles_of_the_naive_tree() {
    append_in_steps(&[255, 1, 0, 1, 255, 512, 1, 1, 254]);
    append_in_steps(&[65_535, 1, 1, 4_463]);
}

#[test]
fn edge_that_was_loaded_grows_as_the_one_that_was_kept() {
    let leaves = leaves(3_000);
    let mut kept = RightEdge::empty();
    let mut folder: BTreeMap<_, _> = kept.append(&leaves[..1_111]).into_iter().collect();
    let mut loaded = RightEdge::load(TreeSize::new(1_111), |tile| folder.remove(&tile)).unwrap();
    assert_eq!(loaded.append(&leaves[1_111..]), kept.append(&leaves[1_111..]));
    assert_eq!(loaded.root(), root_of(&leaves));
}

#[test]
fn root_of_a_stream_is_that_of_the_naive_tree() {
    assert_eq!(RightEdge::empty().root(), EMPTY_ROOT);
    let leaves = leaves(1_100);
    let naive = NaiveTree::new(leaves.clone());
    for size in 0..=leaves.len() {
        let builder: RootBuilder = leaves[..size].iter().copied().collect();
        assert_eq!(builder.size(), TreeSize::new(number(size)));
        assert_eq!(builder.finish(), naive.root(size), "{size}");
    }
}

#[test]
fn edge_without_its_tiles_is_refused() {
    let size = TreeSize::new(300);
    let tile = TileId::new(0, 1, 44).unwrap();
    assert_eq!(RightEdge::load(size, |_| None), Err(MerkleError::MissingTile { tile }));
    let found = 43 * 32;
    assert_eq!(
        RightEdge::load(size, |_| Some(vec![0; found])),
        Err(MerkleError::TileLength { tile, expected: 44 * 32, found })
    );
}

#[test]
fn edge_that_could_overflow_is_refused() {
    let load = |size| {
        let size = TreeSize::new(size);
        RightEdge::load(size, |tile| Some(vec![0; tile.byte_len()])).map(|edge| edge.size())
    };
    let largest = (1 << 63) - 1;
    assert_eq!(load(largest), Ok(TreeSize::new(largest)));
    for size in [largest + 1, u64::MAX] {
        assert_eq!(load(size), Err(MerkleError::TreeTooLarge { size: TreeSize::new(size) }));
    }
}

#[test]
fn largest_edge_can_be_appended_to() {
    let size = TreeSize::new((1 << 63) - 1);
    let mut edge = RightEdge::load(size, |tile| Some(vec![7; tile.byte_len()])).unwrap();
    let tiles = edge.append(&leaves(1));
    assert_eq!(edge.size(), TreeSize::new(1 << 63));
    let paths: Vec<_> = tiles.iter().map(|(tile, _)| tile.path()).collect();
    assert_eq!(paths.len(), 8);
    assert_eq!(paths.last().map(String::as_str), Some("tile/7/000.p/128"));
}

#[test]
fn tree_that_has_not_grown_leaves_nothing_stale() {
    let size = TreeSize::new;
    assert!(stale_partials(size(300), size(300)).is_empty());
    assert!(stale_partials(size(300), size(299)).is_empty());
    assert!(stale_partials(size(0), size(300)).is_empty());
    let paths: Vec<_> =
        stale_partials(size(70_000), size(70_001)).into_iter().map(TileId::path).collect();
    assert_eq!(paths, ["tile/0/273.p/112"], "the partial tiles above are still those of the tree");
}
