// A YAML document as a tree of plain values with positions. The only file that sees yaml-cpp is yaml_node.cc;
// its events are turned into this tree because its own Node forgets duplicate keys' order and cannot bound
// aliases.
//
// Accepted: one document, mappings with text keys, sequences, scalars, anchors and aliases. Reported as
// errors with a position: bad syntax, duplicate keys, several documents, keys that are not text, nesting or
// size past limits.h.
#pragma once

#include "config/report.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tidemark::config {

struct YamlNode {
  enum class Kind { null, scalar, sequence, mapping };
  struct Pair;

  Kind kind = Kind::null;
  Location where;
  std::string text;     // scalar, as written less quotes
  bool quoted = false;  // '..', "..", | or >: never a null
  std::vector<YamlNode> items;
  std::vector<Pair> pairs;

  // "a list", "a mapping", "empty", "text": for messages.
  const char* describe() const;
  const YamlNode* find(std::string_view key) const;
};

struct YamlNode::Pair {
  std::string key;
  Location key_where;
  YamlNode value;
};

// Nothing, with an error reported, when there is no usable document. An empty file is a null node.
std::optional<YamlNode> parse_yaml(Report& report, const std::filesystem::path& file,
                                   const std::string& text);

}  // namespace tidemark::config
