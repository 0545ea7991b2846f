"""From hardware facts to connector status, charging state, transaction, permission and limit."""
