"""Project 1: who painted this? A CNN on the paintings of fifty artists."""
