"""`python -m wareloom` is the command line."""

import signal

if __name__ == "__main__":
    # Stopped while its modules are loaded, a command ends without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from wareloom.cli import main

main()
