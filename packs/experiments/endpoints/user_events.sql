-- description: what a user did, newest first
-- param user_id String required "User"
SELECT timestamp, event_type, page, device, value FROM experiments_analytics.events_processed
WHERE user_id = {user_id:String} ORDER BY timestamp DESC LIMIT 1000
