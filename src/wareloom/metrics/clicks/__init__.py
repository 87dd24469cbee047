"""What predicted probabilities of clicks, or predicted ratings, are worth."""
