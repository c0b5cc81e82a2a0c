// What a model file became: the statements that make it, fill it and keep it right. Plain values, made by
// compile() (compiler.h), used by plan and apply (plan.h), the runtime (runtime.h), verify and lineage.
//
// Names in the warehouse, for model analytics.x with fingerprint 0123abcd...:
//   analytics.x                        the view that carries the public name (every kind)
//   analytics.x__0123abcd              store: groups with sums, rows, or rows by key
//   analytics.x__0123abcd__mv          materialized view from bronze.<table>__changes to the store
//   analytics.x__0123abcd__touched     keyed: the keys that changes touched, by cut
//   analytics.x__0123abcd__touch_<n>   keyed: materialized views that write them, one a source table
#pragma once

#include "clickhouse/schema.h"
#include "config/diagnostic.h"
#include "config/project.h"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::models {

enum class ModelKind { view, incremental, keyed };
const char* name(ModelKind kind);

// How the store holds the model.
enum class StoreForm {
  none,    // view: computed at read
  groups,  // incremental with aggregates: sums of signed deltas by group
  rows,    // incremental without: one row per source row, newest version wins
  keyed,   // rows recomputed for touched keys, newest version wins
};

struct CompiledModel {
  config::ModelFile file;
  std::string name;  // "analytics.campaign_daily"
  ModelKind kind = ModelKind::view;
  StoreForm form = StoreForm::none;
  std::string fingerprint;  // 16 hexadecimal digits

  std::vector<std::string> tables;                     // "bronze.x" read directly
  std::vector<std::string> models;                     // models read directly
  std::set<std::string> tables_in_depth;               // "bronze.x" read directly or through models
  std::vector<clickhouse::ColumnDescription> columns;  // of the public view

  std::string recompute;  // the plain SELECT over bronze.*__current, every model inlined

  // In order; each may be run again. store, when there is one, is "`analytics`.`x__0123abcd`".
  std::string store;
  std::vector<std::string> create_statements;
  std::string backfill_statement;     // fills an empty store from the current rows; empty for views
  std::string view_statement;         // CREATE OR REPLACE VIEW of the public name
  std::vector<std::string> physical;  // tables and views it owns without the public one, dependents first

  // keyed only, each run in order with the query parameters {cut:UInt64}, {row_version:UInt128} and
  // {tombstone_version:UInt128}: rows first, then tombstones of a lower version, which hide only keys that
  // got no row.
  std::string touched;
  std::vector<std::string> refresh_statements;  // of the keys touched in one cut
  std::vector<std::string> rebuild_statements;  // of all keys
};

struct CompiledModels {
  std::vector<CompiledModel> models;  // each after those it reads

  const CompiledModel* find(std::string_view name) const;
  // Models that read `name` ("analytics.x" or "bronze.t"), directly or through others.
  std::vector<std::string> downstream_of(std::string_view name) const;
};

}  // namespace tidemark::models
