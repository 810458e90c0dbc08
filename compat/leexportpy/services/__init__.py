"""Old import path of the services; users' folders of services are added to its path."""
