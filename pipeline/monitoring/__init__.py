"""What is told of work while it runs: who is at work, figures for Prometheus, lines for logs."""
