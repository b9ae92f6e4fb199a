"""The programs on top of the library: the command line, batches, the doctor, benchmarks and the studio."""
