//! SQL over the events: the files of a snapshot and rows that are not in it yet, as one table.

mod direct;
mod event_id_rule;
mod files;
mod function;
mod output;
mod stream;
mod view;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{
    CatalogProvider as _, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider,
};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::ObjectStore;

pub use self::stream::RowStream;
use crate::error::{Result, StoreError};
use crate::file::DataFile;
use crate::look_up;
use crate::query::direct::OneObject;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// The name of the one table.
pub const EVENTS: &str = "events";

const BASE_URL: &str = "trail://store";
const MEMORY_LIMIT: usize = 1 << 30;
/// How many rows a batch of a stream has at most: each may hold states of some megabytes.
const STREAM_ROWS: usize = 1024;
/// What a stream may hold in memory; what it has to sort beyond that waits in temporary files.
const STREAM_MEMORY: usize = 128 << 20;

/// How the rows of an answer are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Soon: several threads read.
    AllAtOnce,
    /// As a stream: one thread reads, in little memory.
    ByAndBy,
}

/// An object with more events than this is read as a stream, by a plan.
const MOST_AT_ONCE: usize = 50_000;

/// A value bound to a placeholder (`$1`, `$2`, ...) of a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    /// SQL null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating point number.
    Float(f64),
    /// A text.
    Text(String),
    /// Microseconds since the Unix epoch, UTC.
    Time(i64),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<Parameter> for ScalarValue {
    fn from(parameter: Parameter) -> Self {
        match parameter {
            Parameter::Null => Self::Null,
            Parameter::Bool(value) => Self::Boolean(Some(value)),
            Parameter::Int(value) => Self::Int64(Some(value)),
            Parameter::Float(value) => Self::Float64(Some(value)),
            Parameter::Text(value) => Self::Utf8(Some(value)),
            Parameter::Time(value) => Self::TimestampMicrosecond(Some(value), Some("UTC".into())),
            Parameter::Bytes(value) => Self::Binary(Some(value)),
        }
    }
}

/// What a query may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// More rows than this are an error; `None` for no limit.
    pub rows: Option<usize>,
    /// Longer than this is an error.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: None, time: Duration::from_secs(300) }
    }
}

/// A statement, and what it is asked of.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// One `SELECT` in the PostgreSQL dialect, over the table [`EVENTS`].
    pub sql: String,
    /// The values of its placeholders.
    pub parameters: Vec<Parameter>,
    /// Rows that are not in the table yet, with the event's schema.
    pub pending: Vec<RecordBatch>,
    /// What it may use.
    pub limits: Limits,
}

/// The rows a query gave.
///
/// Texts are `Utf8`, bytes `Binary`; there are no dictionaries and no views.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The names and types of the columns.
    pub schema: SchemaRef,
    /// The rows, in order.
    pub batches: Vec<RecordBatch>,
}

/// What is prepared once for all queries: functions, settings, caches of file footers.
pub(crate) struct QueryEngine {
    state: SessionState,
}

impl fmt::Debug for QueryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryEngine").finish_non_exhaustive()
    }
}

impl QueryEngine {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>) -> Result<Self> {
        let mut config = SessionConfig::new();
        for (key, value) in [
            ("datafusion.sql_parser.dialect", "postgresql"),
            ("datafusion.sql_parser.map_string_types_to_utf8view", "false"),
            ("datafusion.execution.time_zone", "UTC"),
            // Ten times faster where a filter leaves few rows of wide columns.
            ("datafusion.execution.parquet.pushdown_filters", "true"),
            ("datafusion.execution.parquet.reorder_filters", "true"),
        ] {
            config.options_mut().set(key, value).map_err(StoreError::internal)?;
        }
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(MEMORY_LIMIT)))
            .build_arc()
            .map_err(StoreError::internal)?;
        let url = base_url()?;
        runtime.register_object_store(url.as_ref(), objects);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .with_optimizer_rule(Arc::new(event_id_rule::EventIdRule))
            .build();
        let context = SessionContext::new_with_state(state);
        function::register(&context);
        Ok(Self { state: context.state() })
    }

    /// A session in which `events` is the only table.
    fn session(&self, pace: Pace) -> Result<SessionContext> {
        let schema = Arc::new(MemorySchemaProvider::new());
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema("public", schema).map_err(StoreError::internal)?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog("datafusion".to_owned(), Arc::new(catalog));
        let builder = SessionStateBuilder::new_from_existing(self.state.clone())
            .with_catalog_list(Arc::new(catalogs));
        let builder = match pace {
            Pace::AllAtOnce => builder,
            Pace::ByAndBy => {
                let config = self.state.config().clone().with_target_partitions(1);
                let runtime = RuntimeEnvBuilder::from_runtime_env(self.state.runtime_env())
                    .with_memory_pool(Arc::new(GreedyMemoryPool::new(STREAM_MEMORY)))
                    .build_arc()
                    .map_err(StoreError::internal)?;
                builder.with_config(config.with_batch_size(STREAM_ROWS)).with_runtime_env(runtime)
            }
        };
        Ok(SessionContext::new_with_state(builder.build()))
    }
}

fn base_url() -> Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse(BASE_URL).map_err(StoreError::internal)
}

impl Store {
    /// Answers a query over `snapshot` and the query's pending rows.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`] if the statement is not a query over `events`,
    /// [`StoreError::TooManyRows`] and [`StoreError::Resources`] beyond the limits,
    /// [`StoreError::Corrupt`] if a file does not read.
    pub async fn query(&self, snapshot: &Snapshot, query: Query) -> Result<Rows> {
        let time = query.limits.time;
        let answer = async {
            match direct::recognise(&query.sql, &query.parameters) {
                Some(asked) => self.query_one(snapshot, query, asked).await,
                None => self.plan(snapshot.files(), query).await,
            }
        };
        tokio::time::timeout(time, answer).await.map_err(|_| StoreError::Resources {
            message: format!("it took longer than {} s", time.as_secs()),
        })?
    }

    /// Answers a query about one object.
    async fn query_one(&self, snapshot: &Snapshot, query: Query, asked: OneObject) -> Result<Rows> {
        let Some(mut events) = self.events_of(snapshot, &asked.key, MOST_AT_ONCE).await? else {
            return self.plan(snapshot.files(), query).await;
        };
        events.extend(look_up::rows_of(&query.pending, &asked.key)?);
        let Some(answer) = asked.answer else {
            return self.plan(&[], Query { pending: events, ..query }).await;
        };
        let rows = answer.give(&events)?;
        let count = rows.batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        match query.limits.rows.filter(|limit| count > *limit) {
            Some(limit) => Err(StoreError::TooManyRows { limit }),
            None => Ok(rows),
        }
    }

    /// Answers a query over the events of `files` and the query's pending rows.
    async fn plan(&self, files: &[DataFile], query: Query) -> Result<Rows> {
        let mut stream = self.start(files, query, Pace::AllAtOnce).await?;
        let schema = stream.schema();
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await? {
            batches.push(batch);
        }
        Ok(Rows { schema, batches })
    }

    /// Answers a query over one file, or over the query's pending rows alone, batch by batch.
    ///
    /// What is in memory are some row groups; an `ORDER BY` sorts the rows on disk where they are many. How long it takes is up to
    /// who asks for the batches, so the limit of time does not hold.
    ///
    /// # Errors
    ///
    /// As [`Store::query`]; what is wrong with a file is told by the stream.
    pub async fn query_stream(&self, file: Option<&DataFile>, query: Query) -> Result<RowStream> {
        self.start(file.map_or(&[], std::slice::from_ref), query, Pace::ByAndBy).await
    }

    /// Begins to answer a query over the events of `files` and the query's pending rows.
    async fn start(&self, files: &[DataFile], query: Query, pace: Pace) -> Result<RowStream> {
        let Query { sql, parameters, pending, limits } = query;
        let location = self.location();
        let failed = |error| StoreError::query(&location, error);
        let context = self.sql.session(pace)?;
        let view = view::events(&context, files, pending).map_err(failed)?;
        context.register_table(EVENTS, view).map_err(failed)?;
        let allowed = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        let run = async {
            let mut frame = context.sql_with_options(&sql, allowed).await?;
            if !parameters.is_empty() {
                let values: Vec<ScalarValue> = parameters.into_iter().map(Into::into).collect();
                frame = frame.with_param_values(ParamValues::from(values))?;
            }
            frame.execute_stream().await
        };
        let batches = run.await.map_err(failed)?;
        Ok(RowStream::new(batches, location, limits.rows))
    }
}
