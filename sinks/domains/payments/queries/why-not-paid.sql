-- Why payments failed
-- Reasons of payments that were declined, expired or refunded, the most frequent first.

SELECT status, reason, count() AS payments
FROM payments FINAL
WHERE status IN ('declined', 'expired', 'refunded')
GROUP BY status, reason
ORDER BY payments DESC, status, reason
