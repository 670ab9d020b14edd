"""Published tables made again: what a table is, and the job that trains, measures and prints one."""
