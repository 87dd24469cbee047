"""Files that processes share: arrays mapped from disk, texts by code, records that only grow."""
