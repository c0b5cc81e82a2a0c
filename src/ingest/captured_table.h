// A table of the source as the warehouse holds it: its name there and the statements that make its three
// faces.
//
//   bronze.<name>            current state, ReplacingMergeTree(_version, _deleted) ordered by the primary
//   key;
//                            a plain MergeTree log when there is no key or the table is declared append_only
//   bronze.<name>__current   the rows that exist now (hides FINAL, deletes and the bookkeeping columns)
//   bronze.<name>__history   all of these there ever were, where the project asks for it
//   bronze.<name>__changes   signed change rows, ENGINE = Null: models hang on it; only where one needs it
//
// Every row carries _version (base/version.h), _committed_at (the source's commit time) and _cut (which cut
// brought it; 0 for the initial copy); state tables also _deleted.
#pragma once

#include "base/column.h"
#include "postgres/catalog.h"

#include <string>
#include <vector>

namespace tidemark::ingest {

struct CapturedTable {
  postgres::SourceTable source;
  std::string name;            // in database bronze: "impressions", "shop_orders" for shop.orders
  bool log = false;            // rows are only ever added: no key, or declared append_only
  bool append_only = false;    // declared so
  bool has_changes = false;    // a model needs change rows
  bool history = false;        // they are kept (row_history.h); then has_changes, too
  bool drops_columns = false;  // that the source dropped; else they stay, hidden
  std::string copy_of;   // another table, to compare them (shadow_table.h): rows that do not fit are its
  bool repeats = false;  // changes may come again, or late: see repeated_rows.h
  // A log whose rows have a key of which the first counts (repeated_rows.h): it is never updated, so it needs
  // no FINAL and models may keep whatever they like of it. Then also what it is ordered by, and further
  // clauses of its CREATE (projections, indexes).
  bool keeps_first = false;
  std::vector<std::string> order_by;
  std::vector<std::string> clauses;

  // "bronze.`impressions`", with `suffix` inside the quotes.
  std::string target(const std::string& suffix = {}) const;
  // "bronze.impressions": what people read.
  std::string display() const { return "bronze." + name; }
  // Names of the columns the key is made of.
  std::vector<std::string> key_names() const;
  // Whether an update may arrive without a large value, or models need the old row: then single rows are read
  // back.
  bool reads_back() const { return !log && (has_changes || source.has_toastable_columns); }
};

// The bookkeeping columns at the end of every bronze block, in this order.
namespace bookkeeping {
constexpr const char* version = "_version";
constexpr const char* deleted = "_deleted";
constexpr const char* committed_at = "_committed_at";
constexpr const char* cut = "_cut";
constexpr const char* sign = "_sign";
constexpr const char* operation = "_op";
}  // namespace bookkeeping

CapturedTable capture(postgres::SourceTable source, bool append_only, bool has_changes);

// An empty block with the source's columns and the bookkeeping of bronze.<name> (no _deleted for a log).
Block bronze_block(const CapturedTable& table);

// Settings of a table that inserts with a token go to: acknowledged when on disk, repeated tokens are known.
std::string durable_settings();

// CREATE statements, each IF NOT EXISTS; safe to run at every start.
std::vector<std::string> create_statements(const CapturedTable& table);

}  // namespace tidemark::ingest
