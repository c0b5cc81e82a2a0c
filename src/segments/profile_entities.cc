#include "segments/profile_entities.h"

namespace tidemark::segments {

void know_profiles(Definition& definition, const profiles::ProfileFiles& profiles) {
  const profiles::Definition* of = profiles.find(definition.entity);
  if (of == nullptr) return;
  if (definition.key.empty()) definition.key = {"profile_id"};
  if (definition.events.empty() && definition.key == std::vector<std::string>{"profile_id"})
    definition.events.push_back({.table = "bronze." + of->slug() + "_events",
                                 .key = {"profile_id"},
                                 .name = "event",
                                 .constant_name = {},
                                 .time = "timestamp",
                                 .properties = "properties",
                                 .id = "message_id",
                                 .where = definition.where});
}

}  // namespace tidemark::segments
