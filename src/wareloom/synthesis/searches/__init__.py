"""Synthesizers of search sessions: what is typed, shown, clicked and bought."""
