"""What pixels were made from: rules that get a smaller original back, exactly."""
