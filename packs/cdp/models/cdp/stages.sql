-- kind: view
-- description: people by how far they have come
SELECT stage, count() AS people, sum(person.events) AS events, sum(person.spent) AS spent
FROM cdp.people AS person
GROUP BY stage
