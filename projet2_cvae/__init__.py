"""Project 2: from the VAE to the conditional VAE, on Fashion-MNIST."""
