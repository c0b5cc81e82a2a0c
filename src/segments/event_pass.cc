#include "segments/event_pass.h"

#include "clickhouse/schema.h"
#include "segments/canonical.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {
namespace {

size_t place_in(std::vector<std::string>& expressions, const std::string& expression) {
  auto known = std::find(expressions.begin(), expressions.end(), expression);
  if (known != expressions.end()) return static_cast<size_t>(known - expressions.begin());
  expressions.push_back(expression);
  return expressions.size() - 1;
}

bool is_moment(const std::string& type) {
  return bare_type(type).starts_with("DateTime");
}

}  // namespace

Result<std::unique_ptr<EventPass>> EventPass::make(SqlContext& context, Catalog& catalog,
                                                   const std::vector<EventTable>& tables,
                                                   const std::vector<std::string>& key_types) {
  std::unique_ptr<EventPass> pass(new EventPass(context));
  pass->keys_ = key_types.size();
  for (const EventTable& table : tables) {
    TableShape shape = TRY(catalog.table(table.table));
    auto problem = [&](std::string message, std::string remedy = {}) {
      context.problems.push_back({table.where, std::move(message), std::move(remedy)});
    };
    if (!shape.exists) {
      problem(fmt::format("there is no table `{}`{}", table.table,
                          config::did_you_mean(table.table, TRY(catalog.names()))));
      continue;
    }
    bool fits = true;
    auto require = [&](const std::string& column, const char* what) {
      if (column.empty() || shape.type(column) != nullptr) return;
      problem(fmt::format("{} has no column `{}` for `{}`{}", table.table, column, what,
                          config::did_you_mean(column, shape.columns)));
      fits = false;
    };
    for (const std::string& column : table.key) require(column, "key");
    require(table.name, "name");
    require(table.time, "time");
    require(table.properties, "properties");
    require(table.id, "id");
    if (table.key.size() != key_types.size()) {
      problem(fmt::format("`key` names {} columns of {} and the entity's key has {}", table.key.size(),
                          table.table, key_types.size()),
              "Name the columns that equal the entity's key, in that order.");
      fits = false;
    }
    if (!fits) continue;
    if (!is_moment(*shape.type(table.time))) {
      problem(fmt::format("`{}` of {} is {}, and the time of an event is a DateTime", table.time, table.table,
                          *shape.type(table.time)));
      continue;
    }
    for (size_t index = 0; index < key_types.size(); ++index)
      if (bare_type(*shape.type(table.key[index])) != bare_type(key_types[index])) pass->text_keys_ = true;
    pass->tables_.push_back(
        {table, RowSource(shape, table.properties, context.zone), {}, {}, {}, table.name.empty()});
  }
  return pass;
}

RowScope EventPass::scope(Table& table) {
  return {[&table](const Path& path) { return table.rows.find(path); },
          fmt::format("events of {} have", table.table.table), table.rows.shape().columns};
}

size_t EventPass::match_index(const EventSelection& selection, const Location& where) {
  // The canonical text of a condition with this selection stands for the selection.
  std::string identity = canonical_text(Node{EventCondition{selection, {}, EventCount{}}, {}});
  auto [known, is_new] = known_matches_.emplace(identity, known_matches_.size());
  if (!is_new) return known->second;
  for (const std::string& name : selection.names) names_.push_back(name);
  for (const std::string& prefix : selection.prefixes) {
    prefixes_.push_back(prefix);
    every_event_ = every_event_ || prefix.empty();
  }
  if (!selection.filter.empty()) look_into(selection);
  bool found = selection.table.empty();
  match_changes_.push_back(false);
  for (Table& table : tables_) {
    if (!selection.table.empty() && selection.table != table.table.table) {
      table.matches.emplace_back("toUInt8(0)");
      table.nexts.emplace_back();
      continue;
    }
    found = true;
    std::string name = table.constant ? context_.parameters.add("String", table.table.constant_name)
                                      : fmt::format("ifNull({}, '')", table.rows.column(table.table.name));
    std::vector<std::string> ways;
    if (selection.names.size() == 1)
      ways.push_back(
          fmt::format("{} = {}", name, context_.parameters.add("String", selection.names.front())));
    else if (!selection.names.empty())
      ways.push_back(fmt::format("{} IN {}", name, context_.parameters.add_list("String", selection.names)));
    for (const std::string& prefix : selection.prefixes)
      ways.push_back(prefix.empty() ? "toUInt8(1)"
                                    : fmt::format("startsWith({}, {})", name,
                                                  context_.parameters.add("String", prefix)));
    std::string named = any_of(ways);
    Truth filter = selection.filter.empty() ? Truth{} : filter_sql(context_, scope(table), selection.filter);
    table.matches.push_back(selection.filter.empty() ? named
                                                     : fmt::format("({} AND {})", named, filter.value));
    table.nexts.push_back(filter.next.empty() ? ""
                                              : fmt::format("if({}, {}, {})", named, filter.next, never));
    if (!filter.next.empty()) match_changes_.back() = true;
  }
  if (!found)
    context_.problems.push_back({where,
                                 fmt::format("`{}` is no event table of this segment", selection.table),
                                 "Declare it below `events`."});
  return known->second;
}

std::string EventPass::match(const EventSelection& selection, const Location& where) {
  return fmt::format("_m{}", match_index(selection, where));
}

std::string EventPass::match_next(const EventSelection& selection) {
  size_t index = match_index(selection, {});
  return match_changes_[index] ? fmt::format("_g{}", index) : "";
}

void EventPass::look_into(const EventSelection& selection) {
  looked_names_.insert(selection.names.begin(), selection.names.end());
  looked_prefixes_.insert(selection.prefixes.begin(), selection.prefixes.end());
}

std::string EventPass::looked_into(const Table& table) const {
  if (table.constant || looked_prefixes_.contains("")) return "";
  std::string name = fmt::format("ifNull({}, '')", clickhouse::quote_identifier(table.table.name));
  std::vector<std::string> ways;
  if (!looked_names_.empty())
    ways.push_back(
        fmt::format("{} IN {}", name,
                    context_.parameters.add_list("String", {looked_names_.begin(), looked_names_.end()})));
  for (const std::string& prefix : looked_prefixes_)
    ways.push_back(fmt::format("startsWith({}, {})", name, context_.parameters.add("String", prefix)));
  return ways.empty() ? "" : any_of(ways);
}

std::string EventPass::value(const EventSelection& selection, const Path& path, const Location& where) {
  look_into(selection);
  auto [known, is_new] = known_values_.emplace(path, known_values_.size());
  if (is_new) {
    bool found = tables_.empty();
    for (Table& table : tables_) {
      auto operand = table.rows.find(path);
      found = found || operand.has_value();
      table.values.push_back(operand ? operand->text : "CAST(NULL, 'Nullable(String)')");
    }
    if (!found) {
      std::vector<std::string> names = tables_.front().rows.shape().columns;
      context_.problems.push_back({where,
                                   fmt::format("events have no property `{}`{}", fmt::join(path, "."),
                                               config::did_you_mean(path.front(), names)),
                                   ""});
    }
  }
  return fmt::format("_x{}", known->second);
}

std::string EventPass::aggregate(const std::string& expression) {
  return fmt::format("`_p{}`", place_in(aggregates_, expression));
}

size_t EventPass::row_number(const std::string& expression) {
  return place_in(row_numbers_, expression);
}

size_t EventPass::row_text(const std::string& expression) {
  return place_in(row_texts_, expression);
}

void EventPass::reach_back(std::optional<int64_t> seconds) {
  if (!seconds)
    back_seconds_.reset();
  else if (back_seconds_)
    back_seconds_ = std::max(*back_seconds_, *seconds);
}

std::string EventPass::prefilter(const Table& table, const KeyFilter& keys) const {
  std::vector<std::string> conditions, columns, types;
  for (const std::string& column : table.table.key) {
    columns.push_back(clickhouse::quote_identifier(column));
    types.push_back(*table.rows.shape().type(column));
    if (types.back().find("Nullable(") != std::string::npos)
      conditions.push_back(fmt::format("isNotNull({})", columns.back()));
  }
  if (std::string wanted = keys.condition(columns, types); !wanted.empty()) conditions.push_back(wanted);
  std::string time = clickhouse::quote_identifier(table.table.time);
  if (table.rows.shape().type(table.table.time)->starts_with("Nullable("))
    conditions.push_back(fmt::format("isNotNull({})", time));
  if (back_seconds_)
    conditions.push_back(fmt::format("{} >= fromUnixTimestamp64Micro({} - {}, 'UTC')", time, as_of,
                                     microseconds(*back_seconds_)));
  if (!table.constant && !every_event_) {
    std::string name = clickhouse::quote_identifier(table.table.name);
    std::vector<std::string> ways;
    if (!names_.empty()) {
      std::set<std::string> distinct(names_.begin(), names_.end());
      ways.push_back(fmt::format("{} IN {}", name,
                                 context_.parameters.add_list("String", {distinct.begin(), distinct.end()})));
    }
    for (const std::string& prefix : prefixes_)
      ways.push_back(fmt::format("startsWith({}, {})", name, context_.parameters.add("String", prefix)));
    conditions.push_back(any_of(ways));
  }
  return conditions.empty() ? "" : fmt::format(" WHERE {}", fmt::join(conditions, " AND "));
}

std::string EventPass::table_sql(const Table& table, const KeyFilter& keys, const std::string& read) const {
  std::vector<std::string> inner = table.rows.computed(looked_into(table)), outer;
  for (size_t index = 0; index < table.table.key.size(); ++index) {
    std::string column = clickhouse::quote_identifier(table.table.key[index]);
    inner.push_back(fmt::format(
        "{} AS _k{}",
        text_keys_ ? fmt::format("toString({})", column) : fmt::format("assumeNotNull({})", column), index));
    outer.push_back(fmt::format("_k{}", index));
  }
  inner.push_back(fmt::format("toUnixTimestamp64Micro(toDateTime64(assumeNotNull({}), 6)) AS _ts",
                              clickhouse::quote_identifier(table.table.time)));
  inner.push_back(fmt::format("{} AS _id", table.table.id.empty()
                                               ? "''"
                                               : fmt::format("ifNull(toString({}), '')",
                                                             clickhouse::quote_identifier(table.table.id))));
  outer.insert(outer.end(), {"_ts", "_id"});
  for (size_t index = 0; index < table.matches.size(); ++index) {
    outer.push_back(fmt::format("{} AS _m{}", table.matches[index], index));
    if (match_changes_[index])
      outer.push_back(
          fmt::format("toInt64({}) AS _g{}", table.nexts[index].empty() ? never : table.nexts[index], index));
  }
  for (size_t index = 0; index < table.values.size(); ++index)
    outer.push_back(fmt::format("toNullable({}) AS _x{}", table.values[index], index));
  return fmt::format("SELECT {} FROM (SELECT {} FROM {}{})", fmt::join(outer, ", "), fmt::join(inner, ", "),
                     read, prefilter(table, keys));
}

std::string EventPass::sql(const KeyFilter& keys) const {
  std::vector<std::string> parts, columns, key;
  for (const Table& table : tables_) parts.push_back(table_sql(table, keys, table.rows.shape().read));
  for (size_t index = 0; index < keys_; ++index) key.push_back(fmt::format("_k{}", index));
  columns = key;
  for (size_t index = 0; index < aggregates_.size(); ++index)
    columns.push_back(fmt::format("{} AS `_p{}`", aggregates_[index], index));
  return fmt::format("SELECT {} FROM ({}) GROUP BY {}", fmt::join(columns, ", "),
                     fmt::join(parts, " UNION ALL "), fmt::join(key, ", "));
}

// Without a condition on what is selected: it would be pushed below, and every row's JSON read for it. The
// names alone let hardly any others through.
std::string EventPass::rows_sql(const KeyFilter& keys, size_t most) const {
  std::vector<std::string> parts;
  for (const Table& table : tables_) parts.push_back(table_sql(table, keys, table.rows.shape().read));
  std::string columns;
  for (size_t index = 0; index < row_numbers_.size(); ++index)
    columns += fmt::format(", toInt64({}) AS _c{}", row_numbers_[index], index);
  for (size_t index = 0; index < row_texts_.size(); ++index)
    columns += fmt::format(", toNullable({}) AS _s{}", row_texts_[index], index);
  return fmt::format("SELECT {}, _ts, _id{} FROM ({}) LIMIT {}", key_sql(), columns,
                     fmt::join(parts, " UNION ALL "), most + 1);
}

std::string EventPass::key_sql() const {
  std::vector<std::string> key;
  for (size_t index = 0; index < keys_; ++index) key.push_back(fmt::format("toString(_k{})", index));
  return fmt::format("{} AS _key",
                     key.size() == 1 ? key.front() : fmt::format("toJSONString([{}])", fmt::join(key, ", ")));
}

std::string EventPass::packed_sql(const KeptColumns& kept, const std::string& rows) const {
  auto any = [&](const std::vector<size_t>& flags) {
    std::vector<std::string> set;
    for (size_t flag : flags) set.push_back(row_numbers_[kept.flags[flag]]);
    return any_of(set);
  };
  std::string columns;
  for (size_t word = 0; word < kept.words(); ++word) {
    std::vector<std::string> bits;
    for (size_t flag = word * 64; flag < std::min(kept.flags.size(), (word + 1) * 64); ++flag)
      bits.push_back(
          fmt::format("bitShiftLeft(toUInt64({} != 0), {})", row_numbers_[kept.flags[flag]], flag % 64));
    columns += fmt::format(", {} AS _f{}", fmt::join(bits, " + "), word);
  }
  for (size_t time = 0; time < kept.times.size(); ++time)
    columns += fmt::format(", if({}, toInt64({}), 0) AS _t{}", any(kept.time_flags[time]),
                           row_numbers_[kept.times[time]], time);
  for (size_t text = 0; text < kept.texts; ++text)
    columns += fmt::format(", if({}, toNullable({}), NULL) AS _s{}", any(kept.text_flags[text]),
                           row_texts_[text], text);
  return fmt::format("SELECT {}, _ts, _id{} FROM ({})", key_sql(), columns, rows);
}

std::string EventPass::kept_sql(const KeptColumns& kept, const KeyFilter& keys, size_t most) const {
  std::vector<std::string> parts;
  for (const Table& table : tables_) parts.push_back(table_sql(table, keys, table.rows.shape().read));
  return fmt::format("{} LIMIT {}", packed_sql(kept, fmt::format("{}", fmt::join(parts, " UNION ALL "))),
                     most + 1);
}

std::vector<GivenRows> EventPass::given_sql(const KeptColumns& kept) const {
  std::vector<GivenRows> given;
  for (const Table& table : tables_) {
    std::set<std::string> columns = table.rows.columns_read();
    columns.insert(table.table.key.begin(), table.table.key.end());
    for (const std::string* column : {&table.table.name, &table.table.time, &table.table.id})
      if (!column->empty()) columns.insert(*column);
    GivenRows one{.table = table.table.table, .sql = {}, .columns = {}};
    for (const std::string& column : columns) one.columns[column] = *table.rows.shape().type(column);
    one.sql = packed_sql(
        kept, table_sql(table, KeyFilter::all(),
                        fmt::format("format('Native', {}, base64Decode({{rows:String}}))", given_structure)));
    given.push_back(std::move(one));
  }
  return given;
}

std::string EventPass::constants_sql(const KeptColumns& kept) const {
  std::vector<std::string> columns;
  for (size_t number : kept.constants) columns.push_back(fmt::format("toInt64({})", row_numbers_[number]));
  return columns.empty() ? "" : fmt::format("SELECT {}", fmt::join(columns, ", "));
}

}  // namespace tidemark::segments
