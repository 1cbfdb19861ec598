"""What is drawn, a file for each question; rates are in percent."""
