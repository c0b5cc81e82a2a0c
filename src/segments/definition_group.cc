#include "segments/definition_group.h"

#include "segments/canonical.h"
#include "segments/segment_references.h"

#include <fmt/format.h>

namespace tidemark::segments {

const std::string& zone_of(const Definition& definition, const CompileOptions& options) {
  return definition.time_zone.empty() ? options.time_zone : definition.time_zone;
}

const std::vector<EventTable>& events_of(const Definition& definition, const CompileOptions& options) {
  return definition.events.empty() ? options.events : definition.events;
}

std::string group_of(const Definition& definition, const CompileOptions& options) {
  Definition outline;
  outline.entity = definition.entity;
  outline.key = definition.key;
  outline.events = events_of(definition, options);
  outline.time_zone = zone_of(definition, options);
  return canonical_text(outline);
}

Result<std::vector<Node>> conditions_of(const std::vector<const Definition*>& definitions,
                                        const CompileOptions& options, std::vector<Problem>& problems) {
  const std::string group = group_of(*definitions.front(), options);
  std::vector<Node> conditions;
  for (const Definition* definition : definitions) {
    if (group_of(*definition, options) != group)
      return fail(ErrorKind::internal, fmt::format("segments {} and {} cannot share a query",
                                                   definitions.front()->name, definition->name));
    conditions.push_back(expanded(*definition, options, problems));
  }
  return conditions;
}

}  // namespace tidemark::segments
