"""Filled by `simple_history.register` in `HistoryTablesConfig.ready`."""
