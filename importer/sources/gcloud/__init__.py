"""G-Cloud: what the public sector spent through the frameworks, from the CSV file that was published monthly."""
