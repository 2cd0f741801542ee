-- Climate by hour of the day
-- Of each site and hour of the day (UTC): mean, lowest and highest value of a period. Means are cut to the thousandth.
-- :measure String = temperature  What is measured.
-- :from Date32 = 1970-01-01  First day, UTC.
-- :to Date32 = 2199-12-31  Last day, UTC.

SELECT site, toHour(start) AS hour, sum(h.readings) AS readings, sum(h.total) / sum(h.readings) AS mean,
       min(lowest) AS lowest, max(highest) AS highest, any(unit) AS unit
FROM (SELECT * FROM hourly FINAL WHERE measure = {measure:String} AND toDate32(start) BETWEEN {from:Date32} AND {to:Date32}) AS h
INNER JOIN (SELECT sensor_id, site, unit FROM sensors FINAL) AS s USING sensor_id
GROUP BY site, hour
ORDER BY site, hour
