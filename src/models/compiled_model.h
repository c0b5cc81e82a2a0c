// What a model file became: the statements that make it, fill it and keep it right. Plain values, made by
// compile() (compiler.h), used by plan and apply (plan.h), the runtime (runtime.h), verify and lineage.
//
// Names in the warehouse, for model analytics.x with fingerprint 0123abcd...:
//   analytics.x                        the view that carries the public name (every kind)
//   analytics.x__0123abcd              store: groups with sums, rows, or rows by key
//   analytics.x__0123abcd_2            the same of a later generation (generation.h)
//   analytics.x__0123abcd__fill        what a backfill has gathered for a store of sums (backfill.h)
//   analytics.x__0123abcd__next        refresh: what the next run fills before both change places
//   analytics.x__0123abcd__mv          materialized view from bronze.<table>__changes to the store
//   analytics.x__0123abcd__touched     keyed: the keys that changes touched, by cut
//   analytics.x__0123abcd__touch_<n>   keyed: materialized views that write them
//   analytics.x__0123abcd__delta_<n>   keyed: change rows of a table that does not carry the key, by cut
//   analytics.x__0123abcd__change_<n>  keyed: materialized views that write them
#pragma once

#include "clickhouse/schema.h"
#include "config/diagnostic.h"
#include "config/model_file.h"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::models {

enum class ModelKind { view, incremental, keyed, refresh };
const char* name(ModelKind kind);

// How the store holds the model.
enum class StoreForm {
  none,    // view: computed at read
  groups,  // incremental with aggregates: sums of signed deltas by group
  rows,    // incremental without: one row per source row, newest version wins
  keyed,   // rows recomputed for touched keys, newest version wins
  result,  // refresh: the rows of the last run, replaced as a whole
};

// What keeps a keyed model right; runtime.h runs them. Query parameters: {cut:UInt64}; of `refresh` also
// {key_offset:UInt64} and {key_count:UInt64}; of `refresh` and `rebuild` {row_version:UInt128} and the lower
// {tombstone_version:UInt128}, whose rows hide only keys that got no row.
struct KeyedStatements {
  // Tables that materialized views and `derive` fill, by cut, and whose cuts those are ("bronze.x").
  // Partitioned by (mirrored table, cut / cuts_a_partition).
  std::vector<std::pair<std::string, std::set<std::string>>> cut_tables;
  // Mirrored table -> SELECT, for the touched table, of the keys its changes touch by way of other tables.
  std::vector<std::pair<std::string, std::string>> derive;
  std::string count;                 // of the keys touched
  std::string refresh;               // rows and tombstones of a slice of the touched keys
  std::vector<std::string> rebuild;  // of all keys, in this order
  std::string newest;                // how many rows the store has, about, and the highest version in it
  std::string touched_keys;          // SELECT of a slice of the touched keys, in the model's key columns
};
// Cleaning up is dropping whole partitions of cuts that are fenced.
constexpr uint64_t cuts_a_partition = 4096;

struct CompiledModel {
  config::ModelFile file;
  std::string name;  // "analytics.campaign_daily"
  ModelKind kind = ModelKind::view;
  StoreForm form = StoreForm::none;
  std::string fingerprint;  // 16 hexadecimal digits

  std::vector<std::string> tables;                     // "bronze.x" read directly
  std::vector<std::string> models;                     // models read directly
  std::set<std::string> tables_in_depth;               // "bronze.x" read directly or through models
  std::set<std::string> fed_by;                        // "bronze.x" whose rows its store is made of
  std::vector<clickhouse::ColumnDescription> columns;  // of the public view

  // What a change of makes this model's answer another one at once: everything it reads, but nothing that
  // lies behind a refresh model, which holds back changes until its next run.
  std::set<std::string> immediate_tables;
  std::set<std::string> refresh_models;
  // Tables and dictionaries that are read from Postgres by the query itself: no fence, so no proof.
  std::set<std::string> live_reads;
  // incremental: what is joined or looked up by whoever reads the view, at the cost of the reader.
  std::vector<std::string> joined_at_read;

  // The plain SELECT over bronze.*__current, every model inlined but refresh models. Those of kind refresh
  // have the parameter {refresh_at:Int64} where they read the clock (refresh_model.h).
  std::string recompute;

  // In order; each may be run again. store, when there is one, is "`analytics`.`x__0123abcd`".
  std::string store;
  std::vector<std::string> create_statements;
  std::string backfill_statement;  // fills an empty store from the current rows; empty for views
  // incremental: the same for each of fed_by alone, ("bronze.x", statement).
  std::vector<std::pair<std::string, std::string>> feed_statements;
  std::string view_statement;         // CREATE OR REPLACE VIEW of the public name
  std::vector<std::string> physical;  // tables and views it owns without the public one, dependents first

  std::string touched;  // keyed only, as all of `keyed`
  KeyedStatements keyed;

  // refresh only: `next` (quoted) gets the rows of fill_select, then it and `store` change places.
  std::string next;
  std::string fill_select;
  uint32_t generation = 0;  // of the physical tables named above: generation.h
  // Everything above that may name a physical table.
  std::vector<std::string*> statements();
};

struct CompiledModels {
  std::vector<CompiledModel> models;  // each after those it reads

  const CompiledModel* find(std::string_view name) const;
  // Models that read `name` ("analytics.x" or "bronze.t"), directly or through others.
  std::vector<std::string> downstream_of(std::string_view name) const;
};

}  // namespace tidemark::models
