// The same model built once more: its tables get a number behind the fingerprint, so that the one that is
// read and the one that is being filled stand side by side.
//
//   analytics.x__0123abcd        generation 0
//   analytics.x__0123abcd_2      generation 2: `tidemark backfill`, or a definition that came back
//
// Only names differ; fingerprint and columns are the same. Pure text, no warehouse.
#pragma once

#include "models/compiled_model.h"
#include "models/model_state.h"

namespace tidemark::models {

// Every statement of `model`, one of `models`, and of those that read it names the tables of that generation
// from here on.
void set_generation(CompiledModels& models, CompiledModel& model, uint32_t generation);

// Each model names the tables of the generation the warehouse has active, when its definition is the same.
void adopt_generations(CompiledModels& models, const ModelState& state);

}  // namespace tidemark::models
