"""What the benchmarks share. Nothing here measures by itself."""
