"""`headrace demo`: real input through the public routes, the results checked against a plain pass over the input."""
