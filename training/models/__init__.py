"""What is trained: networks, likelihoods, objectives, and the model that joins them."""
