"""How good a model is: error rates with their uncertainty, and what it forgot."""
