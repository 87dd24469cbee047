"""`python -m wareloom` is the command line."""

from wareloom.cli import main

main()
