// What a kind cannot follow exactly, found in the model's own text so that the complaint has a line.
#pragma once

#include "models/model_source.h"

#include <optional>

namespace tidemark::models {

// The one mirrored table an incremental model reads, when nothing in the model is a trap; otherwise nullptr
// and complaints.
const MirroredTable* check_incremental(const ModelSource& source, const SqlText& text);

// Functions that give another answer each time: complained about wherever they stand.
void refuse_changing_functions(const ModelSource& source, const SqlText& text, std::string_view kind);

// First token of a SELECT in brackets behind token `from`, outside of FROM when `outside_from` is set.
std::optional<size_t> find_subquery(const SqlText& text, size_t from);

// "max", when the call at `index` is an aggregate that cannot be kept by adding change rows up.
bool additive_aggregate(std::string_view function);

}  // namespace tidemark::models
