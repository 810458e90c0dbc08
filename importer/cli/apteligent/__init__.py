"""dailyjobs, groupedby, livestats and servicestats, and pingdom, which takes their way."""
