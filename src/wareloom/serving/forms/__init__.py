"""The forms in which rankers answer one request, from mapped arrays: tables, words, sums, continuations."""
