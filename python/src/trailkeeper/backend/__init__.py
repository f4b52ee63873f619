"""The trail as a read-only Django database, over the SQL of DataFusion.

- Reading works like any Django database: `QuerySet`, `raw()` and cursors.
- Every write is refused with one error, raised in `read_only`.
- There is no connection to keep or to lose: each query asks the engine of the process,
  which sees the store, the spool and the open transactions of the calling thread.
- The alias is `trailkeeper`. `alias.install()` adds it; `DATABASES` does not name it, and
  nothing that walks over the databases of the project meets it.

What the SQL of the engine lacks is listed in `features`; it raises `NotSupportedError`.
"""
