"""SQLite behind a lane: units, tables, migrations, outbox."""
