//! Functions of SQL that are ours.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::functions::datetime::now::NowFunc;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::prelude::SessionContext;
use trailkeeper_event::Column;

/// The name of the function behind `event_id` and `transaction_id`.
pub(super) const EVENT_ID_FUNCTION: &str = "trailkeeper_event_id";

/// Makes the functions known to `context`.
pub(super) fn register(context: &SessionContext) {
    context.register_udf(event_id_function().as_ref().clone());
    context.register_udf(ScalarUDF::new_from_impl(StatementTimestamp::new()));
}

/// `trailkeeper_event_id(writer, transaction_number, position)`: 32 hex digits.
pub(super) fn event_id_function() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(EventIdFunction::new())));
    Arc::clone(&FUNCTION)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct EventIdFunction {
    signature: Signature,
}

impl EventIdFunction {
    fn new() -> Self {
        let types = vec![DataType::Utf8, DataType::Int64, DataType::Int64];
        Self { signature: Signature::exact(types, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for EventIdFunction {
    fn name(&self) -> &str {
        EVENT_ID_FUNCTION
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [writers, transactions, positions] = arrays.as_slice() else {
            return datafusion::common::internal_err!("an event id has three parts");
        };
        Ok(ColumnarValue::Array(Arc::new(identities(
            writers.as_string(),
            transactions.as_primitive(),
            positions.as_primitive(),
        ))))
    }
}

/// The `event_id` of each row of the table; with the first position, its `transaction_id`.
///
/// # Errors
///
/// If the rows do not have the columns it is made of.
pub(super) fn event_ids(rows: &RecordBatch, position: Position) -> Result<ArrayRef, ArrowError> {
    let column = |column: Column| {
        rows.column_by_name(column.name())
            .ok_or_else(|| ArrowError::SchemaError(format!("there is no {}", column.name())))
    };
    let writers = column(Column::Writer)?.as_string_opt();
    let transactions = column(Column::TransactionNumber)?.as_primitive_opt();
    let zeros = Int64Array::from_value(0, rows.num_rows());
    let positions = match position {
        Position::OfTheEvent => column(Column::Position)?.as_primitive_opt(),
        Position::First => Some(&zeros),
    };
    let (Some(writers), Some(transactions), Some(positions)) = (writers, transactions, positions)
    else {
        return Err(ArrowError::SchemaError("an identity is made of other types".to_owned()));
    };
    Ok(Arc::new(identities(writers, transactions, positions)))
}

/// Which position in a transaction an identity names.
#[derive(Clone, Copy)]
pub(super) enum Position {
    /// That of the event: an `event_id`.
    OfTheEvent,
    /// The first: a `transaction_id`.
    First,
}

fn identities(
    writers: &StringArray,
    transactions: &Int64Array,
    positions: &Int64Array,
) -> StringArray {
    let mut ids = StringBuilder::with_capacity(writers.len(), writers.len() * 32);
    let mut id = String::with_capacity(32);
    for row in 0..writers.len() {
        if writers.is_null(row) || transactions.is_null(row) || positions.is_null(row) {
            ids.append_null();
            continue;
        }
        id.clear();
        id.push_str(writers.value(row));
        // Writing to a string does not fail.
        let _ = write!(id, "{:08x}{:08x}", transactions.value(row), positions.value(row));
        ids.append_value(&id);
    }
    ids.finish()
}

/// `statement_timestamp()`: what Django's `Now()` compiles to; the same as `now()`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct StatementTimestamp {
    now: NowFunc,
}

impl StatementTimestamp {
    fn new() -> Self {
        Self { now: NowFunc::default() }
    }
}

impl ScalarUDFImpl for StatementTimestamp {
    fn name(&self) -> &str {
        "statement_timestamp"
    }

    fn signature(&self) -> &Signature {
        self.now.signature()
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        Some(ScalarUDF::new_from_impl(Self { now: NowFunc::new_with_config(config) }))
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.now.return_field_from_args(arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.now.return_type(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.now.invoke_with_args(arguments)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.now.simplify(args, info)
    }
}
