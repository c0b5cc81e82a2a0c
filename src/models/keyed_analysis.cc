#include "models/keyed_analysis.h"

#include <algorithm>

namespace tidemark::models {

using clickhouse::quote_identifier;

std::string KeyedTable::rows(const std::string& condition, const std::set<std::string>& columns) const {
  if (log) return at_least_rows(condition);
  std::string from = "(SELECT * FROM " + base + " FINAL";
  if (condition.empty()) return from + " WHERE _deleted = 0)";
  // What all versions of a row agree on may be asked before the newest is found: the others are then never
  // read. Of anything else an older version could pass for the newest.
  bool of_key = std::includes(sorting.begin(), sorting.end(), columns.begin(), columns.end());
  return from + (of_key ? " PREWHERE " + condition + " WHERE _deleted = 0)"
                        : " WHERE _deleted = 0 AND " + condition + ")");
}

std::string KeyedTable::at_least_rows(const std::string& condition) const {
  return "(SELECT * FROM " + base + (condition.empty() ? "" : " WHERE " + condition) + ")";
}

std::string delta_placeholder(const KeyedTable& table) {
  return "{{delta:" + table.name + "}}";
}

std::set<std::string> Restriction::columns() const {
  std::set<std::string> all;
  for (const auto& expression : expressions)
    for (size_t source : expression.sources()) all.merge(expression.columns_of(source));
  return all;
}

KeyedAnalysis::KeyedAnalysis(const ModelSource& source, const SqlText& text, const KeyedTables& tables,
                             bool inlined)
    : source_(source),
      text_(text),
      tables_(tables),
      inlined_(inlined),
      references_(find_references(text.tokens)) {
  for (const auto& reference : references_)
    if (!reference.column) by_token_[reference.token] = &reference;
}

const KeyedTable* KeyedAnalysis::table(std::string_view name) const {
  auto found = tables_.find(name);
  return found == tables_.end() ? nullptr : &found->second;
}

bool KeyedAnalysis::refuse(size_t token, std::string message, std::string remedy) {
  if (inlined_)
    source_.complaints.at(0, "with the models it reads put in: " + message, std::move(remedy));
  else
    source_.complaints.at(text_.tokens[std::min(token, text_.tokens.size() - 1)].offset, std::move(message),
                          std::move(remedy));
  return false;
}

bool KeyedAnalysis::run(const std::vector<std::string>& key) {
  for (size_t index = 0; index < text_.tokens.size(); ++index)
    if (text_.call(index)) {
      size_t close = text_.partner[index + 1];
      if (close != std::string::npos && close + 1 < text_.tokens.size() &&
          text_.tokens[close + 1].keyword("OVER"))
        return refuse(index,
                      "a window function reaches over keys, so a change of one key would change others",
                      "use `-- kind: view`");
    }
  for (const auto& reference : references_)
    if (reference.in_set)
      return refuse(reference.token,
                    fmt::format("a change of {} would not say which keys it touches", reference.name()),
                    "join it in FROM, or use `-- kind: view`");
  TokenRange all{0, text_.tokens.size()};
  auto selects = branches(all, true);
  if (!selects) return false;
  const SelectScope* top = open(selects->front(), true);
  if (top == nullptr || !check_top(*top, key)) return false;
  std::vector<Expression> wanted;
  for (const auto& name : key) wanted.push_back(Expression::of_column(name));
  if (!touches(all, wanted, true, touches_)) return false;
  bool restricted = restrict(all, {wanted.begin(), wanted.end()}, [&](size_t offset, Restriction found) {
    restrictions_[offset] = std::move(found);
  });
  if (!restricted) return false;
  if (restrictions_.empty())
    return refuse(0, "no table carries a column of the key, so every change would recompute the whole model",
                  "give it a key of columns of its tables, or use `-- kind: view`");
  return true;
}

bool KeyedAnalysis::restrict(TokenRange range, const Wanted& wanted, const Restrict& out) {
  auto selects = branches(range, false);
  if (!selects) return false;
  const SelectScope* named = nullptr;
  for (TokenRange branch : *selects) {
    const SelectScope* scope = open(branch, false);
    if (scope == nullptr) return false;
    if (named == nullptr) named = scope;
    Wanted mapped;
    for (const auto& one : wanted) mapped.push_back(one ? inside(*scope, *named, *one, false) : std::nullopt);
    for (size_t index = 0; index < scope->joins.sources.size(); ++index) {
      Wanted here;
      bool any = false;
      for (const auto& one : mapped) {
        here.push_back(one ? carried(*scope, index, *one) : std::nullopt);
        any |= here.back().has_value();
      }
      if (any && !restrict_source(*scope, index, here, out)) return false;
    }
  }
  return true;
}

bool KeyedAnalysis::restrict_source(const SelectScope& scope, size_t index, const Wanted& wanted,
                                    const Restrict& out) {
  const JoinedSource& source = scope.joins.sources[index];
  if (source.subquery) return restrict(source.place, wanted, out);
  Restriction restriction{.table = table_of(source)};
  for (size_t key = 0; key < wanted.size(); ++key)
    // An expression without columns says nothing about rows.
    if (wanted[key] && !wanted[key]->sources().empty()) {
      restriction.keys.push_back(key);
      restriction.expressions.push_back(*wanted[key]);
    }
  if (!restriction.keys.empty()) out(by_token_.at(source.place.first)->offset, std::move(restriction));
  return true;
}

std::string KeyedAnalysis::current(const SelectScope& scope, size_t index, const Conditions& conditions,
                                   bool at_least) const {
  const JoinedSource& source = scope.joins.sources[index];
  auto rows = [&](const TableReference& reference, const KeyedTable& table) {
    auto condition = conditions.find(reference.offset);
    if (condition == conditions.end()) return at_least ? table.at_least_rows() : table.rows();
    const auto& [sql, columns] = condition->second;
    return at_least ? table.at_least_rows(sql) : table.rows(sql, columns);
  };
  if (!source.subquery) return rows(*by_token_.at(source.place.first), *table_of(source));
  size_t copied = text_.tokens[source.place.first].offset;
  size_t end = text_.tokens[source.place.last - 1].end();
  std::string out;
  at_least = false;
  for (const auto& reference : references_) {
    if (reference.offset < copied || reference.offset >= end) continue;
    out += std::string_view(text_.sql).substr(copied, reference.offset - copied);
    copied = reference.end;
    if (reference.column) {
      out += quote_identifier(reference.table);
      continue;
    }
    auto table = tables_.find(reference.name());
    out += table == tables_.end() ? reference.name() : rows(reference, table->second);
    if (!reference.aliased) out += " AS " + quote_identifier(reference.table);
  }
  return out + std::string(std::string_view(text_.sql).substr(copied, end - copied));
}

}  // namespace tidemark::models
