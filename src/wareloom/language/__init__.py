"""Words, vectors and texts: tokens of English and Chinese, embedders, text models, and the safety of what they say."""
