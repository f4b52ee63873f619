//! Where a leaf is, and how many there are.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The number as this type.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The plain number.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl From<u64> for $name {
            fn from(number: u64) -> Self {
                Self(number)
            }
        }

        impl From<$name> for u64 {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The position of a leaf in the tree, from 0; for an event, its `seq`.
    LeafIndex
}

number! {
    /// The number of leaves of a tree.
    TreeSize
}

impl TreeSize {
    /// The size of the tree without leaves.
    pub const ZERO: Self = Self(0);
}
