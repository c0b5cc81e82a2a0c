// The statements that make a keyed model's tables and keep them right, from what the compiler found out.
#pragma once

#include "models/compiled_model.h"
#include "models/keyed.h"

#include <string>
#include <vector>

namespace tidemark::models {

// All that decides what the statements below will be, but for names.
std::vector<std::string> fingerprint_parts(const KeyedModel& compiled);

// Fills in store, touched, create_statements, backfill_statement, physical and keyed of `model`, whose
// fingerprint, columns and recompute are set. The caller makes the public view and says how a store is made.
void write_keyed_statements(const KeyedModel& compiled, CompiledModel& model);

}  // namespace tidemark::models
