-- No two users go by one handle
-- Whatever case it is written in; each user by the last handle that was taken.

SELECT handle, uniqExact(stream) AS users
FROM (
    SELECT lower(argMax(JSONExtractString(data, 'handle'), position)) AS handle, stream
    FROM events
    WHERE position <= {upto:UInt64} AND type IN ('UserRegistered', 'HandleChanged')
    GROUP BY stream
)
GROUP BY handle
HAVING users > 1
