#include "models/incremental_store.h"

#include "models/exact_sums.h"
#include "models/incremental_traps.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

std::string all_of(const std::vector<std::string>& conditions) {
  if (conditions.empty()) return {};
  std::vector<std::string> bracketed;
  for (const auto& condition : conditions) bracketed.push_back("(" + condition + ")");
  return joined(bracketed, " AND ");
}

// sum(value), or sumIf(value, conditions)
std::string sum_where(const std::string& value, const std::vector<std::string>& conditions) {
  return conditions.empty() ? "sum(" + value + ")" : "sumIf(" + value + ", " + all_of(conditions) + ")";
}

// Rows that are there several times, because a join or a store's groups repeat them, change nothing.
bool indifferent_to_repetition(std::string_view function) {
  static constexpr std::string_view known[] = {
      "min",       "max",          "uniqExact",      "uniq",
      "any",       "argMin",       "argMax",         "groupUniqArray",
      "uniqHLL12", "uniqCombined", "uniqCombined64", "groupBitAnd",
      "groupBitOr"};
  if (function.ends_with("If")) function.remove_suffix(2);
  return std::find(std::begin(known), std::end(known), function) != std::end(known);
}

// Aggregates whose result, or the last digits of it, depends on the order in which rows are added; and what
// to write instead.
std::optional<std::string> order_dependent(std::string function) {
  if (function.ends_with("If")) function.resize(function.size() - 2);
  static const std::map<std::string, std::string> known = {
      {"quantile", "quantileExact"},
      {"quantiles", "quantilesExact"},
      {"median", "medianExact"},
      {"quantileTDigest", "quantileExact"},
      {"quantilesTDigest", "quantilesExact"},
      {"quantileBFloat16", "quantileExact"},
      {"topK", "a `-- kind: view` with ORDER BY count() and LIMIT BY"},
      {"varPop", "sums of x and of x * x as Decimal"},
      {"varSamp", "sums of x and of x * x as Decimal"},
      {"stddevPop", "sums of x and of x * x as Decimal"},
      {"stddevSamp", "sums of x and of x * x as Decimal"},
      {"covarPop", "sums of x, y and x * y as Decimal"},
      {"covarSamp", "sums of x, y and x * y as Decimal"},
      {"corr", "sums of x, y and x * y as Decimal"},
  };
  auto found = known.find(function);
  return found == known.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

IncrementalStore::IncrementalStore(const ModelSource& source, const ResolvedQuery& query, std::string fact,
                                   bool log, std::string from, std::function<size_t(std::string_view)> place)
    : source_(source),
      query_(query),
      fact_(std::move(fact)),
      log_(log),
      from_(std::move(from)),
      place_(std::move(place)) {
  sums_.push_back({.name = "_rows", .delta = "sum(toInt64(" + column("_sign") + "))", .merged = "sum"});
}

bool IncrementalStore::refuse(const Call& call, std::string message, std::string remedy) {
  source_.complaints.at(place_(call.function), std::move(message), std::move(remedy));
  return false;
}

bool IncrementalStore::only_fact(TokenRange range) const {
  return query_.mentions(range, fact_) && !query_.reads_elsewhere(range, fact_);
}

bool IncrementalStore::has_states() const {
  return std::any_of(sums_.begin(), sums_.end(), [](const auto& sum) { return sum.state; });
}

const IncrementalStore::Group& IncrementalStore::group(TokenRange expression, const std::string& name) {
  std::string written = query_.text().normalised(value_without_brackets(query_.text(), expression));
  for (const auto& known : groups_)
    if (known.expression == written) return known;
  groups_.push_back({name.empty() ? fmt::format("_group_{}", groups_.size()) : name, written});
  return groups_.back();
}

void IncrementalStore::item_column(TokenRange expression, const std::string& name) {
  groups_.push_back({name, query_.text().normalised(value_without_brackets(query_.text(), expression))});
}

std::string IncrementalStore::group_column(const std::string& name) {
  std::string written = fact_ + " . " + quote_identifier(name);
  for (const auto& known : groups_)
    if (known.expression == written || known.expression == fact_ + " . " + name)
      return column(quote_identifier(known.name));
  groups_.push_back({fmt::format("_group_{}", groups_.size()), written});
  return column(quote_identifier(groups_.back().name));
}

std::string IncrementalStore::over_store(TokenRange expression) {
  return query_.rewrite(expression, [&](TokenRange part) -> std::optional<std::string> {
    if (!only_fact(part)) return std::nullopt;
    return column(quote_identifier(group(part).name));
  });
}

IncrementalStore::Call IncrementalStore::parse(TokenRange range) const {
  const SqlText& text = query_.text();
  Call call{.range = range, .function = text.tokens[range.first].name};
  size_t open = range.first + 1, close = text.partner[open];
  if (close + 1 < range.last) {
    call.parameters = text.normalised({open, close + 1});
    open = close + 1;
    close = text.partner[open];
  }
  for (TokenRange argument : text.split({open + 1, close}, ","))
    if (!argument.empty()) call.arguments.push_back(argument);
  return call;
}

IncrementalStore::Condition IncrementalStore::split(TokenRange condition) {
  Condition result;
  std::vector<std::string> local;
  for (TokenRange part : query_.conjuncts(condition)) {
    if (query_.reads_elsewhere(part, fact_))
      result.reads.push_back(over_store(part));
    else
      local.push_back(query_.text().normalised(part));
  }
  result.local = all_of(local);
  return result;
}

std::string IncrementalStore::store_sum(std::string_view prefix, const std::string& delta, std::string merged,
                                        bool state) {
  for (const auto& sum : sums_)
    if (sum.delta == delta) return column(sum.name);
  sums_.push_back({.name = fmt::format("_{}_{}", prefix, sums_.size()),
                   .delta = delta,
                   .merged = std::move(merged),
                   .state = state});
  return column(sums_.back().name);
}

// How many rows of the fact a group stands for: those under a local condition and with all of `present`.
std::string IncrementalStore::weight(const std::string& local, const std::vector<std::string>& present) {
  std::vector<std::string> conditions = present;
  if (!local.empty()) conditions.push_back(local);
  if (conditions.empty()) return column("_rows");
  return store_sum("count",
                   "sum(if(" + all_of(conditions) + ", toInt64(" + column("_sign") + "), toInt64(0)))");
}

std::optional<std::vector<std::string>> IncrementalStore::types_of(
    const std::vector<std::string>& expressions) {
  std::vector<std::string> items, types;
  for (const auto& expression : expressions)
    items.push_back(fmt::format("({}) AS _expression_{}", expression, items.size()));
  auto described = clickhouse::describe_select(source_.client, "SELECT " + joined(items) + " FROM " + from_);
  if (!described) {
    source_.complaints.refused(described.error(), "arguments of aggregates", 1'000'000);
    return std::nullopt;
  }
  for (const auto& one : *described) types.push_back(one.type);
  return types;
}

bool IncrementalStore::add(TokenRange range) {
  std::string written = query_.text().normalised(range);
  if (finished_.contains(written)) return true;
  Call call = parse(range);
  auto type = types_of({written});
  if (!type) return false;
  std::optional<std::string> result;
  bool arguments_elsewhere = false;
  for (TokenRange argument : call.arguments) arguments_elsewhere |= query_.reads_elsewhere(argument, fact_);
  if (additive_aggregate(call.function) && call.parameters.empty())
    result = additive(call);
  else if (arguments_elsewhere && indifferent_to_repetition(call.function) && !call.arguments.empty() &&
           query_.reads_elsewhere(call.arguments[0], fact_))
    result = at_read(call);
  else
    result = state(call);
  if (!result) return false;
  finished_[written] = "CAST(" + *result + ", " + quote_string(type->front()) + ")";
  return true;
}

std::optional<std::string> IncrementalStore::finished(TokenRange call) const {
  auto found = finished_.find(query_.text().normalised(call));
  return found == finished_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> IncrementalStore::additive(const Call& call) {
  std::string function = lower_case(call.function);
  Condition condition;
  std::vector<TokenRange> arguments = call.arguments;
  if (function.ends_with("if") && !arguments.empty()) {
    condition = split(arguments.back());
    arguments.pop_back();
    function.resize(function.size() - 2);
  }
  if (function != "count") return sum_of(call, arguments[0], std::move(condition), function == "avg");
  std::vector<std::string> present;
  if (!arguments.empty()) {
    std::string argument = query_.text().normalised(arguments[0]);
    auto type = types_of({argument});
    if (!type) return std::nullopt;
    if (is_nullable(type->front())) {
      if (query_.reads_elsewhere(arguments[0], fact_))
        condition.reads.push_back("isNotNull(" + over_store(arguments[0]) + ")");
      else
        present.push_back("isNotNull(" + argument + ")");
    }
  }
  return sum_where(weight(condition.local, present), condition.reads);
}

std::optional<std::string> IncrementalStore::sum_of(const Call& call, TokenRange argument,
                                                    Condition condition, bool average) {
  const SqlText& text = query_.text();
  std::string written = text.normalised(argument);
  auto type = types_of({written});
  if (!type) return std::nullopt;
  std::string result = exact_sum_type(type->front());
  if (result.empty()) {
    bool floating = is_floating(type->front());
    refuse(call,
           floating ? fmt::format("{}() of {} drifts when rows are taken back: adding and subtracting floats "
                                  "does not give back the same number",
                                  call.function, type->front())
                    : fmt::format("{}() of {} cannot be kept by adding change rows up", call.function,
                                  type->front()),
           floating ? "cast to Decimal first (toDecimal64(x, 4)), or use `-- kind: keyed`"
                    : "use `-- kind: keyed` or `-- kind: view`");
    return std::nullopt;
  }
  bool may_be_null = is_nullable(type->front());

  // The factors over the fact alone, and the others; all of one kind when it is no product.
  std::vector<std::string> local, others;
  std::vector<TokenRange> other_ranges;
  bool product = true;
  for (TokenRange factor : query_.factors(argument)) {
    bool elsewhere = query_.reads_elsewhere(factor, fact_);
    if (elsewhere && query_.mentions(factor, fact_)) product = false;
    if (elsewhere)
      other_ranges.push_back(factor), others.push_back("(" + text.normalised(factor) + ")");
    else
      local.push_back("(" + text.normalised(factor) + ")");
  }
  std::string local_value = joined(local, " * ");
  std::string kept, local_type;
  if (others.empty()) {
    local_value = written;
    local_type = type->front();
    kept = signed_type(result);
  } else if (product && !local.empty()) {
    auto types = types_of({local_value, joined(others, " * ")});
    if (!types) return std::nullopt;
    local_type = (*types)[0];
    kept = kept_factor_type(local_type, (*types)[1], result);
  }

  std::vector<std::string> reads = condition.reads;
  std::string value, values;  // what a group adds to the sum, and how many values that are
  if (!kept.empty()) {
    std::vector<std::string> present;
    std::string delta = "CAST((" + local_value + ") AS " + kept + ")";
    std::string zero = "CAST(0 AS " + kept + ")";
    if (is_nullable(local_type)) {
      delta = "ifNull(CAST((" + local_value + ") AS Nullable(" + kept + ")), " + zero + ")";
      present.push_back("isNotNull(" + local_value + ")");
    }
    delta = "if(" + column("_sign") + " > 0, " + delta + ", -" + delta + ")";
    if (!condition.local.empty()) delta = "if(" + condition.local + ", " + delta + ", " + zero + ")";
    value = store_sum("sum", "sum(" + delta + ")");
    if (may_be_null || average) values = weight(condition.local, present);
    if (!others.empty()) {
      std::vector<std::string> factors;
      for (TokenRange factor : other_ranges) factors.push_back("(" + over_store(factor) + ")");
      std::string other = joined(factors, " * ");
      auto types = types_of({joined(others, " * ")});
      if (!types) return std::nullopt;
      if (is_nullable(types->front())) {
        reads.push_back("isNotNull(" + other + ")");
        other = "assumeNotNull(" + other + ")";
      }
      value += " * (" + other + ")";
    }
  } else {
    // The fact's part of the value is a group; a group's value counts as often as it has rows.
    std::string each = over_store(argument);
    if (may_be_null) {
      reads.push_back("isNotNull(" + each + ")");
      each = "assumeNotNull(" + each + ")";
    }
    values = weight(condition.local, {});
    value = "CAST(" + each + " AS " + signed_type(result) + ") * " + values;
  }
  std::string total = "CAST(" + sum_where(value, reads) + " AS " + result + ")";
  if (!may_be_null && !average) return total;
  std::string count = "CAST(" + sum_where(values, reads) + " AS UInt64)";
  if (average) total = "toFloat64(" + total + ") / toFloat64(" + count + ")";
  return may_be_null ? "if(" + count + " = 0, NULL, " + total + ")" : total;
}

// An aggregate of joined columns: computed at read, from groups that have rows, each once. What of the fact
// it needs becomes a group.
std::optional<std::string> IncrementalStore::at_read(const Call& call) {
  std::vector<std::string> arguments;
  for (TokenRange argument : call.arguments) arguments.push_back(over_store(argument));
  return call.function + call.parameters + "(" + joined(arguments) + ")";
}

std::optional<std::string> IncrementalStore::state(const Call& call) {
  if (!log_) {
    refuse(
        call,
        fmt::format(
            "{}() cannot be kept exact by adding change rows up: when a row is updated or deleted, its "
            "part of the result cannot be taken back",
            call.function),
        "use `-- kind: keyed` or `-- kind: view`; or declare the source's table `append_only: true` when its "
        "rows never change");
    return std::nullopt;
  }
  if (auto instead = order_dependent(call.function)) {
    refuse(
        call,
        fmt::format("{}() gives another answer when the same rows are added in another order", call.function),
        "use " + *instead);
    return std::nullopt;
  }
  std::string function = call.function;
  std::vector<std::string> arguments;
  Condition condition;
  bool conditional = function.ends_with("If") && call.arguments.size() > 1 &&
                     query_.reads_elsewhere(call.arguments.back(), fact_);
  for (size_t index = 0; index < call.arguments.size(); ++index) {
    TokenRange argument = call.arguments[index];
    if (conditional && index + 1 == call.arguments.size()) {
      condition = split(argument);
      continue;
    }
    if (query_.reads_elsewhere(argument, fact_)) {
      refuse(call,
             fmt::format("{}() of a joined column: a state cannot be corrected when the joined row changes",
                         call.function),
             "aggregate columns of the left-most table, or use `-- kind: keyed` or `-- kind: view`");
      return std::nullopt;
    }
    arguments.push_back(query_.text().normalised(argument));
  }
  std::string make = function + "State";
  std::string merge = function + "Merge";
  std::string merge_state = function + "MergeState";
  if (conditional) {
    std::string base = function.substr(0, function.size() - 2);
    make = base + "State";
    merge = base + "Merge" + (condition.reads.empty() ? "" : "If");
    merge_state = base + "MergeState";
    if (!condition.local.empty()) {
      make += "If";
      arguments.push_back(condition.local);
    }
  }
  std::string kept = store_sum("state", make + call.parameters + "(" + joined(arguments) + ")",
                               merge_state + call.parameters, true);
  std::string read = kept + (condition.reads.empty() ? "" : ", " + all_of(condition.reads));
  return merge + call.parameters + "(" + read + ")";
}

}  // namespace tidemark::models
