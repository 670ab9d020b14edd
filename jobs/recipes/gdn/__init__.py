"""How the codecs with divisive normalisation are trained."""
