"""Discord: reads the channels it was asked to read, and answers where it is mentioned."""
