// What a kind cannot follow exactly, found in the model's own text so that the complaint has a line.
#pragma once

#include "models/model_source.h"

#include <optional>
#include <set>

namespace tidemark::models {

// What the text of an incremental model says about its form.
struct IncrementalForm {
  std::set<size_t> feeding;  // offsets of the references at the left end of FROM
  bool united = false;       // a UNION ALL of SELECTs
  size_t from = 0;           // offset of the first FROM: where to complain about what feeds the model
};

// nullopt, and complaints, when something in the model is a trap.
std::optional<IncrementalForm> check_incremental(const ModelSource& source, const SqlText& text);

// Functions that give another answer each time: complained about wherever they stand. Reading dictionaries is
// allowed where `dictionaries` is set.
void refuse_changing_functions(const ModelSource& source, const SqlText& text, std::string_view kind,
                               bool dictionaries = false);

// Whether an aggregate can be kept by adding change rows up.
bool additive_aggregate(std::string_view function);

}  // namespace tidemark::models
