"""A version made of an encoder and a decoder from elsewhere: what they are is measured on their pictures."""
