"""Complete programs, each with the number that its title claims."""
