#include "segments/joined_rows.h"

#include "clickhouse/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {
namespace {

bool is_related(const Node& node) {
  return std::holds_alternative<Related>(node.condition);
}

const Related* related_of(const Node& node, bool& negated) {
  negated = false;
  const Node* at = &node;
  if (auto* negation = std::get_if<Not>(&node.condition)) {
    negated = true;
    at = &negation->child.front();
  }
  return is_related(*at) ? &std::get<Related>(at->condition) : nullptr;
}

EventTruth tested(SqlContext& context, const std::string& id, const Related& related,
                  const std::string& number, std::vector<std::string>& aggregates) {
  auto aggregate = [&](const std::string& expression) {
    aggregates.push_back(fmt::format("{} AS {}_p{}", expression, id, aggregates.size()));
    return fmt::format("{}_p{}", id, aggregates.size() - 1);
  };
  if (auto* count = std::get_if<EventCount>(&related.test)) {
    std::string counted = aggregate(fmt::format("countIf({}_v)", id));
    return {{count_in_range(counted, count->range), ""}, fmt::format("toString({})", counted)};
  }
  const auto& test = std::get<EventValue>(related.test);
  std::string condition = id + "_v", value, observed;
  switch (test.function) {
    case EventValue::Function::count_distinct:
      observed = aggregate(fmt::format("uniqExactIf({}, {})", number, condition));
      value = in_range(context.parameters, observed, test.range);
      break;
    case EventValue::Function::average: {
      std::string sum =
          aggregate(fmt::format("sumIf(toDecimal256({}, 10), {})", number_of(number), condition));
      std::string count = aggregate(fmt::format("countIf({}, {})", number_of(number), condition));
      observed = fmt::format("toFloat64({}) / {}", sum, count);
      std::vector<std::string> bounds = {fmt::format("{} > 0", count)};
      for (auto [limit, operation] : {std::pair{test.range.low, test.range.low_open ? ">" : ">="},
                                      {test.range.high, test.range.high_open ? "<" : "<="}})
        if (limit)
          bounds.push_back(fmt::format("{} {} {} * {}", sum, operation,
                                       context.parameters.add("Decimal(76, 10)", *limit), count));
      value = all_of(bounds);
      break;
    }
    case EventValue::Function::sum:
      observed = fmt::format("ifNull({}, 0)", aggregate(fmt::format("sumIf(toDecimal256({}, 10), {})",
                                                                    number_of(number), condition)));
      value = in_range(context.parameters, observed, test.range, "Decimal(76, 10)");
      break;
    case EventValue::Function::minimum:
    case EventValue::Function::maximum:
      observed = aggregate(fmt::format("{}If({}, {})",
                                       test.function == EventValue::Function::minimum ? "min" : "max",
                                       number_of(number), condition));
      value = in_range(context.parameters, observed, test.range);
      break;
  }
  return {{fmt::format("ifNull({}, 0)", value), ""}, fmt::format("toString({})", observed)};
}

}  // namespace

Result<Joined> related_rows(SqlContext& context, Catalog& catalog, const Related& related,
                            const KeyFilter& keys, const std::string& id, const Location& where) {
  Joined joined;
  joined.truth.value = "toUInt8(0)";
  TableShape shape = TRY(catalog.table(related.table));
  if (!shape.exists) {
    context.problems.push_back({where,
                                fmt::format("there is no table `{}`{}", related.table,
                                            config::did_you_mean(related.table, TRY(catalog.names()))),
                                ""});
    return joined;
  }
  bool fits = true;
  for (const std::string& column : related.columns)
    if (shape.type(column) == nullptr) {
      context.problems.push_back({where,
                                  fmt::format("{} has no column `{}`{}", related.table, column,
                                              config::did_you_mean(column, shape.columns)),
                                  "`on` names their column first, then ours: {customer_id: id}"});
      fits = false;
    }
  if (!fits) return joined;
  RowSource rows(shape, "", context.zone);
  RowScope scope{[&](const Path& path) { return rows.find(path); }, related.table + " has", shape.columns};
  std::vector<std::string> values, nexts, joins, selected;
  std::vector<Node> properties;
  size_t hop = 0;
  for (const Node& node : related.where) {
    bool negated = false;
    const Related* further = related_of(node, negated);
    if (further == nullptr) {
      properties.push_back(node);
      continue;
    }
    std::string inner_id = fmt::format("{}h{}", id, hop++);
    std::vector<std::string> on;
    bool known = true;
    for (const std::string& column : further->of)
      if (shape.type(column) == nullptr) {
        context.problems.push_back({node.where,
                                    fmt::format("{} has no column `{}`{}", related.table, column,
                                                config::did_you_mean(column, shape.columns)),
                                    ""});
        known = false;
      }
    Joined inner = TRY(related_rows(context, catalog, *further, KeyFilter::all(), inner_id, node.where));
    if (!known || inner.sql.empty()) continue;
    for (size_t index = 0; index < further->of.size(); ++index)
      on.push_back(fmt::format("toString({}) = {}", rows.column(further->of[index]), inner.columns[index]));
    joins.push_back(fmt::format(" LEFT JOIN ({}) AS {} ON {}", inner.sql, inner_id, fmt::join(on, " AND ")));
    values.push_back(negated ? fmt::format("(NOT {})", inner.truth.value) : inner.truth.value);
    nexts.push_back(inner.truth.next);
  }
  Truth own = filter_sql(context, scope, properties);
  values.push_back(own.value);
  nexts.push_back(own.next);
  std::string next = earliest(nexts), number;
  for (size_t index = 0; index < related.columns.size(); ++index) {
    joined.columns.push_back(fmt::format("{}_c{}", id, index));
    selected.push_back(
        fmt::format("toString({}) AS {}", rows.column(related.columns[index]), joined.columns.back()));
  }
  selected.push_back(fmt::format("{} AS {}_v", all_of(values), id));
  if (!next.empty()) selected.push_back(fmt::format("{} AS {}_n", next, id));
  if (auto* value = std::get_if<EventValue>(&related.test)) {
    auto operand = rows.find(value->path);
    if (!operand)
      context.problems.push_back(
          {where,
           fmt::format("{} has no column or property `{}`{}", related.table, fmt::join(value->path, "."),
                       config::did_you_mean(value->path.front(), shape.columns)),
           ""});
    selected.push_back(fmt::format("{} AS {}_x", operand ? operand->text : "''", id));
    number = id + "_x";
  }
  std::vector<std::string> aggregates, columns, types;
  EventTruth truth = tested(context, id, related, number, aggregates);
  joined.truth = truth.truth;
  joined.observed = truth.observed;
  if (!next.empty()) {
    aggregates.push_back(fmt::format("min({0}_n) AS {0}_next", id));
    joined.truth.next = fmt::format("if({0}_next = 0, {1}, {0}_next)", id, never);
  }
  for (const std::string& column : related.columns) {
    columns.push_back(clickhouse::quote_identifier(column));
    types.push_back(*shape.type(column));
  }
  std::string wanted = keys.condition(columns, types);
  joined.sql = fmt::format(
      "SELECT {0}, {1} FROM (SELECT {2} FROM (SELECT {3} FROM {4}{5}) AS {6}rows{7}) GROUP BY {0}",
      fmt::join(joined.columns, ", "), fmt::join(aggregates, ", "), fmt::join(selected, ", "),
      fmt::join(rows.computed(), ", "), shape.read, wanted.empty() ? "" : " WHERE " + wanted, id,
      fmt::join(joins, ""));
  return joined;
}

Result<Joined> value_history(SqlContext& context, const TableShape& shape,
                             const std::vector<std::string>& key, const KeyFilter& keys,
                             const PropertyCondition& condition, const std::string& id,
                             const Location& where) {
  Joined joined;
  joined.truth.value = "toUInt8(0)";
  if (shape.changes.empty()) {
    context.problems.push_back(
        {where,
         fmt::format("`has_been` needs the history of {}, and its change rows are not kept", shape.name),
         "Set `history: true` for the table in its source's `options`."});
    return joined;
  }
  RowSource rows(shape, "", context.zone);
  auto operand = rows.find(condition.path);
  const auto& test = std::get<HasBeen>(condition.test);
  if (!operand) return joined;
  std::string fits = is_one_of(context.parameters, *operand, test.values).value;
  std::vector<std::string> selected, columns, types;
  for (size_t index = 0; index < key.size(); ++index) {
    joined.columns.push_back(fmt::format("{}_c{}", id, index));
    std::string column = rows.column(key[index]);
    selected.push_back(fmt::format("toString({}) AS {}", column, joined.columns.back()));
    columns.push_back(column);
    types.push_back(*shape.type(key[index]));
  }
  std::vector<std::string> raw = rows.computed();
  raw.insert(raw.end(), {"_version", "_sign", "_op", "_committed_at"});
  std::string wanted = keys.condition(columns, types);
  // Old images of updates tell nothing new; a deletion ends whatever has been.
  joined.sql = fmt::format(
      "SELECT {keys}, arraySort(groupArray((_version, toUnixTimestamp64Micro(toDateTime64(_committed_at, "
      "6)), _fits))) AS "
      "{id}_all, arrayReverse({id}_all) AS {id}_newest, arrayFirstIndex(one -> tupleElement(one, 3) = 0, "
      "{id}_newest) AS "
      "{id}_other, multiIf({id}_other = 1, 0, {id}_other = 0, tupleElement({id}_all[1], 2), "
      "tupleElement({id}_newest[{id}_other - 1], 2)) AS {id}_since FROM (SELECT {selected}, _version, "
      "_committed_at, "
      "({fits} AND _sign = 1) AS _fits FROM (SELECT {raw} FROM {from}{where}) WHERE _sign = 1 OR _op IN "
      "('delete', "
      "'truncate')) "
      "GROUP BY {keys}",
      fmt::arg("keys", fmt::join(joined.columns, ", ")), fmt::arg("id", id),
      fmt::arg("selected", fmt::join(selected, ", ")), fmt::arg("fits", fits),
      fmt::arg("raw", fmt::join(raw, ", ")), fmt::arg("from", shape.changes),
      fmt::arg("where", wanted.empty() ? "" : " WHERE " + wanted));
  joined.sql = fmt::format("SELECT {}, {}_since FROM ({})", fmt::join(joined.columns, ", "), id, joined.sql);
  return joined;
}

}  // namespace tidemark::segments
