"""Linear and factor models of the user-item matrix."""
