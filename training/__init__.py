"""How the bundled model is made; never imported by the running bot."""
