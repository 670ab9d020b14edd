"""Jobs from a file, on Ray, on Kubernetes or from cron: what is submitted, once, and how it ended."""
