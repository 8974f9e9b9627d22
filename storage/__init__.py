"""SQL: keeps the promises of `bot.store`."""
