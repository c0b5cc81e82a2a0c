#include "segments/entity_values.h"

#include "clickhouse/schema.h"
#include "segments/key_filter.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {
namespace {

// "address.city" as steps, unless there is a column of just that name.
Path path_of(const std::string& property, const TableShape& shape) {
  if (shape.type(property) != nullptr) return {property};
  Path path;
  for (size_t from = 0; from <= property.size();) {
    size_t dot = std::min(property.find('.', from), property.size());
    path.push_back(property.substr(from, dot - from));
    from = dot + 1;
  }
  return path;
}

}  // namespace

Result<CompiledSegments> entity_values(Catalog& catalog, const Definition& definition,
                                       const CompileOptions& options, std::vector<Problem>& problems) {
  CompiledSegments compiled;
  TableShape shape = TRY(catalog.table(definition.entity));
  compiled.key = definition.key.empty() ? shape.key : definition.key;
  // compile() complains about an entity that is not right.
  if (!shape.exists || compiled.key.empty()) return compiled;
  Zone zone(compiled.parameters, definition.time_zone.empty() ? options.time_zone : definition.time_zone);
  RowSource rows(shape, "", zone);
  std::vector<std::string> key, types, columns, pairs;
  for (const auto& column : compiled.key) {
    if (shape.type(column) == nullptr) return compiled;
    types.push_back(*shape.type(column));
    columns.push_back(rows.column(column));
    key.push_back(fmt::format("ifNull(toString({}), '')", columns.back()));
  }
  for (const auto& property : definition.properties) {
    auto operand = rows.find(path_of(property, shape));
    if (!operand) {
      problems.push_back({definition.where,
                          fmt::format("{} has no `{}` to send along{}", shape.name, property,
                                      config::did_you_mean(property, shape.columns)),
                          "`properties` names columns or keys of the entity's properties."});
      continue;
    }
    pairs.push_back(fmt::format("{}, CAST({} AS Nullable(String))",
                                compiled.parameters.add("String", property), operand->text));
  }
  std::string entity =
      key.size() == 1 ? key.front() : fmt::format("toJSONString([{}])", fmt::join(key, ", "));
  compiled.sql = fmt::format(
      "SELECT {} AS entity, toJSONString(map({})) AS properties FROM (SELECT {} FROM {} WHERE {})", entity,
      fmt::join(pairs, ", "), fmt::join(rows.computed(), ", "), shape.read,
      KeyFilter::bound(types).condition(columns, types));
  return compiled;
}

}  // namespace tidemark::segments
