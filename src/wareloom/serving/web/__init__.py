"""HTTP: the application and its door, limits and keys, pages and console, the processes that serve."""
