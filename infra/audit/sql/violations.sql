-- The first violations of a constraint, each with the number of all.
SELECT *, count() OVER () AS violations_of_all FROM (
${query}
) LIMIT ${limit}
