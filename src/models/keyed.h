// Kind `keyed`: rows recomputed for the keys a cut touched.
//
// That is exact only when the row of a key depends on nothing but source rows of that key. So every SELECT of
// the model, down to the mirrored tables, must carry the key through: aggregates are grouped by it, joins are
// USING it, nothing is limited or ranked across it. Then restricting every mirrored table to the touched keys
// gives the same rows as restricting the result, and costs only those keys.
//
// Models that the model reads are inlined, so a keyed model may build on any other.
#pragma once

#include "models/compiled_model.h"
#include "models/model_source.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::models {

struct KeyedModel {
  std::string touched_columns;  // of the touched table, with types
  std::string store_columns, engine;
  // Mirrored table ("bronze.x") -> SELECT of touched keys over its change rows.
  std::vector<std::pair<std::string, std::string>> touch_selects;
  // The model over the rows of the keys touched in {cut:UInt64}; `touched` stands for the touched table.
  std::string restricted_select;
  std::vector<std::string> column_names;  // quoted, of the model
  std::vector<std::string> key_names;     // quoted
  std::string touched_keys;               // SELECT of the keys touched in {cut:UInt64}
};

constexpr std::string_view touched_placeholder = "{{touched}}";

// `text`: the model with all models inlined, over bronze.<table>. `inlined`: it differs from the file's text,
// so complaints cannot point into it.
std::optional<KeyedModel> compile_keyed(const ModelSource& source, const SqlText& text, bool inlined,
                                        const std::vector<clickhouse::ColumnDescription>& columns);

}  // namespace tidemark::models
