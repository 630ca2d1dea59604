"""What every viewer must do, written once and run on each: ``pytest --viewer NAME`` picks."""
