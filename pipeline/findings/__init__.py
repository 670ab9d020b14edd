"""What is unusual about an image, among others: blank, clipped, blurred, interpolated, a copy."""
