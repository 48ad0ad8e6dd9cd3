"""Says how fast a web server answers, from its access log."""
