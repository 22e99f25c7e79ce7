"""HTTP: how the service fares, the last picture, a stream."""
