//! What a text of SQL writes: verb and table of each writing statement, and the text without its literals.
//!
//! Raw SQL passes no compiler that knows the model, so its text is all there is
//! to tell from. [`look`] takes the first word and costs some nanoseconds: reads end
//! there. [`examine`] parses the rest with
//! `sqlparser`. What its grammar refuses is told by the statement's first words,
//! which name the table of all but the nested statements; what these do not name
//! has no table.
//!
//! The caller knows that the database accepts the text. Nothing is validated
//! here, and a statement that only looks as if it wrote is told as a write of an
//! unknown table.
//!
//! # Guarantees
//!
//! - **No panic and no overflow.** Whatever the text, an answer comes. The
//!   grammar runs on a stack of its own, over a bounded number of tokens.
//! - **Bounded.** Time and memory do not grow with a text beyond
//!   [`TEXT_LIMIT`] bytes; what follows is not read, and told as unknown where
//!   it may hold further statements.
//! - **No literal** of the text is in [`Finding::text`], whatever its notation.
//!   On SQLite a text in double quotes is an identifier.
//!
//! # What no text can tell
//!
//! A function that a SELECT calls, a trigger, a rule, a cascade and an updatable
//! view write without being named.
//!
//! # Example
//!
//! ```
//! use trailkeeper_sql::{Look, Vendor, examine, look};
//!
//! assert_eq!(look("SELECT 1"), Look::Reads);
//! let sql = "UPDATE billing_invoice SET total = 12 WHERE number = 'F-7'";
//! let found = examine(sql, Vendor::PostgreSql, false).expect("it writes");
//! assert_eq!(found.text, "UPDATE billing_invoice SET total = ? WHERE number = ?");
//! let table = found.writes[0].table.as_ref().expect("it is named");
//! assert_eq!((found.writes[0].verb, table.name.as_str()), ("update", "billing_invoice"));
//! ```

mod control;
mod examine;
mod grammar;
mod head;
mod keyword;
mod text;
mod vendor;
mod write;

pub use control::{Control, control_of};
pub use examine::{TEXT_LIMIT, examine};
pub use keyword::{Look, look};
pub use vendor::Vendor;
pub use write::{Finding, Table, Write};
