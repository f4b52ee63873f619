//! Known answers: those of Certificate Transparency, and `testdata/merkle/v1`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};
use trailkeeper_merkle::{
    Checkpoint, Hash, LeafIndex, MerkleError, RightEdge, SignedNote, SigningKey, TileId, TreeSize,
    Verdict, VerifierKey, hash_leaf, prove_consistency, prove_inclusion, root_of,
    verify_consistency, verify_inclusion,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn certificate_transparency_vectors_hold() {
    let leaves = [
        &b""[..],
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ]
    .map(hash_leaf);
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    for (size, root) in roots.iter().enumerate() {
        assert_eq!(hex(root_of(&leaves[..size]).as_bytes()), *root, "{size}");
    }
    let tiles: BTreeMap<_, _> = RightEdge::empty().append(&leaves).into_iter().collect();
    let proof = prove_inclusion(LeafIndex::new(0), TreeSize::new(8), |tile| {
        tiles.get(&tile).cloned().ok_or(MerkleError::MissingTile { tile })
    });
    let proof: Vec<_> = proof.unwrap().iter().map(|hash| hex(hash.as_bytes())).collect();
    assert_eq!(
        proof,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
}

/// The vectors of version 1, and the leaves that they are about.
struct Vectors {
    json: Value,
    leaves: Vec<Hash>,
}

impl Vectors {
    fn read() -> Self {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/merkle/v1/vectors.json");
        let json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let leaves = (0..70_000).map(|n| hash_leaf(format!("event {n}").as_bytes())).collect();
        Self { json, leaves }
    }

    /// The entries of one list; an empty one would test nothing.
    fn list(&self, name: &str) -> &[Value] {
        let list = self.json[name].as_array().unwrap();
        assert!(!list.is_empty());
        list
    }

    fn root(&self, size: TreeSize) -> Hash {
        root_of(&self.leaves[..usize::try_from(size.get()).unwrap()])
    }

    fn tiles(&self, size: TreeSize) -> BTreeMap<TileId, Vec<u8>> {
        let leaves = &self.leaves[..usize::try_from(size.get()).unwrap()];
        RightEdge::empty().append(leaves).into_iter().collect()
    }
}

fn size(value: &Value) -> TreeSize {
    value.as_u64().unwrap().into()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn proof(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(|hash| text(hash).parse().unwrap()).collect()
}

#[test]
fn roots_of_version_1_hold() {
    let vectors = Vectors::read();
    for root in vectors.list("roots") {
        assert_eq!(vectors.root(size(&root["size"])).to_string(), text(&root["root"]), "{root}");
    }
}

#[test]
fn proofs_of_version_1_are_made_and_verify() {
    let vectors = Vectors::read();
    for vector in vectors.list("inclusion") {
        let (index, size) = (vector["index"].as_u64().unwrap(), size(&vector["size"]));
        let (leaf, root) = (vectors.leaves[usize::try_from(index).unwrap()], vectors.root(size));
        let tiles = vectors.tiles(size);
        let proof = proof(&vector["proof"]);
        let made = prove_inclusion(index.into(), size, |tile| {
            tiles.get(&tile).cloned().ok_or(MerkleError::MissingTile { tile })
        });
        assert_eq!(made.as_ref(), Ok(&proof));
        let verdict = verify_inclusion(&leaf, index.into(), size, &proof, &root);
        assert_eq!(verdict, Ok(Verdict::Verified));
    }
    for vector in vectors.list("consistency") {
        let (old_size, new_size) = (size(&vector["old_size"]), size(&vector["new_size"]));
        let (old_root, new_root) = (vectors.root(old_size), vectors.root(new_size));
        let tiles = vectors.tiles(new_size);
        let proof = proof(&vector["proof"]);
        let made = prove_consistency(old_size, new_size, |tile| {
            tiles.get(&tile).cloned().ok_or(MerkleError::MissingTile { tile })
        });
        assert_eq!(made.as_ref(), Ok(&proof));
        let verdict = verify_consistency(old_size, &old_root, new_size, &new_root, &proof);
        assert_eq!(verdict, Ok(Verdict::Verified));
    }
}

#[test]
fn tiles_of_version_1_are_written() {
    let vectors = Vectors::read();
    for vector in vectors.list("tiles") {
        let tiles = vectors.tiles(size(&vector["size"]));
        let named = vector["tiles"].as_array().unwrap();
        assert!(!named.is_empty());
        if size(&vector["size"]) == TreeSize::new(1_000) {
            assert_eq!(named.len(), tiles.len(), "all tiles are named");
        }
        for tile in named {
            let id = TileId::from_path(text(&tile["path"])).unwrap();
            assert_eq!(hex(&Sha256::digest(&tiles[&id])), text(&tile["sha256"]), "{id}");
        }
    }
}

#[test]
fn key_and_checkpoint_of_version_1_are_made_and_open() {
    let vectors = Vectors::read();
    let (key, checkpoint) = (&vectors.json["key"], &vectors.json["checkpoint"]);
    let signer: SigningKey = text(&key["secret_text"]).parse().unwrap();
    let seed: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
    assert_eq!(hex(&seed), text(&key["seed"]));
    let seeded = SigningKey::from_seed(text(&key["name"]), seed).unwrap();
    assert_eq!(seeded.to_secret_text(), text(&key["secret_text"]));
    let verifier: VerifierKey = text(&key["verifier_text"]).parse().unwrap();
    assert_eq!(signer.verifier_key(), verifier);

    let size = size(&checkpoint["size"]);
    let note = text(&checkpoint["note"]);
    let opened = Checkpoint::open(note.as_bytes(), &verifier).unwrap();
    let head = Checkpoint::new(text(&key["name"]), size, vectors.root(size), vec![]).unwrap();
    assert_eq!(opened, head);
    assert_eq!(head.sign(&signer).unwrap().to_string(), note);
    assert_eq!(SignedNote::open(note.as_bytes(), &verifier).unwrap().text(), head.to_string());
}
