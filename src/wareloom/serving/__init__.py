"""Serving: published versions answer searches and recommendations, and follow each shopper's last click."""
