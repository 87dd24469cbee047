"""What shoppers did last: in a file that processes share, or in Redis."""
