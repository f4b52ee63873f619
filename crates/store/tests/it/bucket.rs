//! A store in a bucket: the promises of one in a folder, on a real S3 server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use tokio::task::JoinHandle;
use trailkeeper_event::Micros;
use trailkeeper_store::{
    Effort, EventCount, OpenOptions, Outcome, Presence, Query, Store, StoreError, TableVersion,
};
use trailkeeper_testkit::{Fault, FaultProxy, Request, S3Server};

use crate::sample::{START, commit, create, events, run};

/// A server, a proxy before it, and a place in its bucket.
struct Bucket {
    server: S3Server,
    proxy: FaultProxy,
    address: String,
}

impl Bucket {
    fn new() -> Option<Self> {
        let server = S3Server::find()?;
        let proxy = FaultProxy::start(server.endpoint()).unwrap();
        let address = server.new_address();
        Some(Self { server, proxy, address })
    }

    fn options(&self) -> OpenOptions {
        OpenOptions::new().with_variables(self.server.variables(&self.proxy.url()))
    }

    fn create(&self) -> Store {
        run(Store::create(&self.address, self.options())).unwrap()
    }

    /// Where the store is below the bucket.
    fn prefix(&self) -> &str {
        self.address.splitn(4, '/').nth(3).unwrap()
    }

    fn open(&self) -> Result<Store, StoreError> {
        run(Store::open(&self.address, self.options()))
    }
}

fn append(store: &Store, batch: u64, before: u64, count: u64) -> Result<Outcome, StoreError> {
    let commit = commit("s", batch, before, before + count);
    run(store.append(&[events(before, count, START)], &commit))
}

/// The `seq` of each event, in order.
fn seqs(store: &Store) -> Vec<i64> {
    let snapshot = run(store.snapshot()).unwrap();
    let sql = "SELECT seq FROM events ORDER BY seq".to_owned();
    let rows = run(store.query(&snapshot, Query { sql, ..Query::default() })).unwrap();
    let seqs = |batch: &arrow::array::RecordBatch| {
        batch.column(0).as_primitive::<Int64Type>().values().to_vec()
    };
    rows.batches.iter().flat_map(seqs).collect()
}

async fn all<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

/// `fault` for the first request with this method whose target holds `part`.
fn once(
    method: &'static str,
    part: &'static str,
    fault: Fault,
) -> impl Fn(&Request) -> Fault + Send + 'static {
    let struck = AtomicBool::new(false);
    move |request| {
        let is_it = request.method == method && request.target.contains(part);
        if is_it && !struck.swap(true, Ordering::SeqCst) { fault } else { Fault::None }
    }
}

#[test]
fn a_bucket_holds_what_a_folder_holds() {
    let Some(bucket) = Bucket::new() else { return };
    assert!(matches!(bucket.open(), Err(StoreError::Missing { .. })));
    let store = bucket.create();
    for number in 0..12 {
        let outcome = append(&store, number + 1, number * 10, 10).unwrap();
        assert_eq!(outcome, Outcome::Committed(TableVersion(number + 1)));
    }
    assert_eq!(append(&store, 12, 110, 10).unwrap(), Outcome::AlreadyCommitted);
    let reader = bucket.open().unwrap();
    assert_eq!(seqs(&reader), (0..120).collect::<Vec<_>>());
    let merged = run(store.merge_next(Effort::Whole)).unwrap().unwrap();
    assert_eq!((merged.files, merged.events), (12, 120));
    assert_eq!(run(reader.snapshot()).unwrap().files().len(), 1);
    assert_eq!(seqs(&reader), (0..120).collect::<Vec<_>>());
    let later = Micros(i64::MAX);
    assert_eq!(run(store.vacuum(later)).unwrap(), 12);
    // What is gone is not deleted a second time.
    assert_eq!(run(store.vacuum(later)).unwrap(), 0);
    assert_eq!(seqs(&bucket.open().unwrap()), (0..120).collect::<Vec<_>>());
}

#[test]
fn objects_beside_the_table_are_kept_in_the_bucket() {
    let Some(bucket) = Bucket::new() else { return };
    let store = bucket.create();
    assert_eq!(run(store.side("checkpoint")).unwrap(), None);
    for text in ["one", "two"] {
        run(store.put_side("checkpoint", text.into())).unwrap();
        assert_eq!(run(store.side("checkpoint")).unwrap().unwrap(), text);
    }
    let claims = ["a", "b"].map(|text| run(store.put_side_if_absent("id", text.into())).unwrap());
    assert_eq!(claims, [Presence::New, Presence::Known]);
    assert_eq!(run(store.side("id")).unwrap().unwrap(), "a");
    let tiles = ["tile/0/000", "tile/0/001.p/3"].map(|name| (name.to_owned(), vec![1; 32]));
    run(store.put_sides(tiles.to_vec())).unwrap();
    let mut names = run(store.list_sides("tile")).unwrap();
    names.sort();
    assert_eq!(names, ["tile/0/000", "tile/0/001.p/3"]);
    assert_eq!(run(store.side_usage("tile")).unwrap().bytes, 64);
    for _ in 0..2 {
        run(store.delete_sides(&names)).unwrap();
    }
    assert!(run(store.list_sides("tile")).unwrap().is_empty());
}

#[test]
fn a_folder_that_was_copied_into_a_bucket_is_the_same_store() {
    let Some(bucket) = Bucket::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let near = create(&dir);
    for number in 0..101 {
        append(&near, number + 1, number, 1).unwrap();
        run(near.maintain()).unwrap();
    }
    bucket.server.copy_folder(&dir.path().join("trail"), &bucket.address).unwrap();
    bucket.proxy.plan(|_| Fault::None);
    let far = bucket.open().unwrap();
    assert_eq!(far.id(), near.id());
    assert_eq!(run(far.snapshot()).unwrap().head().size, EventCount(101));
    let requests = bucket.proxy.heal();
    assert!(requests.iter().any(|request| request.target.contains(".checkpoint.")));
    // The checkpoint stands for the hundred commits before it.
    assert!(requests.len() < 30, "{requests:#?}");
    assert_eq!(append(&far, 102, 101, 1).unwrap(), Outcome::Committed(TableVersion(102)));
    assert_eq!(seqs(&bucket.open().unwrap()), (0..102).collect::<Vec<_>>());
}

#[test]
fn of_creators_at_once_one_makes_the_table() {
    let Some(bucket) = Bucket::new() else { return };
    let ids = run(async {
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (address, options) = (bucket.address.clone(), bucket.options());
                tokio::spawn(async move {
                    Store::create(&address, options).await.unwrap().id().to_owned()
                })
            })
            .collect();
        all(tasks).await
    });
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(run(bucket.open().unwrap().snapshot()).unwrap().version(), TableVersion(0));
}

#[test]
fn of_appends_at_once_each_batch_is_in_the_bucket_once() {
    let Some(bucket) = Bucket::new() else { return };
    let stores: Vec<_> = (0..4).map(|_| Arc::new(bucket.create())).collect();
    // One answer in five is lost.
    bucket.proxy.plan(|request| match request.number % 5 {
        4 => Fault::LostAnswer(500),
        _ => Fault::None,
    });
    let tasks = stores.into_iter().enumerate().map(|(index, store)| async move {
        let spool = format!("s{index}");
        let mut done = 0;
        while done < 3 {
            let size = store.snapshot().await.unwrap().head().size.0;
            let commit = commit(&spool, done + 1, size, size + 2);
            match store.append(&[events(size, 2, START)], &commit).await.unwrap() {
                Outcome::Committed(_) => done += 1,
                Outcome::Conflict => {}
                Outcome::AlreadyCommitted => panic!("batch {} of {spool} twice", done + 1),
            }
        }
    });
    run(async { all(tasks.map(tokio::spawn).collect()).await });
    bucket.proxy.heal();
    assert_eq!(seqs(&bucket.open().unwrap()), (0..24).collect::<Vec<_>>());
}

#[test]
fn a_commit_that_succeeded_and_said_it_failed_is_in_the_table_once() {
    let Some(bucket) = Bucket::new() else { return };
    let store = bucket.create();
    append(&store, 1, 0, 3).unwrap();
    let faults = [
        Fault::LostAnswer(500),
        Fault::LostAnswer(503),
        // What S3 says of two conditional puts at once.
        Fault::LostAnswer(409),
        Fault::Refused(409),
        Fault::LostConnection,
    ];
    for (number, fault) in (1..).zip(faults) {
        bucket.proxy.plan(once("PUT", "/_delta_log/", fault));
        let outcome = append(&store, number + 1, number * 3, 3);
        bucket.proxy.heal();
        assert!(matches!(outcome, Ok(Outcome::Committed(_))), "{fault:?}: {outcome:?}");
        assert_eq!(append(&store, number + 1, number * 3, 3).unwrap(), Outcome::AlreadyCommitted);
    }
    assert_eq!(seqs(&bucket.open().unwrap()), (0..18).collect::<Vec<_>>());
}

#[test]
fn a_merge_that_succeeded_and_said_it_failed_is_done_once() {
    let Some(bucket) = Bucket::new() else { return };
    let store = bucket.create();
    for number in 0..4 {
        append(&store, number + 1, number * 3, 3).unwrap();
    }
    bucket.proxy.plan(once("PUT", "/_delta_log/", Fault::LostAnswer(500)));
    let merged = run(store.merge_next(Effort::Whole)).unwrap().unwrap();
    assert_eq!(merged.files, 4);
    bucket.proxy.heal();
    let reader = bucket.open().unwrap();
    assert_eq!(run(reader.snapshot()).unwrap().files().len(), 1);
    assert_eq!(seqs(&reader), (0..12).collect::<Vec<_>>());
}

#[test]
fn a_bucket_that_was_emptied_gets_no_table_without_a_beginning() {
    let Some(bucket) = Bucket::new() else { return };
    let store = bucket.create();
    append(&store, 1, 0, 3).unwrap();
    let backend = bucket.options().backend_of(&bucket.address).unwrap();
    run(async {
        let prefix = bucket.prefix().into();
        let listed = backend.list(Some(&prefix)).map_ok(|meta| meta.location).boxed();
        backend.delete_stream(listed).try_collect::<Vec<_>>().await.unwrap();
    });
    let error = append(&store, 2, 3, 3).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error:?}");
}

#[test]
fn what_the_object_store_objects_to_is_told() {
    let Some(bucket) = Bucket::new() else { return };
    let elsewhere = Store::open("s3://no-such-bucket/trail", bucket.options());
    let error = run(elsewhere).unwrap_err();
    assert!(matches!(error, StoreError::NoBucket { .. }), "{error:?}");
    let error = run(Store::create("s3://no-such-bucket/trail", bucket.options())).unwrap_err();
    assert!(matches!(error, StoreError::NoBucket { .. }), "{error:?}");

    let store = bucket.create();
    append(&store, 1, 0, 3).unwrap();
    for status in [401, 403] {
        bucket.proxy.plan(move |_| Fault::Refused(status));
        let errors = [
            bucket.open().unwrap_err(),
            append(&store, 2, 3, 3).unwrap_err(),
            run(store.side("checkpoint")).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
        }
    }
    bucket.proxy.plan(|_| Fault::Refused(301));
    let error = bucket.open().unwrap_err();
    assert!(matches!(error, StoreError::Region { .. }), "{error:?}");
}

#[test]
fn a_file_that_is_too_short_or_gone_is_corrupt() {
    let Some(bucket) = Bucket::new() else { return };
    let store = bucket.create();
    append(&store, 1, 0, 3000).unwrap();
    let snapshot = run(store.snapshot()).unwrap();
    let objects = bucket.options().backend_of(&bucket.address).unwrap();
    let path = format!("{}/{}", bucket.prefix(), snapshot.files()[0].path()).into();
    let failure = || {
        let sql = "SELECT count(DISTINCT after) FROM events".to_owned();
        let query = Query { sql, ..Query::default() };
        run(bucket.open().unwrap().query(&snapshot, query)).unwrap_err()
    };
    run(objects.put(&path, "PAR1".into())).unwrap();
    let error = failure();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    run(objects.delete(&path)).unwrap();
    let error = failure();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[test]
fn a_server_that_is_away_is_unavailable_and_never_corrupt() {
    let Some(bucket) = Bucket::new() else { return };
    let store = bucket.create();
    append(&store, 1, 0, 3).unwrap();
    for fault in [Fault::Refused(500), Fault::Refused(503), Fault::Reset] {
        bucket.proxy.plan(move |_| fault);
        let sql = "SELECT count(DISTINCT after) FROM events".to_owned();
        let snapshot = store.known_snapshot();
        let one = "SELECT * FROM events WHERE object_key = 'billing.invoice/0'".to_owned();
        let errors = [
            run(store.query(&snapshot, Query { sql: one, ..Query::default() })).unwrap_err(),
            bucket.open().unwrap_err(),
            append(&store, 2, 3, 3).unwrap_err(),
            run(store.query(&snapshot, Query { sql, ..Query::default() })).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::Unavailable { .. }), "{fault:?}: {error:?}");
        }
    }
}

#[test]
fn an_endpoint_where_nobody_listens_is_unavailable() {
    // No server is needed for this: the port was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
    ];
    let options = OpenOptions::new().with_variables(variables);
    let error = run(Store::open("s3://bucket/trail", options)).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
}
