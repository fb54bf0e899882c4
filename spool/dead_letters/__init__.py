"""What could not go on, with its reason and its way back."""
