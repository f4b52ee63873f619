"""The tables of the application beside what the trail knows of them.

- `selection`: the tables that are meant.
- `stored`: their rows, in pages.
- `known`: the newest versions and links that the trail has, in pages; `kin`: those of rows that
  objects of several models have.

All of it only reads, and holds one page in memory, however long a table or its history is.
"""
