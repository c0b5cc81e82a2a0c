// For property tests: which pieces of SQL the random models have, so that a run can tell that it has tried
// them all. Most are seen in the text; the generator names the others (ModelGenerator::constructs).
#pragma once

#include "config/model_file.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace tidemark::models {

struct WrittenConstruct {
  const char* kind;  // empty: any
  const char* text;  // what the SQL has
};

inline const std::vector<WrittenConstruct>& written_constructs() {
  static const std::vector<WrittenConstruct> all{
      {"incremental", "INNER JOIN"},
      {"incremental", "LEFT JOIN"},
      {"incremental", "LEFT ANY JOIN"},
      {"incremental", "LEFT SEMI JOIN"},
      {"incremental", "LEFT ANTI JOIN"},
      {"incremental", "CROSS JOIN"},
      {"incremental", "ASOF JOIN"},
      {"incremental", "ASOF LEFT JOIN"},
      {"incremental", "HAVING"},
      {"incremental", "avg("},
      {"incremental", "avgIf("},
      {"incremental", "sumIf("},
      {"incremental", "countIf("},
      {"incremental", "FILTER ("},
      {"incremental", "CASE WHEN"},
      {"keyed", "INNER JOIN"},
      {"keyed", "LEFT JOIN"},
      {"keyed", "LEFT ANY JOIN"},
      {"keyed", "LEFT SEMI JOIN"},
      {"keyed", "LEFT ANTI JOIN"},
      {"keyed", "ASOF JOIN"},
      {"keyed", "ASOF LEFT JOIN"},
      {"keyed", "FULL JOIN"},
      {"keyed", "RIGHT JOIN"},
      {"keyed", "USING ("},
      {"keyed", "UNION ALL"},
      {"keyed", "HAVING"},
      {"keyed", "quantileExact("},
      {"keyed", "uniqExactIf("},
      {"keyed", "argMax("},
      {"view", "OVER (PARTITION BY"},
      {"view", "WITH up_rows"},
      {"view", "LIMIT"},
      {"refresh", "GROUP BY"},
      {"refresh", "LIMIT"},
      {"refresh", "OVER (PARTITION BY"},
      {"", "GROUP BY ALL"},
      {"", "'Europe/Berlin'"},
      {"", "'Asia/Kolkata'"},
  };
  return all;
}

inline const std::vector<std::string>& named_constructs() {
  static const std::vector<std::string> all{"incremental: rows",
                                            "incremental: joined rows",
                                            "incremental: states",
                                            "incremental: states and joins",
                                            "incremental: over a subquery",
                                            "incremental: over a union",
                                            "incremental: a union of rows",
                                            "incremental: over a view",
                                            "incremental: over an incremental model",
                                            "incremental: aggregate of a joined column",
                                            "incremental: condition over both sides",
                                            "incremental: product of both sides",
                                            "incremental: dictionary",
                                            "incremental: ttl",
                                            "incremental: partition_by",
                                            "incremental: order_by",
                                            "keyed: over a store of rows",
                                            "keyed: over a model",
                                            "keyed: a store joined with a table",
                                            "join: a subquery",
                                            "join: a model",
                                            "view: rows",
                                            "view: dictionary",
                                            "view: over a refresh model"};
  return all;
}

// How many models have each construct; every one has a place, those that nobody has a zero.
using ConstructCounts = std::map<std::string, uint64_t>;

inline std::string name_of(const WrittenConstruct& construct) {
  return std::string(construct.kind) + (*construct.kind == 0 ? "" : ": ") + construct.text;
}

inline void count_constructs(ConstructCounts& counts, const config::ModelFile& file,
                             const std::set<std::string>& named) {
  for (const auto& construct : written_constructs())
    if ((*construct.kind == 0 || file.kind == construct.kind) &&
        file.sql.find(construct.text) != std::string::npos)
      ++counts[name_of(construct)];
  for (const auto& name : named) ++counts[name];
  if (!file.ttl.empty()) ++counts[file.kind + ": ttl"];
  if (!file.partition_by.empty()) ++counts[file.kind + ": partition_by"];
  if (!file.order_by.empty()) ++counts[file.kind + ": order_by"];
}

inline ConstructCounts no_constructs() {
  ConstructCounts counts;
  for (const auto& construct : written_constructs()) counts[name_of(construct)] = 0;
  for (const auto& name : named_constructs()) counts[name] = 0;
  return counts;
}

}  // namespace tidemark::models
