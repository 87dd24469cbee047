"""Users written event by event: what `transformer` and `gru` share, from the grammar of events to their decoding."""
