"""`./dev mutate`: how many small bugs, planted one at a time, the tests notice."""
