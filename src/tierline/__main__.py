"""`python -m tierline`."""

from tierline.cli import main

main()
