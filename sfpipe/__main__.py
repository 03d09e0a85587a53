"""``python -m sfpipe``: what ``torchrun -m sfpipe train`` starts in each process."""

from sfpipe.cli import main

main()
