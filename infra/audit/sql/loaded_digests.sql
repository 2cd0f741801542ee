-- Digests of the loaded events of one page, by range; the formulas are in infra/audit/digests.py.
SELECT intDiv(position, ${leaf}), count(), uniqExact(position), uniqExact(id), sum(content), sum(derived)
FROM (${items})
GROUP BY 1
