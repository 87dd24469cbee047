"""Events from 2xx to table: the log and its sinks, UBI, the compactor, deletion."""
