"""What the composition roots are made of."""
