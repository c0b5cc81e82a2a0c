// For tests: the meaning of definitions once more, as plain loops over rows in memory, straight from
// docs/SEGMENTS.md and without a thought for speed. Knows UTC only. The differential test holds the SQL
// oracle against it.
#pragma once

#include "segments/definition.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::segments {

// A value in its text form; a list has its items too. Not there at all: missing or null.
struct ReferenceValue {
  std::string text;
  std::optional<std::vector<std::string>> items;
};
using ReferenceRow = std::map<std::string, ReferenceValue>;

struct ReferenceEvent {
  std::string id, name;
  int64_t at_us = 0;
  ReferenceRow properties;
};

struct ReferenceEntity {
  std::string key;
  ReferenceRow properties;
  std::vector<ReferenceEvent> events;
};

class ReferenceEvaluator {
 public:
  // `segment`: the definition of that name, for `member`.
  explicit ReferenceEvaluator(std::function<const Definition*(const std::string&)> segment = {})
      : segment_(std::move(segment)) {}

  bool holds(const Node& node, const ReferenceEntity& entity, int64_t as_of_us) const;

 private:
  bool property(const PropertyCondition& condition, const ReferenceRow& row, int64_t as_of_us) const;
  bool filter(const std::vector<Node>& nodes, const ReferenceRow& row, int64_t as_of_us) const;
  std::vector<const ReferenceEvent*> selected(const EventSelection& events, const ReferenceEntity& entity,
                                              int64_t as_of_us) const;
  bool event(const EventCondition& condition, const ReferenceEntity& entity, int64_t as_of_us) const;
  bool sequence(const Sequence& sequence, const ReferenceEntity& entity, int64_t as_of_us) const;

  std::function<const Definition*(const std::string&)> segment_;
};

}  // namespace tidemark::segments
