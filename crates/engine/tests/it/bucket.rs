//! A trail in a bucket, on a real S3 server: wherever the drainer is stopped, and whatever the server
//! loses or refuses, each event is in the store once, and the trail verifies.

use std::sync::Arc;

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use trailkeeper_engine::{BatchLimits, ErrorKind, OpenOptions, Statement, Trail, TrailOptions};
use trailkeeper_testkit::{Effect, Fault, FaultProxy, FaultyStore, S3Server};

use crate::sample::{World, assert_verified, drain, invoices, write};

/// A trail in a bucket behind a proxy, with `before` events in it.
struct Far {
    world: World,
    proxy: FaultProxy,
}

impl Far {
    fn new(server: &S3Server, before: u64) -> Self {
        let proxy = FaultProxy::start(server.endpoint()).unwrap();
        let options = OpenOptions::new().with_variables(server.variables(&proxy.url()));
        let world = World::in_bucket(&server.new_address(), options);
        if before > 0 {
            let trail = world.trail();
            write(&mut trail.spool().unwrap().writer().unwrap(), 0, before);
            drain(&trail);
        }
        Self { world, proxy }
    }
}

fn assert_whole(world: &World, events: u64) {
    let reader = world.reader();
    assert_eq!(invoices(&reader), (0..events).collect::<Vec<_>>());
    assert_verified(&reader);
}

#[test]
fn a_trail_in_a_bucket_is_drained_read_compacted_and_verified() {
    let Some(server) = S3Server::find() else { return };
    let far = Far::new(&server, 0);
    let trail = far.world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    for round in 0..6 {
        write(&mut writer, round * 50, 50);
        drain(&trail);
    }
    assert_whole(&far.world, 300);
    let report = trail.compact(&mut |_| {}).unwrap();
    assert!(report.merges > 0, "{report:?}");
    assert_whole(&far.world, 300);
    assert_eq!(far.world.reader().stats().unwrap().events, 300);
}

#[test]
fn a_trail_is_copied_out_of_a_bucket_and_into_one() {
    let Some(server) = S3Server::find() else { return };
    let far = Far::new(&server, 20);
    let trail = far.world.trail();
    let copies = tempfile::tempdir().unwrap();
    let near = copies.path().join("copy").to_str().unwrap().to_owned();
    for (address, before) in [(near, 20), (server.new_address(), 25)] {
        trail.copy(&address, &mut |_| {}).unwrap();
        write(&mut trail.spool().unwrap().writer().unwrap(), before, 5);
        drain(&trail);
        // A later copy brings what came meanwhile.
        let report = trail.copy(&address, &mut |_| {}).unwrap();
        assert_eq!(report.events, before + 5);
        let options = OpenOptions::new().with_variables(server.variables(server.endpoint()));
        let copy = Trail::open(TrailOptions::new(address).with_store_options(options)).unwrap();
        assert_eq!(invoices(&copy), (0..before + 5).collect::<Vec<_>>());
        assert_verified(&copy);
    }
}

/// Runs a round of draining that is stopped at each of its writes in turn; the first round that is
/// not ends it.
fn stop_at_every_write(server: &S3Server, before: u64, count: u64, effect: Effect) -> usize {
    for survived in 0.. {
        let far = Far::new(server, before);
        let address = far.world.address();
        let options = OpenOptions::new().with_variables(server.variables(server.endpoint()));
        let faulty = FaultyStore::new(options.backend_of(&address).unwrap());
        let options = OpenOptions::new().with_backend(Arc::clone(&faulty) as _);
        let trail = Trail::open(far.world.options().with_store_options(options)).unwrap();
        write(&mut trail.spool().unwrap().writer().unwrap(), before, count);
        faulty.fail_at(survived, effect);
        let mut drainer = trail.elect_drainer().unwrap().unwrap();
        let outcome = drainer.drain_once(BatchLimits::default());
        let has_struck = faulty.is_dead();
        assert!(has_struck || outcome.is_ok(), "{outcome:?}");
        drop((drainer, trail));
        let trail = far.world.trail();
        let all: Vec<u64> = (0..before + count).collect();
        assert_eq!(invoices(&trail), all, "after a fault at write {survived}, {effect:?}");
        drain(&trail);
        assert_whole(&far.world, before + count);
        if !has_struck {
            return survived;
        }
    }
    0
}

#[test]
fn a_drainer_that_is_stopped_at_any_write_to_a_bucket_goes_on() {
    let Some(server) = S3Server::find() else { return };
    // The table, the identity, a file, a tile, the commit, the checkpoint. Each with each effect, and
    // for larger trees, is tested on a folder.
    assert!(stop_at_every_write(&server, 0, 3, Effect::Persisted) >= 6);
    assert!(stop_at_every_write(&server, 5, 3, Effect::Absent) >= 4);
}

/// Drains with a fault at each request of a round in turn. The store's library tries again, and after
/// it the drainer: nothing may be lost, doubled or damaged by it.
fn strike_every_request(server: &S3Server, faults: &[Fault]) {
    let far = Far::new(server, 5);
    let trail = far.world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    drainer.drain_once(BatchLimits::default()).unwrap();
    let mut events = 5;
    for (struck, fault) in (0..).zip(faults.iter().copied().cycle()) {
        write(&mut writer, events, 3);
        events += 3;
        far.proxy.plan(move |request| if request.number == struck { fault } else { Fault::None });
        let drained = drainer.drain_once(BatchLimits::default());
        let requests = far.proxy.heal();
        let at = format!("{fault:?} at request {struck} of {}", requests.len());
        if let Err(error) = &drained {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{at}: {error:?}");
            drainer.drain_once(BatchLimits::default()).unwrap();
        }
        assert_eq!(trail.spool().unwrap().view().unwrap().backlog().records, 0, "{at}");
        if requests.iter().all(|request| request.number < struck) {
            // At least a look, a file, a commit, a tile and a checkpoint.
            assert!(struck >= 6, "{at}: too few");
            break;
        }
    }
    assert_whole(&far.world, events);
}

#[test]
fn a_reader_gets_the_whole_answer_or_none_whatever_is_lost() {
    let Some(server) = S3Server::find() else { return };
    let far = Far::new(&server, 5);
    let faults = [Fault::Refused(503), Fault::Reset, Fault::LostConnection, Fault::Delayed(5)];
    for (struck, fault) in (0..).zip(faults.into_iter().cycle()) {
        far.proxy.plan(move |request| if request.number == struck { fault } else { Fault::None });
        let sql = "SELECT count(*) FROM events WHERE after IS NOT NULL";
        let found = far.world.reader().query(Statement::new(sql), &[]);
        let requests = far.proxy.heal();
        match found {
            Ok(rows) => {
                assert_eq!(rows.batches[0].column(0).as_primitive::<Int64Type>().value(0), 5)
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{fault:?}: {error:?}"),
        }
        if requests.iter().all(|request| request.number < struck) {
            assert!(struck >= 6, "too few: {requests:#?}");
            break;
        }
    }
}

#[test]
fn what_is_refused_at_any_request_doubles_and_loses_nothing() {
    let Some(server) = S3Server::find() else { return };
    strike_every_request(&server, &[Fault::Refused(500), Fault::Refused(503), Fault::Reset]);
}

#[test]
fn an_answer_that_is_lost_at_any_request_doubles_and_loses_nothing() {
    let Some(server) = S3Server::find() else { return };
    strike_every_request(&server, &[Fault::LostAnswer(500)]);
}

#[test]
fn a_connection_that_is_lost_at_any_request_doubles_and_loses_nothing() {
    let Some(server) = S3Server::find() else { return };
    strike_every_request(&server, &[Fault::LostConnection]);
}

#[test]
fn two_drainers_before_a_server_that_falters_share_a_bucket() {
    let Some(server) = S3Server::find() else { return };
    let far = Far::new(&server, 0);
    let key = far.world.dir.path().join("shared.key");
    let trails: Vec<_> = (0..2)
        .map(|index| {
            let spool = far.world.dir.path().join(format!("spool{index}"));
            Trail::open(far.world.options().with_spool(spool).with_key(&key)).unwrap()
        })
        .collect();
    drain(&trails[0]);
    far.proxy.plan(|request| match request.number % 11 {
        2 => Fault::Refused(503),
        5 => Fault::LostAnswer(500),
        8 => Fault::Delayed(20),
        _ => Fault::None,
    });
    std::thread::scope(|scope| {
        for (index, trail) in (0..).zip(&trails) {
            scope.spawn(move || {
                let mut writer = trail.spool().unwrap().writer().unwrap();
                for round in 0..4 {
                    write(&mut writer, (index * 4 + round) * 20, 20);
                    drain(trail);
                }
            });
        }
    });
    far.proxy.heal();
    drain(&trails[0]);
    assert_whole(&far.world, 160);
}

#[test]
fn events_wait_while_the_server_is_away() {
    let Some(server) = S3Server::find() else { return };
    let far = Far::new(&server, 2);
    let trail = far.world.trail();
    write(&mut trail.spool().unwrap().writer().unwrap(), 2, 2);
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    for fault in [Fault::Refused(503), Fault::Reset, Fault::Refused(403)] {
        far.proxy.plan(move |_| fault);
        let error = drainer.drain_once(BatchLimits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert_eq!(trail.spool().unwrap().view().unwrap().backlog().records, 2);
    }
    far.proxy.heal();
    drainer.drain_once(BatchLimits::default()).unwrap();
    assert_whole(&far.world, 4);
}

#[test]
fn a_look_up_asks_for_little() {
    let Some(server) = S3Server::find() else { return };
    let far = Far::new(&server, 2000);
    let reader = far.world.reader();
    far.proxy.plan(|_| Fault::None);
    let sql = "SELECT * FROM events WHERE object_key = 'billing.invoice/7'";
    let look_up = || {
        let rows = reader.query(Statement::new(sql), &[]).unwrap();
        assert_eq!(rows.batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
        let requests = far.proxy.heal();
        let bytes: usize = requests.iter().map(|request| request.answered).sum();
        println!("{} requests, {bytes} bytes: {requests:#?}", requests.len());
        (requests.len(), bytes)
    };
    // The Delta log and the footer are read once.
    let (cold, _) = look_up();
    let (warm, bytes) = look_up();
    assert!(warm < cold && warm <= 6, "{warm} requests after {cold}");
    assert!(bytes < 100_000, "{bytes} bytes for one row");
}
