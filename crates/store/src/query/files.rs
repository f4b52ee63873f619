//! The files of a snapshot as a table of the query engine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::TableParquetOptions;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use trailkeeper_event::{Column, ColumnType, arrow_schema};

use crate::error::StoreError;
use crate::file::{Bounds, DataFile};

/// The Parquet files of one snapshot.
///
/// Filters reach the reader, which skips files, row groups and pages by them: the Delta log's
/// bounds come along with each file, so that a file that cannot match is not even opened.
#[derive(Debug)]
pub(super) struct FileTable {
    files: Vec<PartitionedFile>,
    total: Statistics,
}

impl FileTable {
    pub(super) fn new(files: &[DataFile]) -> Self {
        let total = Statistics {
            num_rows: files
                .iter()
                .map(rows_of)
                .reduce(|left, right| left.add(&right))
                .unwrap_or(Precision::Exact(0)),
            ..Statistics::new_unknown(&arrow_schema())
        };
        let files = files.iter().map(|file| {
            PartitionedFile::new(file.path.clone(), file.size)
                .with_statistics(Arc::new(statistics_of(file)))
        });
        Self { files: files.collect(), total }
    }
}

fn rows_of(file: &DataFile) -> Precision<usize> {
    file.rows
        .and_then(|rows| usize::try_from(rows).ok())
        .map_or(Precision::Absent, Precision::Exact)
}

fn statistics_of(file: &DataFile) -> Statistics {
    let columns = Column::ALL.iter().map(|column| {
        let Some(bounds) = file.bounds.get(column) else {
            return ColumnStatistics::new_unknown();
        };
        let (min, max) = match bounds {
            Bounds::Text(min, max) => {
                (ScalarValue::Utf8(Some(min.clone())), ScalarValue::Utf8(Some(max.clone())))
            }
            Bounds::Int(min, max) if column.column_type() == ColumnType::Time => {
                let time =
                    |value| ScalarValue::TimestampMicrosecond(Some(value), Some("UTC".into()));
                (time(*min), time(*max))
            }
            Bounds::Int(min, max) => {
                (ScalarValue::Int64(Some(*min)), ScalarValue::Int64(Some(*max)))
            }
        };
        ColumnStatistics {
            min_value: Precision::Exact(min),
            max_value: Precision::Exact(max),
            ..ColumnStatistics::new_unknown()
        }
    });
    Statistics {
        num_rows: rows_of(file),
        total_byte_size: Precision::Absent,
        column_statistics: columns.collect(),
    }
}

impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        arrow_schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn scan<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        state: &'life1 dyn Session,
        projection: Option<&'life2 Vec<usize>>,
        _filters: &'life3 [Expr],
        limit: Option<usize>,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(std::future::ready(self.plan(state, projection, limit)))
    }
}

impl FileTable {
    fn plan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = datafusion::physical_plan::project_schema(&arrow_schema(), projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let url = super::base_url().map_err(external)?;
        let runtime = state.runtime_env();
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let readers = CachedParquetFileReaderFactory::new(
            runtime.object_store(&url)?,
            runtime.cache_manager.get_file_metadata_cache(),
        );
        let source = ParquetSource::new(arrow_schema())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers));
        let groups =
            FileGroup::new(self.files.clone()).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(self.total.clone())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

fn external(error: StoreError) -> datafusion::error::DataFusionError {
    datafusion::error::DataFusionError::External(Box::new(error))
}
