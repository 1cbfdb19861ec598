"""The layouts that a corpus comes in, one a module."""
