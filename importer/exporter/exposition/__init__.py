"""How figures are shown: the text that Prometheus reads, the pages, and the ports that hand them out."""
