"""`python -m bot` is `roomtone`."""

from bot.cli import main

main()
