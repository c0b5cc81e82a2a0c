-- description: one person, by customer or by profile
-- param id String required "a customer's id, or a profile's"
SELECT * FROM cdp.people WHERE customer_id = {id:String} OR profile_id = {id:String} ORDER BY profile_id
