// Which keys does a change touch, and which rows does a key need? Both answers come from walking a keyed
// model's SELECTs down to the tables it reads.
//
// A source of a FROM carries the key when every key column is one of its columns, or equal to one by the
// conditions of the joins. Its change rows name the keys they touch. Any other source D touches the keys of
// the joined rows its change rows match: the SELECT's own FROM up to D, with D replaced by its old and new
// images of the cut and its join made INNER.
//
//   fact f LEFT JOIN account a ON a.id = f.account LEFT JOIN region r ON r.id = a.region, key f.account
//     f: f.account    a: a.id    r: SELECT f.account FROM f LEFT JOIN a ON ... INNER JOIN <changes of r> ON
//     ...
//
// Why the current rows of the other sources are enough, although several may change in one cut. Take a joined
// row that is there before the cut and not after, or the other way round, and go through its sources from
// left to right to the first one that is not the same before and after: it is a changed row, or a place left
// empty that a changed row fills. Everything left of it is the same before and after, hence among the current
// rows, and joins with the change rows of that source. So the key is found there, whatever the sources
// to the right did. Three conditions make that hold, and are checked: the key's columns come from sources
// that no outer join leaves empty; sources to the right of D are needed only when the key has columns of
// them, and then with the cut's old and new images added to their current rows; WHERE is not applied. For a
// subquery the same holds for the columns that are asked of it: they must be grouped by when it aggregates.
//
// ASOF: the place that a row leaves empty is filled by the next nearest, which did not change. So the key
// must not depend on which row is the nearest. Of the rows that match some change row, only those whose match
// can have changed, because no current row is nearer than the nearest change row.
//
// Rows that a key needs: every table that carries some of the key's columns is restricted to the touched
// values of these; the others are read whole.
#pragma once

#include "models/model_source.h"
#include "models/references.h"
#include "models/select_scope.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::models {

// What a keyed model reads: a mirrored table, or the store of another model.
struct KeyedTable {
  std::string name;      // "bronze.x", "analytics.x"
  std::string mirrored;  // "bronze.x": the table whose change rows feed it
  std::set<std::string> columns;
  std::string base;               // quoted name of the table that holds the rows
  bool log = false;               // rows are only ever added
  std::set<std::string> sorting;  // columns of its sorting key: all versions of a row have the same
  std::string changes;            // what FROM reads old and new images from; has _cut
  std::string typed;              // what FROM can read the same columns from before there is a store

  // The current rows, in brackets; `condition`, over `columns`, narrows them.
  std::string rows(const std::string& condition = {}, const std::set<std::string>& columns = {}) const;
  // These and perhaps others that were current once: cheaper.
  std::string at_least_rows(const std::string& condition = {}) const;
};
using KeyedTables = std::map<std::string, KeyedTable, std::less<>>;

// Statements and with them fingerprints must not depend on where tables lie in memory.
struct ByTableName {
  bool operator()(const KeyedTable* left, const KeyedTable* right) const { return left->name < right->name; }
};

// Keys that changes of `table` touch: expressions over its change rows, or a SELECT of columns _0, _1, ...
// with {cut:UInt64} and, for the change rows of a table, delta_placeholder(table).
struct Touch {
  const KeyedTable* table = nullptr;
  std::vector<Expression> direct;
  std::string select;
};
std::string delta_placeholder(const KeyedTable& table);

// A table where the model reads it, and what of the key it carries there.
struct Restriction {
  const KeyedTable* table = nullptr;
  std::vector<size_t> keys;             // which of the key's columns, ascending
  std::vector<Expression> expressions;  // for each, over the table's columns

  std::set<std::string> columns() const;
};

class KeyedAnalysis {
 public:
  KeyedAnalysis(const ModelSource& source, const SqlText& text, const KeyedTables& tables, bool inlined);

  bool run(const std::vector<std::string>& key);  // false: complaints say why

  const KeyedTable* table(std::string_view name) const;
  const std::vector<Touch>& touches() const { return touches_; }
  const std::map<size_t, Restriction>& restrictions() const {
    return restrictions_;
  }  // by offset in the text
  // Columns of the change rows that `select`s of touches read.
  const std::map<const KeyedTable*, std::set<std::string>, ByTableName>& deltas() const { return deltas_; }

 private:
  using Wanted = std::vector<std::optional<Expression>>;  // over the columns of a subquery or table
  using Conditions =
      std::map<size_t, std::pair<std::string, std::set<std::string>>>;  // by offset of the reference: SQL,
                                                                        // its columns
  using Restrict = std::function<void(size_t offset, Restriction restriction)>;

  // What the joins of one source ask for; `sides` of a comparison, the source's own second.
  struct Condition {
    Expression whole;
    std::string comparison;  // "=", ">=", ... as read with the sides in this order; empty: something else
    Expression other, own;
  };

  bool refuse(size_t token, std::string message, std::string remedy);
  const SelectScope* open(TokenRange range, bool top);
  bool check_clauses(const SelectScope& scope, TokenRange range);
  bool check_top(const SelectScope& scope, const std::vector<std::string>& key);
  bool open_sources(SelectScope& scope, TokenRange range);
  std::optional<std::vector<TokenRange>> branches(TokenRange range, bool top);
  const KeyedTable* table_of(const JoinedSource& source) const;
  bool has_aggregate(const SelectScope& scope, TokenRange range, size_t depth = 0) const;

  // An expression over the output of a subquery, whose first branch is `named`, as one over the sources of
  // `scope`, which is one of its branches. Complains when `must`.
  std::optional<Expression> inside(const SelectScope& scope, const SelectScope& named,
                                   const Expression& wanted, bool must);
  std::vector<Condition> conditions(const SelectScope& scope, size_t source) const;
  std::optional<Expression> carried(const SelectScope& scope, size_t source,
                                    const Expression& expression) const;
  bool check_aligned(const SelectScope& scope, const std::vector<Expression>& wanted);
  bool check_nearest(const SelectScope& scope, const std::vector<Expression>& wanted);

  bool touches(TokenRange range, const std::vector<Expression>& wanted, bool top, std::vector<Touch>& found);
  bool touches_of(const SelectScope& scope, size_t source, const std::vector<Expression>& wanted,
                  std::vector<Touch>& found);
  bool touches_through(const SelectScope& scope, size_t source, const std::vector<Expression>& wanted,
                       std::vector<Touch>& found);
  bool restrict(TokenRange range, const Wanted& wanted, const Restrict& out);
  bool restrict_source(const SelectScope& scope, size_t source, const Wanted& wanted, const Restrict& out);

  // SELECT of the values of `touch`, named `names`.
  std::string changed_rows(const Touch& touch, const std::vector<std::string>& names);
  // A source's rows, in brackets.
  std::string current(const SelectScope& scope, size_t source, const Conditions& conditions,
                      bool at_least) const;

  const ModelSource& source_;
  const SqlText& text_;
  const KeyedTables& tables_;
  bool inlined_;
  std::vector<TableReference> references_;
  std::map<size_t, const TableReference*> by_token_;
  std::map<size_t, std::unique_ptr<SelectScope>> scopes_;  // by first token
  std::vector<Touch> touches_;
  std::map<size_t, Restriction> restrictions_;
  std::map<const KeyedTable*, std::set<std::string>, ByTableName> deltas_;
};

}  // namespace tidemark::models
