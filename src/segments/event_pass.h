// One reading of a segment's events, shared by all conditions over them: rows of every event table in one
// form (key, instant, which selections they match, the property texts somebody asked for), grouped once by
// entity with conditional aggregates. Conditions ask for columns and get names; sql() is the query when all
// have asked.
//
//   SELECT _k0, countIf(_m0 AND _ts > ...) AS p0, maxIf(...) AS p1
//   FROM (SELECT key AS _k0, ts AS _ts, event = {p:String} AND ... AS _m0 FROM (SELECT ... FROM events WHERE
//   ...)) GROUP BY _k0
//
// Who wants the events themselves instead (event_leaf.h) asks for row columns; then rows_sql() is the query:
// _key, _ts, _id, _c0, _c1, ... (Int64), _s0, ... (Nullable(String)), a row for each event that anybody
// selects.
//
// Who keeps events asks for the row columns packed (kept_columns.h): of the rows there are, or of rows that
// are given with the question, so that what they are worth is the same SQL.
//
// Tables are read through the view of their present rows, so a message that came twice counts once.
#pragma once

#include "segments/kept_columns.h"
#include "segments/key_filter.h"
#include "segments/property_sql.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace tidemark::segments {

// A question about rows of `table` that are given in {rows:String}: in base64, a Native block of `columns` in
// their order, which stands in the text where given_structure does.
struct GivenRows {
  std::string table, sql;
  std::map<std::string, std::string> columns;  // with their types in the warehouse
};
inline constexpr const char* given_structure = "{{structure}}";

class EventPass {
 public:
  // `key_types`: of the entity's key columns. Tables that do not fit are problems.
  static Result<std::unique_ptr<EventPass>> make(SqlContext& context, Catalog& catalog,
                                                 const std::vector<EventTable>& tables,
                                                 const std::vector<std::string>& key_types);

  // A column, UInt8: the row is one of the selection's.
  std::string match(const EventSelection& selection, const Location& where);
  // A column, Int64: when the row may next become or cease to be one of the selection's; empty: never.
  std::string match_next(const EventSelection& selection);
  // A column, Nullable(String): the property as text, of rows of the selection.
  std::string value(const EventSelection& selection, const Path& path, const Location& where);
  // A column of the result.
  std::string aggregate(const std::string& expression);
  // A number or text of each row, made of the columns above and _ts; its number among those of its kind.
  size_t row_number(const std::string& expression);
  size_t row_text(const std::string& expression);
  // Rows as old as this are needed; nothing: all of them. Said by everyone who asks for an aggregate.
  void reach_back(std::optional<int64_t> seconds);

  bool used() const { return !aggregates_.empty(); }
  // Key columns are compared as texts, because the types differ.
  bool text_keys() const { return text_keys_; }
  std::string sql(const KeyFilter& keys) const;
  // At most `most` rows and one more.
  std::string rows_sql(const KeyFilter& keys, size_t most) const;

  // _key, _ts, _id, the flags as UInt64 (64 each), the times as Int64, the texts. A text or time that nobody
  // looks at is NULL or 0.
  std::string kept_sql(const KeptColumns& kept, const KeyFilter& keys, size_t most) const;
  std::vector<GivenRows> given_sql(const KeptColumns& kept) const;
  // One row with the constants; empty when there are none.
  std::string constants_sql(const KeptColumns& kept) const;
  size_t numbers() const { return row_numbers_.size(); }
  size_t texts() const { return row_texts_.size(); }
  // How far back rows are read; nothing: all of them.
  std::optional<int64_t> back_seconds() const { return back_seconds_; }

 private:
  struct Table {
    EventTable table;
    RowSource rows;
    std::vector<std::string> matches, values;
    std::vector<std::string> nexts;  // beside matches; empty: never
    bool constant = false;
  };

  EventPass(SqlContext& context) : context_(context) {}
  // `read`: where the rows are.
  std::string table_sql(const Table& table, const KeyFilter& keys, const std::string& read) const;
  std::string packed_sql(const KeptColumns& kept, const std::string& rows) const;
  std::string key_sql() const;
  std::string prefilter(const Table& table, const KeyFilter& keys) const;
  RowScope scope(Table& table);
  size_t match_index(const EventSelection& selection, const Location& where);
  // Somebody looks at properties of the selection's rows.
  void look_into(const EventSelection& selection);
  // Whether anybody does, of a row of `table`; empty: of every row.
  std::string looked_into(const Table& table) const;

  SqlContext& context_;
  std::vector<Table> tables_;
  size_t keys_ = 0;
  bool text_keys_ = false;
  std::map<std::string, size_t> known_matches_;
  std::vector<bool> match_changes_;
  std::map<Path, size_t> known_values_;
  std::vector<std::string> aggregates_, row_numbers_, row_texts_;
  std::vector<std::string> names_, prefixes_;
  bool every_event_ = false;
  std::set<std::string> looked_names_, looked_prefixes_;
  std::optional<int64_t> back_seconds_ = 0;
};

}  // namespace tidemark::segments
