//! Failing stores, generators and crash images for tests.
