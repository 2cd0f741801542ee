-- Latest values
-- What each sensor in service said last, with its unit.
-- :site String = all  Sensors of this site; all for every site.
-- :limit UInt32 = 1000  How many sensors.

SELECT site, sensor_id, kind, measure, last_value, unit, last_at
FROM sensors FINAL
WHERE retired_at IS NULL AND ({site:String} = 'all' OR site = {site:String})
ORDER BY site, sensor_id
LIMIT {limit:UInt32}
