// Which mirrored tables a query depends on, through any number of models: a dashboard tile is run again only
// when a cut brought rows of one of them, and an endpoint's answer that somebody has stays the same until
// then. Pure; needs no warehouse. Thread-safe after construction.
#pragma once

#include "config/model_file.h"
#include "models/compiled_model.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::models {

class Lineage {
 public:
  Lineage() = default;
  explicit Lineage(const std::vector<config::ModelFile>& files);
  explicit Lineage(const CompiledModels& models);

  // "bronze.impressions", ... ; empty when the SQL reads none, is not SQL, or reads something whose sources
  // are not known here (memberships, people): part of an answer would be taken for all of it.
  std::set<std::string> tables_of(std::string_view sql) const;
  // The same for a model or table by name.
  std::set<std::string> tables_of_name(std::string_view name) const;
  // Only cuts of tables_of() change the answer: that is not empty, and neither the SQL nor a model it reads
  // asks a clock, chance or a dictionary, is computed by a schedule, or forgets rows by their age.
  bool moves_with_cuts(std::string_view sql) const;

 private:
  std::set<std::string, std::less<>> restless_;  // models whose rows change without a cut, too
  std::map<std::string, std::set<std::string>, std::less<>> reads_;  // model -> what it reads directly
};

}  // namespace tidemark::models
