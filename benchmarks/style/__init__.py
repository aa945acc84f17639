"""Style transfer (section 3.2.2) in numbers."""
