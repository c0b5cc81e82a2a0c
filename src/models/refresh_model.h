// Kind `refresh`: the whole SELECT is run again, on a schedule or when something it reads has changed, into a
// second table that then changes places with the first.
//
// Anything ClickHouse can compute is allowed, as long as it can be proven: the same rows must give the same
// answer. The clock is a part of the input (now(), today() ... become the instant of the run, which is
// recorded with it, so that verify can ask the same question again); random numbers, host names and the like
// are refused, and so is a LIMIT without an ORDER BY.
//
// What the model reads: mirrored tables as they are now, views as their SQL (the instant must reach them),
// everything else by its public name, so that stores are read instead of what they were made of.
#pragma once

#include "models/compiled_model.h"
#include "models/model_source.h"

#include <optional>
#include <string>

namespace tidemark::models {

// The query parameter that carries the instant of a run: microseconds since 1970, Int64.
constexpr std::string_view refresh_instant = "refresh_at";

struct RefreshModel {
  std::string store_columns;
  std::string engine;
  std::string fill_select;  // with {refresh_at:Int64} where the clock is read
  std::string recompute;    // the same over `recompute`
};

// `own`: the model's text. `filled`: it with its views put in, over current rows. `recompute`: it down to
// bronze and other refresh models. nullopt: complaints say why.
std::optional<RefreshModel> compile_refresh(const ModelSource& source, const SqlText& own,
                                            const std::string& filled, const std::string& recompute,
                                            const std::vector<clickhouse::ColumnDescription>& columns);

// The instant of a first fill, which has no run of its own: when the store (quoted) was made. An expression.
std::string instant_of_fill(const std::string& store);

// A text of at_instant() with that expression for the parameter.
std::string at_fill(std::string sql, const std::string& store);

// The SQL with every reading of the clock replaced by the instant of the run.
Result<std::string> at_instant(const std::string& sql);

}  // namespace tidemark::models
