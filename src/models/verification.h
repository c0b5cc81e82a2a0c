// The proof: every model against a full recompute of its plain SQL over the current rows of bronze, with
// every model it reads inlined down to bronze, so that a wrong store shows in all that build on it. Rows are
// compared by value as multisets, in one query a model, in bounded memory (the server spills).
//
// The caller makes sure that no cut is applied between the two sides: one query reads both, but not from one
// snapshot.
#pragma once

#include "clickhouse/client.h"
#include "models/compiled_model.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::models {

struct ModelParity {
  std::string model;  // "analytics.x"
  ModelKind kind = ModelKind::view;
  uint64_t rows = 0;       // of the model
  uint64_t missing = 0;    // rows of the recompute that the model lacks
  uint64_t extra = 0;      // rows of the model that the recompute lacks
  uint64_t different = 0;  // the larger of both: a changed row is one missing and one extra
  // The model's own SQL gives another answer each time it is run over the same rows (ties at a LIMIT, any(),
  // sums of floats in another order): only the number of rows is compared.
  bool unrepeatable = false;
  // refresh: what it reads changed so fast that its result was never as of now; `different` is not counted.
  bool moving = false;
  // What it reads from Postgres by itself, as of no commit: it is not compared at all.
  std::vector<std::string> live;
  std::vector<std::string> examples;  // "missing (1, 'a')", "extra (1, 'b')"
};

Result<std::vector<ModelParity>> verify_models(clickhouse::Client& client, const CompiledModels& models);
// Of one that differs: fills `unrepeatable`, and then compares the number of rows alone.
Status judge_difference(clickhouse::Client& client, const CompiledModel& model, ModelParity& parity);
Result<ModelParity> verify_model(clickhouse::Client& client, const CompiledModel& model);

}  // namespace tidemark::models
