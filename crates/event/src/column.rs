//! The columns of an event: tag, name, type and privacy of each.

/// How a column's values are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8 text; canonical JSON is text too.
    Text,
    /// A signed 64-bit integer.
    Int,
    /// Microseconds since the Unix epoch, UTC.
    Time,
    /// Arbitrary bytes.
    Bytes,
}

macro_rules! columns {
    ($($tag:literal $variant:ident $name:literal $kind:ident $slot:expr, $in_record:literal, $in_core:literal;)*) => {
        /// A column of the event, in the order of its tag.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Column {
            $(#[doc = concat!("The column `", $name, "`.")] $variant = $tag,)*
        }

        impl Column {
            /// All columns in ascending order of their tags.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The column with this tag, if there is one.
            #[must_use]
            pub const fn from_tag(tag: u8) -> Option<Self> {
                match tag {
                    $($tag => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The column with this name, if there is one.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its name in the table, the API and the documentation.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How its values are encoded.
            #[must_use]
            pub const fn column_type(self) -> ColumnType {
                match self { $(Self::$variant => ColumnType::$kind,)* }
            }

            /// Where its salt stands, for a personal column.
            #[must_use]
            pub const fn salt_slot(self) -> Option<u8> {
                match self { $(Self::$variant => $slot,)* }
            }

            /// Whether the source writes it into the record.
            #[must_use]
            pub const fn is_in_record(self) -> bool {
                match self { $(Self::$variant => $in_record,)* }
            }

            /// Whether the leaf hash covers it.
            #[must_use]
            pub const fn is_in_core(self) -> bool {
                match self { $(Self::$variant => $in_core,)* }
            }
        }
    };
}

columns! {
    1 Seq "seq" Int None, false, false;
    2 Writer "writer" Text None, false, true;
    3 TransactionNumber "transaction_number" Int None, false, true;
    4 Position "position" Int None, false, true;
    5 SchemaVersion "schema_version" Int None, false, true;
    6 Kind "kind" Text None, true, true;
    7 Action "action" Text None, true, true;
    8 Outcome "outcome" Text None, true, true;
    9 Reason "reason" Text Some(8), true, true;
    10 OccurredAt "occurred_at" Time None, true, true;
    11 CommittedAt "committed_at" Time None, false, true;
    12 RecordedAt "recorded_at" Time None, false, true;
    13 ActorType "actor_type" Text None, true, true;
    14 ActorId "actor_id" Text Some(0), true, true;
    15 ActorLabel "actor_label" Text Some(1), true, true;
    16 ImpersonatorId "impersonator_id" Text Some(10), true, true;
    17 ImpersonatorLabel "impersonator_label" Text Some(11), true, true;
    18 Service "service" Text None, true, true;
    19 Tenant "tenant" Text None, true, true;
    20 Source "source" Text None, true, true;
    21 Database "database" Text None, true, true;
    22 RequestId "request_id" Text None, true, true;
    23 TraceId "trace_id" Text None, true, true;
    24 Session "session" Text Some(2), true, true;
    25 Ip "ip" Text Some(3), true, true;
    26 UserAgent "user_agent" Text Some(4), true, true;
    27 HttpMethod "http_method" Text None, true, true;
    28 HttpRoute "http_route" Text None, true, true;
    29 HttpPath "http_path" Text None, true, true;
    30 HttpStatus "http_status" Int None, true, true;
    31 DurationUs "duration_us" Int None, true, true;
    32 Model "model" Text None, true, true;
    33 ObjectId "object_id" Text None, true, true;
    34 ObjectKey "object_key" Text None, false, true;
    35 ObjectLabel "object_label" Text Some(5), true, true;
    36 Related "related" Text Some(12), true, true;
    37 Changed "changed" Text None, true, true;
    38 Before "before" Text Some(6), true, true;
    39 After "after" Text Some(7), true, true;
    40 Unavailable "unavailable" Text None, true, true;
    41 Data "data" Text Some(9), true, true;
    42 Salt "salt" Bytes None, false, false;
    43 Redacted "redacted" Text None, false, false;
}

impl Column {
    /// Its tag in records and in the core.
    #[must_use]
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// Whether it holds personal data, which a redaction can remove.
    #[must_use]
    pub const fn is_personal(self) -> bool {
        self.salt_slot().is_some()
    }

    /// Its place in [`Column::ALL`] and in the table.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize - 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Column;

    #[test]
    fn tags_are_dense_and_names_are_unique() {
        let names: BTreeSet<_> = Column::ALL.iter().map(|column| column.name()).collect();
        assert_eq!(names.len(), Column::ALL.len());
        for (index, column) in Column::ALL.iter().enumerate() {
            assert_eq!(column.index(), index);
            assert_eq!(Column::from_tag(column.tag()), Some(*column));
            assert_eq!(Column::from_name(column.name()), Some(*column));
        }
    }

    #[test]
    fn salt_slots_are_dense_and_unique() {
        let slots: BTreeSet<_> =
            Column::ALL.iter().filter_map(|column| column.salt_slot()).collect();
        assert_eq!(slots, (0..13).collect());
    }

    #[test]
    fn the_specification_lists_the_same_columns() {
        let spec = include_str!("../../../docs/formats/event.md");
        let rows: Vec<Vec<&str>> = spec
            .lines()
            .filter(|line| line.starts_with("| ") && line.contains("| `"))
            .map(|line| line.split('|').map(str::trim).collect())
            .filter(|cells: &Vec<&str>| cells.len() > 6 && cells[1].parse::<u8>().is_ok())
            .collect();
        assert_eq!(rows.len(), Column::ALL.len());
        for (cells, column) in rows.iter().zip(Column::ALL) {
            assert_eq!(cells[1], column.tag().to_string());
            assert_eq!(cells[2], format!("`{}`", column.name()));
            let personal = column.salt_slot().map_or(String::new(), |slot| format!("p ({slot})"));
            assert_eq!(cells[4], personal, "{}", column.name());
            assert_eq!(cells[5] == "yes", column.is_in_record(), "{}", column.name());
            assert_eq!(cells[6] == "yes", column.is_in_core(), "{}", column.name());
        }
    }
}
