// Which mirrored tables must have change rows, read from the models' text alone, before anything is in the
// warehouse.
#pragma once

#include "config/model_file.h"

#include <set>
#include <string>
#include <vector>

namespace tidemark::models {

// The tables ("impressions", without the database) whose change rows models need. Needs no warehouse; models
// that do not even tokenize are skipped (compile() reports them).
std::set<std::string> tables_needing_changes(const std::vector<config::ModelFile>& files);

}  // namespace tidemark::models
