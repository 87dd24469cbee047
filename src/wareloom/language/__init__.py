"""Words and vectors of text: tokens of English and Chinese, and the embedders."""
