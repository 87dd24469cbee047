"""What classes that are said of photos are worth."""
