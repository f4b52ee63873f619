//! What an append costs: `cargo run --release -p trailkeeper-spool --example append_cost [folder]`.
#![expect(clippy::print_stdout, reason = "it prints its measurement")]

use std::time::Instant;
use trailkeeper_spool::{BatchLimits, Options, RecordBuffer, Spool};

const ROUNDS: u32 = 200_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).map_or_else(tempfile::tempdir, tempfile::tempdir_in)?;
    let spool = Spool::open(&dir.path().join("spool"), Options::default())?;
    let mut writer = spool.writer()?;
    let mut records = RecordBuffer::new();
    records.push(&[7; 500])?;

    let start = Instant::now();
    for at in 0..ROUNDS {
        let transaction = writer.begin()?;
        writer.append_complete(transaction, at.into(), &records)?;
    }
    println!("append_complete: {:?} each", start.elapsed() / ROUNDS);

    let start = Instant::now();
    for at in 0..ROUNDS {
        let transaction = writer.begin()?;
        writer.prepare(transaction, 0, &records, Some(b"default"))?;
        writer.commit(transaction, at.into(), None)?;
    }
    println!("prepare + seal, commit: {:?} both", start.elapsed() / ROUNDS);

    let mut consumer = spool.elect_consumer()?.expect("nobody else consumes");
    let (start, mut drained) = (Instant::now(), 0);
    loop {
        consumer.poll()?;
        let batch = consumer.ready(BatchLimits::default())?;
        if batch.is_empty() {
            break;
        }
        drained += batch.record_count();
        let number = consumer.last_batch().next();
        consumer.begin_batch(number, &batch)?;
        consumer.finish_batch(number)?;
    }
    println!("drain: {drained} records in {:?}", start.elapsed());
    Ok(())
}
