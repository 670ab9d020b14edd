"""What is told of a command while it runs, besides what people read: metrics in a file for Prometheus."""
