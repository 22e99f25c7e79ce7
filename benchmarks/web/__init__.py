"""What the page costs and how soon it shows what a camera sees: commands, one a file."""
