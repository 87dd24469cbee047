"""Content: items are alike because they read alike, not because the same people had them."""
