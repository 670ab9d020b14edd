"""How a command ended, in a way that machines read: run-report.json."""
