// What the store of an incremental model with aggregates holds, and how a reader gets the aggregates back.
//
// The store has a column for every part of the query that is over the fact alone and is needed before
// aggregates can be finished: what GROUP BY names, what joins compare, what conditions mix with joined
// columns. Beside them are sums of signed deltas. Because a sum over facts is the sum of the sums of their
// groups, joining the groups with a dimension and adding up again gives what joining the facts would give:
//
//   count()                     sum(_rows)
//   sum(f.x)                    sum(_sum)                    _sum:  sum of x or -x
//   sum(f.x * d.rate)           sum(_sum * d.rate)           a product is linear in its factor from the fact
//   sum(f.x / d.rate)           sum(f.x / d.rate * _rows)    anything else: x itself is a group
//   sumIf(f.x, f.a AND d.b)     sumIf(_sum, d.b)             _sum over the rows with a
//
// NULLs: the sum of no values is NULL, so the number of values is kept beside a sum that may have none.
// Over logs, whose rows are only ever added, every aggregate can be kept as a state and merged.
#pragma once

#include "models/resolved_query.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::models {

class IncrementalStore {
 public:
  struct Group {
    std::string name;
    std::string expression;  // over the fact
  };
  struct Sum {
    std::string name;
    std::string delta;   // aggregate over change rows of the fact
    std::string merged;  // aggregate over a store's column of that name: "sum", "uniqMergeState"
    bool state = false;
  };

  // `place` gives where in the file to complain about an aggregate: its function's name is passed.
  IncrementalStore(const ModelSource& source, const ResolvedQuery& query, std::string fact, bool log,
                   std::string from, std::function<size_t(std::string_view)> place);

  // An expression as a reader writes it: every largest part over the fact alone becomes a group of the store.
  std::string over_store(TokenRange expression);
  // The group of an expression over the fact, named `name` when it is new.
  const Group& group(TokenRange expression, const std::string& name = {});
  std::string group_column(const std::string& column);
  // A column for an item of the SELECT, also when another holds the same.
  void item_column(TokenRange expression, const std::string& name);

  bool only_fact(TokenRange range) const;

  // Takes an aggregate call in; false: complaints. Afterwards finished() knows it.
  bool add(TokenRange call);
  std::optional<std::string> finished(TokenRange call) const;

  const std::vector<Group>& groups() const { return groups_; }
  const std::vector<Sum>& sums() const { return sums_; }
  bool has_states() const;

 private:
  struct Call {
    TokenRange range;
    std::string function;  // as resolved
    std::vector<TokenRange> arguments;
    std::string parameters;  // "(0.5)" or nothing
  };
  struct Condition {
    std::string local;               // over the fact, for the delta; empty: all
    std::vector<std::string> reads;  // over the store and what is joined
  };

  bool refuse(const Call& call, std::string message, std::string remedy);
  Call parse(TokenRange range) const;
  Condition split(TokenRange condition);
  std::string column(const std::string& name) const { return fact_ + "." + name; }
  std::string store_sum(std::string_view prefix, const std::string& delta, std::string merged = "sum",
                        bool state = false);
  std::string weight(const std::string& local, const std::vector<std::string>& present);
  std::optional<std::vector<std::string>> types_of(const std::vector<std::string>& expressions);
  std::optional<std::string> additive(const Call& call);
  std::optional<std::string> sum_of(const Call& call, TokenRange argument, Condition condition, bool average);
  std::optional<std::string> state(const Call& call);
  std::optional<std::string> at_read(const Call& call);

  const ModelSource& source_;
  const ResolvedQuery& query_;
  std::string fact_;  // alias
  bool log_;
  std::string from_;  // FROM of the resolved text, over tables without rows
  std::function<size_t(std::string_view)> place_;
  std::vector<Group> groups_;
  std::vector<Sum> sums_;
  std::map<std::string, std::string> finished_;  // normalised call -> over the store
};

}  // namespace tidemark::models
