"""What tuning changed inside the model: similarity of its layers before and after."""
