"""The product: reads a team's chat, keeps trends, answers questions; knows no platform and no SQL."""
