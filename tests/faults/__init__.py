"""The promises of coverslip under attack: each case counts what was sent and what became of it."""
