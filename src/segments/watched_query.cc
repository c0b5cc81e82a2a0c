#include "segments/watched_query.h"

#include "clickhouse/schema.h"
#include "segments/key_filter.h"
#include "segments/segment_references.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>

namespace tidemark::segments {
namespace {

using clickhouse::quote_identifier;

// A row that conditions are about: its alias and its table.
struct Row {
  std::string alias;
  TableShape shape;
  std::vector<std::string> key;
};

class Watch {
 public:
  Watch(Catalog& catalog, const CompileOptions& options) : catalog_(catalog), options_(options) {}

  Status add(const Row& row, const std::vector<EventTable>& events, const Node& node) {
    if (auto* all = std::get_if<All>(&node.condition)) return add_each(row, events, all->children);
    if (auto* any = std::get_if<Any>(&node.condition)) return add_each(row, events, any->children);
    if (auto* negation = std::get_if<Not>(&node.condition)) return add_each(row, events, negation->child);
    if (auto* event = std::get_if<EventCondition>(&node.condition))
      return add_events(row, events, event->events.table);
    if (auto* sequence = std::get_if<Sequence>(&node.condition)) {
      TRY_VOID(add_events(row, events, sequence->first.table));
      return add_events(row, events, sequence->then.table);
    }
    if (auto* related = std::get_if<Related>(&node.condition)) {
      auto joined = TRY(join(row, related->table, related->columns, related->of));
      if (!joined) return {};
      return add_each(*joined, events, related->where);
    }
    if (auto* users = std::get_if<OfUsers>(&node.condition)) {
      auto joined = TRY(join(row, users->entity, users->columns, row.key));
      if (!joined) return {};
      joined->key = users->key.empty() ? joined->shape.key : users->key;
      return add_each(*joined, events, users->where);
    }
    return {};
  }

  const std::vector<std::string>& joins() const { return joins_; }

 private:
  Status add_each(const Row& row, const std::vector<EventTable>& events, const std::vector<Node>& nodes) {
    for (const auto& node : nodes) TRY_VOID(add(row, events, node));
    return {};
  }

  Status add_events(const Row& row, const std::vector<EventTable>& events, const std::string& only) {
    for (const auto& table : events)
      if (only.empty() || table.table == only) TRY_VOID(join(row, table.table, table.key, row.key));
    return {};
  }

  // Nothing: a table or a column is missing.
  Result<std::optional<Row>> join(const Row& row, const std::string& table,
                                  const std::vector<std::string>& columns,
                                  const std::vector<std::string>& of) {
    Row joined{.alias = fmt::format("_w{}", joins_.size()), .shape = TRY(catalog_.table(table))};
    if (!joined.shape.exists || columns.size() != of.size()) return std::optional<Row>();
    std::vector<std::string> on;
    for (size_t index = 0; index < columns.size(); ++index) {
      const std::string* type = joined.shape.type(columns[index]);
      const std::string* other = row.shape.type(of[index]);
      if (type == nullptr || other == nullptr) return std::optional<Row>();
      std::string left = joined.alias + "." + quote_identifier(columns[index]);
      std::string right = row.alias + "." + quote_identifier(of[index]);
      bool same = bare_type(*type) == bare_type(*other);
      on.push_back(same ? left + " = " + right : fmt::format("toString({}) = toString({})", left, right));
    }
    std::string conditions = fmt::format("{}", fmt::join(on, " AND "));
    // Once is enough, under whichever name.
    std::string outline =
        table + " " + row.alias + fmt::format(" {} {}", fmt::join(columns, ","), fmt::join(of, ","));
    auto [known, fresh] = known_.emplace(outline, joined.alias);
    if (!fresh) {
      joined.alias = known->second;
      return std::optional(std::move(joined));
    }
    joins_.push_back(fmt::format(" LEFT JOIN {} AS {} ON {}", table, joined.alias, conditions));
    return std::optional(std::move(joined));
  }

  Catalog& catalog_;
  const CompileOptions& options_;
  std::vector<std::string> joins_;
  std::map<std::string, std::string> known_;
};

}  // namespace

Result<WatchedQuery> watched_query(Catalog& catalog, const std::vector<const Definition*>& definitions,
                                   const CompileOptions& options, std::vector<Problem>& problems) {
  const Definition& first = *definitions.front();
  Row entity{.alias = "_e", .shape = TRY(catalog.table(first.entity))};
  if (!entity.shape.exists) return WatchedQuery{};
  entity.key = first.key.empty() ? entity.shape.key : first.key;
  Watch watch(catalog, options);
  for (const Definition* definition : definitions)
    TRY_VOID(watch.add(entity, definition->events.empty() ? options.events : definition->events,
                       expanded(*definition, options, problems)));
  WatchedQuery query{.sql = {}, .key = entity.key};
  std::vector<std::string> selected, grouped;
  for (const auto& column : entity.key) {
    std::string name = quote_identifier(column);
    grouped.push_back("_e." + name);
    selected.push_back(fmt::format("_e.{} AS {}", name, name));
  }
  query.sql = fmt::format("SELECT {} FROM {} AS _e{} GROUP BY {}", fmt::join(selected, ", "), first.entity,
                          fmt::join(watch.joins(), ""), fmt::join(grouped, ", "));
  return query;
}

}  // namespace tidemark::segments
