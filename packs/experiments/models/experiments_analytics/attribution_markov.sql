-- kind: view
-- description: a chain from the start over sources to a conversion or to nothing, with the frequencies of the ways; a source's part is what would be lost without it (whatever enters it is lost). Probabilities by 500 steps of the chain: what is still on its way then counts as lost
WITH
    steps AS
    (
        SELECT step.1 AS origin, step.2 AS target, count() AS times
        FROM experiments_analytics.attribution_paths
        ARRAY JOIN arrayZip(arrayConcat(['(start)'], sources), arrayConcat(sources, [if(converted = 1, '(converted)', '(lost)')])) AS step
        GROUP BY origin, target
    ),
    (SELECT arraySort(groupUniqArray(origin)) FROM steps WHERE origin != '(start)') AS channels,
    arrayConcat(['(start)'], channels) AS states,
    (SELECT groupArray((origin, target, times)) FROM steps) AS counted,
    arrayMap(origin -> arraySum(arrayMap(one -> if(one.1 = origin, one.3, 0), counted)), states) AS totals,
    -- Row of a state: to each state, then to the conversion.
    arrayMap((origin, total) -> arrayMap(target -> arraySum(arrayMap(one -> if(one.1 = origin AND one.2 = target, one.3, 0), counted)) / total, arrayPushBack(states, '(converted)')), states, totals) AS chain,
    -- The chance to convert from each state, with the state `without` taken out (0: none).
    arrayMap(without -> arrayFold((chance, turn) -> arrayMap((row, place) -> if(place = without, 0., arraySum(arrayMap((part, reached) -> part * reached, row, arrayPushBack(chance, 1.)))), chain, arrayEnumerate(chain)),
        range(500), arrayMap(state -> 0., states))[1], range(length(states) + 1)) AS chances,
    chances[1] AS whole,
    arrayMap(place -> if(whole = 0, 0., 1 - chances[place + 2] / whole), arrayEnumerate(channels)) AS effects,
    (SELECT count() FROM experiments_analytics.attribution_paths WHERE converted = 1) AS conversions
SELECT channels[place] AS source, effects[place] AS removal_effect, if(arraySum(effects) = 0, 0., effects[place] / arraySum(effects)) AS share, share * conversions AS conversions_credited
FROM (SELECT arrayJoin(arrayEnumerate(channels)) AS place)
