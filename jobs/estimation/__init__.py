"""What compressing a collection would take: listed, sampled, measured and projected; one file a role."""
