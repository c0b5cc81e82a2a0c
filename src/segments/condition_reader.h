// Reads the tree of conditions: what kind a node is, and everything of it but the operators on properties
// (property_reader.h). Counts nodes and depth against segment_limits.h. One reader for one condition.
#pragma once

#include "config/yaml_reader.h"
#include "segments/definition.h"

#include <vector>

namespace tidemark::segments {

class ConditionReader {
 public:
  explicit ConditionReader(config::Reader reader) : reader_(reader) {}

  // After an error was reported: a condition that holds for nobody.
  Node read(const config::YamlNode& node);

 private:
  std::vector<Node> read_list(const config::YamlNode& node, const char* key);
  Node read_mapping(const config::YamlNode& node);
  Node read_property(config::MappingReader& mapping, const config::YamlNode& node);
  Node read_tuple(const config::YamlNode& node);
  Node read_event(config::MappingReader& mapping, const config::YamlNode& node);
  Node read_sequence(config::MappingReader& mapping, const config::YamlNode& node);
  Node read_stopped(config::MappingReader& mapping, const config::YamlNode& node);
  Node read_restarted(config::MappingReader& mapping, const config::YamlNode& node);
  Node read_random(config::MappingReader& mapping, const config::YamlNode& node);
  Node read_related(config::MappingReader& mapping, const config::YamlNode& node, int hop);
  Node read_users(config::MappingReader& mapping, const config::YamlNode& node);
  std::vector<Node> read_related_where(const config::YamlNode& node, int hop);

  EventSelection read_selection(config::MappingReader& mapping, const char* key);
  Window read_window(config::MappingReader& mapping);
  // sum, avg, min, max, count_distinct; nothing when there is none of them.
  std::optional<std::pair<EventValue, bool>> read_value(config::MappingReader& mapping);

  config::Reader reader_;
  size_t nodes_ = 0;
  size_t depth_ = 0;
};

}  // namespace tidemark::segments
