"""Virtual stations, a bench CSMS and measurements."""
