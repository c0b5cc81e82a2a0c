// Kind `keyed`: rows recomputed for the keys a cut touched.
//
// That is exact only when the row of a key depends on nothing but source rows that lead to that key, and when
// every change says which keys it touches: keyed_analysis.h finds both out, or refuses. Then restricting the
// tables that carry the key to the touched keys gives the same rows as restricting the result, and costs only
// those keys.
//
// Models that the model reads are inlined down to the mirrored tables, or down to the stores of models whose
// change rows can be told (KeyedTable): a store sorted by the key makes reading the rows of a key cheap.
#pragma once

#include "models/compiled_model.h"
#include "models/keyed_analysis.h"
#include "models/model_source.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tidemark::models {

struct KeyedModel {
  std::string touched_columns;  // of the touched table, with types
  std::string store_columns, engine;

  // The change rows of one table, as far as finding touched keys needs them; `placeholder` stands for it.
  struct Delta {
    std::string placeholder;
    std::string mirrored;
    std::string columns;
    std::string select;
  };
  std::vector<Delta> deltas;

  // Mirrored table ("bronze.x") -> SELECT of the touched table's columns: over its change rows as they come,
  // and over everything once the cut is in ({cut:UInt64}).
  std::vector<std::pair<std::string, std::string>> touch_selects, derived_selects;

  // Of a slice of the keys touched in {cut:UInt64}: {key_count:UInt64} from {key_offset:UInt64} on.
  std::string restricted_select;  // the model's rows
  std::string touched_keys;       // the keys themselves
  std::string touched_count;      // how many there are in all

  std::vector<std::string> column_names;  // quoted, of the model
  std::vector<std::string> key_names;     // quoted
};

constexpr std::string_view touched_placeholder = "{{touched}}";

// `text`: the model over `tables` alone. `inlined`: it differs from the file's text, so complaints cannot
// point into it.
std::optional<KeyedModel> compile_keyed(const ModelSource& source, const KeyedTables& tables,
                                        const SqlText& text, bool inlined,
                                        const std::vector<clickhouse::ColumnDescription>& columns);

}  // namespace tidemark::models
