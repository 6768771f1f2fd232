"""Engine of rlextras: tensors in, tensors out; it knows no environment and no host library."""
