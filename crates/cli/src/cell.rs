//! Values of a query's answer, as text and as JSON.

use arrow::array::Array;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value;

/// One column of an answer, ready to be shown.
pub(crate) struct Cells<'a> {
    array: &'a dyn Array,
    formatter: ArrayFormatter<'a>,
}

impl<'a> Cells<'a> {
    pub(crate) fn new(array: &'a dyn Array) -> Result<Self, ArrowError> {
        const OPTIONS: FormatOptions<'_> = FormatOptions::new().with_display_error(true);
        Ok(Self { array, formatter: ArrayFormatter::try_new(array, &OPTIONS)? })
    }

    /// The value as text; empty for null.
    pub(crate) fn text(&self, row: usize) -> String {
        self.formatter.value(row).to_string()
    }

    /// The value as JSON: numbers, booleans and null as such, anything else as text.
    pub(crate) fn json(&self, row: usize) -> Value {
        if self.array.is_null(row) {
            return Value::Null;
        }
        let text = self.text(row);
        let kind = self.array.data_type();
        let is_scalar = kind.is_integer() || kind.is_floating() || *kind == DataType::Boolean;
        let number = is_scalar.then(|| serde_json::from_str(&text).ok()).flatten();
        number.unwrap_or(Value::String(text))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Float64Array, Int64Array, StringArray};
    use serde_json::json;

    use super::Cells;

    #[test]
    fn values_keep_their_kind() {
        let numbers = Int64Array::from(vec![Some(7), None]);
        let cells = Cells::new(&numbers).unwrap();
        assert_eq!((cells.json(0), cells.json(1)), (json!(7), json!(null)));
        assert_eq!((cells.text(0), cells.text(1)), ("7".to_owned(), String::new()));
        let texts = StringArray::from(vec!["7"]);
        assert_eq!(Cells::new(&texts).unwrap().json(0), json!("7"));
        assert_eq!(Cells::new(&BooleanArray::from(vec![true])).unwrap().json(0), json!(true));
        assert_eq!(Cells::new(&Float64Array::from(vec![f64::NAN])).unwrap().json(0), json!("NaN"));
    }
}
