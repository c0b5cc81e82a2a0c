#include "models/change_tables.h"

#include "models/incremental_feed.h"
#include "models/references.h"
#include "models/subqueries_in_place.h"

#include <map>
#include <optional>

namespace tidemark::models {

std::set<std::string> tables_needing_changes(const std::vector<config::ModelFile>& files) {
  std::map<std::string, std::string> texts;
  std::map<std::string, std::vector<std::string>> reads;
  for (const auto& file : files) {
    texts[file.full_name()] = subqueries_in_place(file.sql).value_or(file.sql);
    if (auto names = referenced_tables(file.sql)) reads[file.full_name()] = *names;
  }
  std::set<std::string> tables;
  for (const auto& file : files) {
    // What an incremental model joins, it joins when it is read.
    if (file.kind == "incremental")
      tables.merge(feeding_tables(texts.at(file.full_name()),
                                  [&](const std::string& name) -> std::optional<std::string> {
                                    auto found = texts.find(name);
                                    return found == texts.end() ? std::nullopt : std::optional(found->second);
                                  }));
    if (file.kind != "keyed") continue;
    std::set<std::string> seen;
    std::vector<std::string> open{file.full_name()};
    while (!open.empty()) {
      std::string name = open.back();
      open.pop_back();
      if (!seen.insert(name).second) continue;
      if (name.starts_with("bronze."))
        tables.insert(name.substr(7));
      else if (auto found = reads.find(name); found != reads.end())
        open.insert(open.end(), found->second.begin(), found->second.end());
    }
  }
  return tables;
}

}  // namespace tidemark::models
