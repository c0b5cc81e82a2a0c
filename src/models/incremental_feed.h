// Where an incremental model's change rows come from. The left-most table of a model feeds its store; that
// may be a mirrored table, a subquery or model that only filters, renames and computes columns of one, or a
// UNION ALL of such. All the others are joined when the model is read.
//
// A projection commutes with change rows: an old image goes through it as a row to take away. So it is kept
// as it is, carrying _sign and _version along. Whatever counts, sorts or limits does not commute and is
// refused.
#pragma once

#include "models/resolved_query.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::models {

// The stand-in for the rows of a mirrored table: change rows, or the current rows as such.
constexpr std::string_view rows_placeholder = "{{rows}}";

struct Feed {
  const MirroredTable* table = nullptr;
  std::string from;                         // what stands in FROM, with rows_placeholder
  std::map<std::string, std::string> keys;  // key column of the table -> the fact's column that carries it
};

struct Fact {
  std::string alias;        // "__table1"
  std::vector<Feed> feeds;  // several: UNION ALL
  TokenRange joins;         // the rest of FROM

  // Rows are only ever added.
  bool log() const;
};

// The fact of the SELECT whose FROM is `from`. `place`: where complaints point to. nullopt: complaints.
std::optional<Fact> find_fact(const ModelSource& source, const ResolvedQuery& query, TokenRange from,
                              size_t place);

// Tables ("orders") whose change rows feed an incremental model of this text: those at the left end of FROM.
// `sql_of` gives the text of a model it reads there, or nothing. Text that cannot be read feeds nothing.
std::set<std::string> feeding_tables(
    std::string_view sql, const std::function<std::optional<std::string>(const std::string&)>& sql_of);

// Offsets in the text of the table references at the left end of FROM.
std::vector<size_t> feeding_references(const SqlText& text, TokenRange range);

}  // namespace tidemark::models
