//! Exported proofs hold, and are made from nothing but what is exported.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use trailkeeper_engine::{
    Column, Error, ErrorKind, EventFilter, ExportFormat, ProofMode, VerifierKey,
};
use trailkeeper_event::{
    EventBatch, EventBatchBuilder, EventId, LeafHasher, Micros, Record, RecordBuilder,
};
use trailkeeper_merkle::{Checkpoint, Hash, LeafIndex, TreeSize, verify_inclusion};

use crate::export::{export, lines};
use crate::sample::{World, drain, write};

const PROVEN: ExportFormat = ExportFormat::JsonLines(ProofMode::With);

/// The leaf hash of an exported event, from its line alone, as docs/formats/event.md has it.
fn leaf_of(line: &Value) -> Hash {
    let mut record = RecordBuilder::new();
    for &column in Column::ALL.iter().filter(|column| column.is_in_record()) {
        match &line[column.name()] {
            Value::Null => {}
            Value::Number(number) => {
                record.int(column, number.as_i64().unwrap());
            }
            Value::String(text) if column == Column::OccurredAt => {
                record.int(column, micros(text));
            }
            Value::String(text) => {
                record.text(column, text);
            }
            json => {
                record.text(column, &json.to_string());
            }
        }
    }
    let id = u128::from_str_radix(line["event_id"].as_str().unwrap(), 16).unwrap().to_be_bytes();
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let id = EventId {
        writer: trailkeeper_event::WriterId(id[..8].try_into().unwrap()),
        transaction: trailkeeper_event::TransactionNumber(number(&id[8..12])),
        position: trailkeeper_event::Position(number(&id[12..])),
    };
    let salt = STANDARD.decode(line["proof"]["salt"].as_str().unwrap()).unwrap();
    assert_eq!((salt.len(), salt[0]), (17, 1));
    let stamp = trailkeeper_event::Stamp {
        seq: trailkeeper_event::Seq(line["seq"].as_u64().unwrap()),
        id,
        committed_at: Micros(micros(line["committed_at"].as_str().unwrap())),
        recorded_at: Micros(micros(line["recorded_at"].as_str().unwrap())),
        seed: trailkeeper_event::Seed(salt[1..].try_into().unwrap()),
    };
    let mut batch = EventBatchBuilder::new();
    batch.append(&Record::parse(record.as_bytes()).unwrap(), &stamp);
    let batch = batch.finish();
    let events = EventBatch::try_new(&batch).unwrap();
    Hash::from(LeafHasher::new().leaf_hashes(&events).remove(0).unwrap().0)
}

fn micros(text: &str) -> i64 {
    arrow::compute::kernels::cast_utils::string_to_timestamp_nanos(text).unwrap() / 1000
}

#[test]
fn a_proof_shows_that_an_event_is_in_the_signed_tree() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    for batch in 0..3 {
        write(&mut writer, 300 * batch, 300);
        drain(&trail);
    }
    write(&mut writer, 900, 5);
    let found = lines(&export(&trail, &EventFilter::default(), PROVEN));
    let key: VerifierKey = trail.stats().unwrap().verifier_key.unwrap().parse().unwrap();
    let note = found[0]["checkpoint"].as_str().unwrap();
    let checkpoint = Checkpoint::open(note.as_bytes(), &key).unwrap();
    assert_eq!(checkpoint.size(), TreeSize::new(900));
    assert_eq!(found.len(), 906);
    for line in &found[1..901] {
        let proof = &line["proof"];
        assert_eq!(proof["tree_size"], 900);
        assert_eq!(proof["leaf_index"], line["seq"]);
        let hashes = proof["hashes"].as_array().unwrap().iter();
        let hashes: Vec<Hash> =
            hashes.map(|hash| hash.as_str().unwrap().parse().unwrap()).collect();
        let index = LeafIndex::new(proof["leaf_index"].as_u64().unwrap());
        let verify = |leaf: Hash| {
            verify_inclusion(&leaf, index, checkpoint.size(), &hashes, &checkpoint.root())
                .unwrap()
                .is_verified()
        };
        assert!(verify(leaf_of(line)), "{line}");
        assert_eq!(proof["leaf_hash"], leaf_of(line).to_string());
        let mut other = line.clone();
        other["after"]["total"] = "0.01".into();
        assert!(!verify(leaf_of(&other)));
    }
    // What is still in the spool is in no tree.
    assert!(found[901..].iter().all(|line| line.get("proof").is_none()));
}

#[test]
fn an_event_that_was_altered_is_not_given_a_proof() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 20);
    drain(&trail);
    let tile = world.store().join("_trailkeeper/tile/0/000.p/20");
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[32 * 7] ^= 1;
    std::fs::write(&tile, bytes).unwrap();
    let filter = EventFilter::default();
    let error = world.reader().export(&filter, PROVEN, &mut Vec::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::NotInTree { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}
