#include "segments/watched_query.h"

#include "clickhouse/schema.h"
#include "segments/canonical.h"
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
  explicit Watch(Catalog& catalog) : catalog_(catalog) {}

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
  std::vector<std::string> joins_;
  std::map<std::string, std::string> known_;
};

}  // namespace

std::string group_name(const Definition& definition, const CompileOptions& options) {
  Definition outline;
  outline.entity = group_of(definition, options);
  return definition.entity + "#" + fingerprint(outline);
}

std::string watch_model(const std::string& group_name) {
  std::string name = group_name;
  for (char& character : name)
    if (character == '.' || character == '#') character = '_';
  return name;
}

Result<std::vector<WatchedGroup>> watched_groups(Catalog& catalog, const std::vector<Definition>& definitions,
                                                 const CompileOptions& options) {
  std::map<std::string, std::vector<const Definition*>> groups;
  for (const auto& definition : definitions) groups[group_name(definition, options)].push_back(&definition);
  std::vector<WatchedGroup> watched;
  std::vector<Problem> problems;
  for (const auto& [name, members] : groups) {
    const Definition& first = *members.front();
    Row entity{.alias = "_e", .shape = TRY(catalog.table(first.entity)), .key = {}};
    entity.key = first.key.empty() ? entity.shape.key : first.key;
    if (!entity.shape.exists || entity.key.empty()) continue;
    Watch watch(catalog);
    for (const Definition* definition : members)
      TRY_VOID(watch.add(entity, definition->events.empty() ? options.events : definition->events,
                         expanded(*definition, options, problems)));
    std::vector<std::string> selected, grouped;
    for (const auto& column : entity.key) {
      std::string quoted = quote_identifier(column);
      grouped.push_back("_e." + quoted);
      selected.push_back(fmt::format("_e.{} AS {}", quoted, quoted));
    }
    watched.push_back(
        {.name = name,
         .model = watch_model(name),
         .sql = fmt::format("SELECT {} FROM {} AS _e{} GROUP BY {}", fmt::join(selected, ", "), first.entity,
                            fmt::join(watch.joins(), ""), fmt::join(grouped, ", ")),
         .key = entity.key});
  }
  return watched;
}

namespace {

void tables_of(const Node& node, const std::vector<EventTable>& events, std::set<std::string>& found) {
  auto each = [&](const std::vector<Node>& nodes) {
    for (const auto& one : nodes) tables_of(one, events, found);
  };
  if (auto* all = std::get_if<All>(&node.condition)) each(all->children);
  if (auto* any = std::get_if<Any>(&node.condition)) each(any->children);
  if (auto* negation = std::get_if<Not>(&node.condition)) each(negation->child);
  if (std::holds_alternative<EventCondition>(node.condition) ||
      std::holds_alternative<Sequence>(node.condition))
    for (const auto& table : events) found.insert(table.table);
  if (auto* related = std::get_if<Related>(&node.condition)) {
    found.insert(related->table);
    each(related->where);
  }
  if (auto* users = std::get_if<OfUsers>(&node.condition)) {
    found.insert(users->entity);
    each(users->where);
  }
}

}  // namespace

std::set<std::string> tables_read(const std::vector<Definition>& definitions,
                                  const std::vector<EventTable>& events) {
  std::set<std::string> found;
  for (const auto& definition : definitions) {
    found.insert(definition.entity);
    tables_of(definition.condition, definition.events.empty() ? events : definition.events, found);
  }
  return found;
}

}  // namespace tidemark::segments
